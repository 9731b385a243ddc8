"""A small environment, in a module that the processes of a vectorised environment can import too."""

from __future__ import annotations

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import Costs, EnvConfig
from market_bars import random_walk


def make_env(action="target_position", reward="log_growth", n_instruments=1, *, costs=True, **options):
    bars = {f"i{i}": random_walk(60, i) for i in range(n_instruments)}
    config = EnvConfig(
        window_bars=4,
        features=["log_return", "gap"],
        scaling={"name": "rolling", "window_bars": 8},
        action=action,
        reward=reward,
        costs=Costs() if costs else Costs(commission=0, slippage=0),
    )
    return TradingEnv(bars, config, **options)


def play(env, actions):
    """All infos and rewards of an episode."""
    _, info = env.reset(seed=0)
    infos, rewards = [info], []
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        infos.append(info)
        rewards.append(reward)
        if terminated or truncated:
            break
    return infos, rewards
