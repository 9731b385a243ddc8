"""Parity: the vectorised market against Cerebro, the same actions on the same bars, compared on every bar.

Observations, positions, fills and refusals must be equal; cash, equity and rewards to a relative `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dltrader.data import load_bars
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.vector import TradingVectorEnv

TOLERANCE = 1e-12
EPISODE_BARS = 60


@dataclass(frozen=True)
class Mismatch:
    """One number on which the two engines differ, and all that is needed to see it again.

    Attributes:
        episode: Number of the episode drawn from the seed.
        config: The configuration of both engines.
        bar: Steps into the episode.
        what: Which number.
        cerebro: What Cerebro says.
        vector: What the vectorised market says.
    """

    episode: int
    config: EnvConfig
    bar: int
    what: str
    cerebro: Any
    vector: Any


@dataclass
class Parity:
    """What was compared, and how it came out.

    Attributes:
        episodes: Episodes compared.
        bars: Bars compared.
        fills: Fills among them.
        refusals: Refused orders among them.
        largest: Largest relative difference of cash, equity and rewards.
        mismatch: The one after the fewest bars, if there is any.
    """

    episodes: int = 0
    bars: int = 0
    fills: int = 0
    refusals: int = 0
    largest: float = 0.0
    mismatch: Mismatch | None = None

    def take(self, number: int, config: EnvConfig, market: Market, actions: np.ndarray[Any, Any]) -> None:
        """Compare one episode and add it up."""
        self.episodes += 1
        for bar, what, cerebro, vector in self._differences(config, market, actions):
            if self.mismatch is None or bar < self.mismatch.bar:
                self.mismatch = Mismatch(number, config, bar, what, cerebro, vector)
            return

    def _differences(
        self, config: EnvConfig, market: Market, actions: np.ndarray[Any, Any]
    ) -> Iterator[tuple[int, str, Any, Any]]:
        """Everything that differs, in the order of the bars."""
        env, twin = TradingEnv(market, config), TradingVectorEnv(market, 1, config)
        observation, info = env.reset(seed=0)
        lanes, infos = twin.reset(seed=0)
        bar, done = 0, False
        yield from _unequal(bar, {"market": (observation["market"], lanes["market"][0])})
        while not done:
            observation, reward, terminated, truncated, info = env.step(actions[bar])
            lanes, rewards, ruined, ended, infos = twin.step(actions[bar : bar + 1])
            bar, done = bar + 1, terminated or truncated
            seen = infos["final_obs"] if done else lanes
            filled, refused = _orders(info, market)
            self.bars += 1
            self.fills += len(info["fills"])
            self.refusals += len(info["rejections"])
            yield from _unequal(
                bar,
                {
                    "terminated": (terminated, ruined[0]),
                    "truncated": (truncated, ended[0]),
                    "position": (info["position"], infos["position"][0]),
                    "filled": (filled, np.atleast_1d(infos["filled"][0])),
                    "refused": (refused, np.atleast_1d(infos["refused"][0])),
                    "market": (observation["market"], seen["market"][0]),
                    "account": (observation["account"], seen["account"][0]),
                },
            )
            for what, cerebro, vector in (
                ("cash", info["cash"], infos["cash"][0]),
                ("equity", info["equity"], infos["equity"][0]),
                ("reward", reward, rewards[0]),
            ):
                # Money is compared beside the equity: cash near zero is the difference of large numbers.
                scale = max(
                    abs(cerebro), abs(info["equity"]) if what == "cash" else 0.0, 1.0 if what == "reward" else 0.0
                )
                difference = abs(cerebro - vector) / scale if scale else 0.0
                self.largest = max(self.largest, difference)
                if difference > TOLERANCE:
                    yield bar, what, cerebro, vector


def measure_parity(*, episodes: int, seed: int) -> Parity:
    """Compare episodes with random bars, configurations and actions."""
    parity, generator = Parity(), np.random.default_rng(seed)
    for number in range(episodes):
        config = random_config(generator)
        market = Market.build(random_bars(generator), config)
        space = TradingVectorEnv(market, EPISODE_BARS + 60, config).action_space
        space.seed(int(generator.integers(2**31)))
        parity.take(number, config, market, space.sample())
    return parity


def random_config(generator: np.random.Generator) -> EnvConfig:
    """A configuration from all corners: schemes, rewards, costs, lots, sizing, leverage."""

    def draw(*choices: Any) -> Any:
        return choices[int(generator.integers(len(choices)))]

    allow_short = bool(generator.random() < 0.7)
    levels = [-0.7, 0.0, 0.3, 1.0] if allow_short else [0.0, 0.3, 1.0]
    return EnvConfig.from_mapping(
        {
            "window_bars": draw(1, 4),
            "features": ["log_return"],
            "scaling": "none",
            "episode_bars": EPISODE_BARS,
            "action": draw(
                "target_position",
                {"name": "target_position", "levels": levels},
                "buy_sell_hold",
                {"name": "buy_sell_hold", "max_units": 3},
                "target_weight",
            ),
            "reward": draw("log_growth", "profit", "differential_sharpe", "sortino", "drawdown_penalised"),
            "costs": {"commission": draw(0.0, 0.001, 0.05), "slippage": draw(0.0, 0.0005, 0.03)},
            "lot_size": draw(0.0, 0.01, 1.0, 100.0),
            "sizing": draw("at_open", "at_close"),
            "leverage": draw(1.0, 1.0, 2.5),
            "allow_short": allow_short,
        }
    )


def random_bars(generator: np.random.Generator) -> dict[str, pd.DataFrame]:
    """One to three instruments: a stretch of real bars, or synthetic ones that jump, cost a penny or a fortune."""
    if generator.random() < 0.3:
        first = int(generator.integers(0, 2000))
        names = ["AAPL", "IBM", "MSFT"][: int(generator.integers(1, 4))]
        return {name: load_bars(f"sample:{name}").iloc[first : first + EPISODE_BARS + 20] for name in names}
    bars = {}
    for i in range(int(generator.integers(1, 4))):
        sigma, price = (0.05, 0.3, 3.0)[int(generator.integers(3))], (0.01, 100.0, 50_000.0)[int(generator.integers(3))]
        seed, gap = int(generator.integers(2**31)), (0.0, 0.02, 0.2)[int(generator.integers(3))]
        uri = f"synthetic:gbm?n={EPISODE_BARS + 20}&sigma={sigma}&price={price}&gap={gap}&seed={seed}"
        bars[f"i{i}"] = load_bars(uri)
    return bars


def _orders(info: dict[str, Any], market: Market) -> tuple[Any, Any]:
    """Signed units filled and refused on a bar, one element an instrument."""
    names = list(market.instruments)
    filled, refused = np.zeros(len(names)), np.zeros(len(names))
    for fill in info["fills"]:
        filled[names.index(fill.instrument)] += fill.size if fill.side == "buy" else -fill.size
    for order in info["rejections"]:
        refused[names.index(order.instrument)] += order.size
    return filled, refused


def _unequal(bar: int, pairs: dict[str, tuple[Any, Any]]) -> Iterator[tuple[int, str, Any, Any]]:
    for what, (cerebro, vector) in pairs.items():
        if not np.array_equal(cerebro, vector):
            yield bar, what, cerebro, vector
