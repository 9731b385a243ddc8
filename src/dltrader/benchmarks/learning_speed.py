"""How fast PPO learns, end to end: as Stable-Baselines3 does it with windows, and with shared encodings.

The same algorithm, network, size of a rollout and number of passes over it everywhere; what steps the environments,
what observations hold and how large a minibatch is differ. Stock learners have the minibatch that is best for them.

Where the time goes, of a rollout of 16 384 bars on one core (cProfile and the torch profiler):
    mlp: two thirds in the update, half of that in Stable-Baselines3's own heads and losses; a third in collecting, of
        which the market takes a sixth. Minibatches of 4 096 instead of 256 are what counts; fused Adam saves a seventh.
    lstm: nine tenths in the forward and backward pass of the LSTM, which takes 72 µs a window in batches of 256, and
        twice that in batches of 1 536, which leave the cache: large minibatches are therefore encoded in parts of 256.
        A bar that stands in a rollout six times is encoded once an epoch instead of six times.
    attention: the same, at 4 to 5 times the cost a window.
    Two threads of torch are no faster for mlp, 1.6 times for lstm, 1.5 times for attention (train.threads). Compiling
        with torch.compile gains nothing (LSTM 2 s of compiling, attention 31 s): the time is in matrix products
        already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.ppo import PPOConfig
from dltrader.agents.rollouts import FreezeEncodings
from dltrader.agents.threads import torch_threads
from dltrader.benchmarks.timing import seconds
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market

EXTRACTORS: Mapping[str, Mapping[str, Any]] = {
    "mlp": {"name": "mlp", "hidden": [64, 64]},
    "lstm": {"name": "lstm", "hidden": 64},
    "attention": {"name": "attention", "width": 64, "layers": 2, "heads": 4},
}
ROLLOUT = 16_384
BATCH = 4_096
STOCK_BATCH = {"mlp": 4_096, "lstm": 256, "attention": 256}
"""Of 128, 256, 512 and 4 096 the quickest for windows: large batches of them leave the cache."""
LANES = 256
STOCK_ENVIRONMENTS = 8
WAYS = ("stock, TradingEnv x 8", "stock, windows in lanes", "shared encodings")


def together_task(market: Market, extractor: str, config: EnvConfig, together: int) -> Callable[[], float]:
    """What measures the steps per second of learning with shared encodings where lanes begin episodes together."""
    return _learning(extractor, BATCH, lambda: LanesVecEnv(market, config, LANES, together=together, windows=False))


def learning_tasks(market: Market, extractor: str, config: EnvConfig) -> dict[str, Callable[[], float]]:
    """Way -> what measures its steps per second over one rollout and the update that follows it."""
    cerebro, windowed, shared = WAYS
    single = [partial(TradingEnv, market, config)] * STOCK_ENVIRONMENTS
    stock = STOCK_BATCH[extractor]
    return {
        cerebro: _learning(extractor, stock, lambda: DummyVecEnv(list(single))),
        windowed: _learning(extractor, stock, lambda: LanesVecEnv(market, config, LANES, windows=True)),
        shared: _learning(extractor, BATCH, lambda: LanesVecEnv(market, config, LANES, windows=False)),
    }


def _learning(extractor: str, batch: int, make: Callable[[], VecEnv]) -> Callable[[], float]:
    learner: Any = None

    def measure() -> float:
        nonlocal learner
        with torch_threads():
            if learner is None:
                env = make()
                sizes = {"n_steps": ROLLOUT // env.num_envs, "batch_size": batch}
                agent = PPOConfig.from_mapping({"extractor": dict(EXTRACTORS[extractor])} | sizes)
                learner = agent.learner(env, seed=0, device="cpu")
                _learn(learner)  # the first of anything is slow
            return ROLLOUT / seconds(lambda: _learn(learner))

    return measure


def _learn(learner: Any) -> None:
    learner.learn(ROLLOUT, callback=FreezeEncodings(), reset_num_timesteps=False)
