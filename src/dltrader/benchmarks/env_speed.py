"""How much of backtrader's own speed is left when it is stepped from outside."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np

from dltrader.benchmarks.timing import seconds
from dltrader.data import load_bars
from dltrader.data.feed import BarsFeed
from dltrader.envs.broker import make_cerebro
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig


@dataclass(frozen=True)
class EnvSpeed:
    """Medians over interleaved repeats.

    Attributes:
        bars: Bars of an episode.
        repeats: How often each was measured.
        quiet: Bars per second without orders: the bare Cerebro loop, and TradingEnv.
        busy: The same with a random order on every bar.
        reset_ms: Milliseconds of a reset on as many bars, after the first.
    """

    bars: int
    repeats: int
    quiet: tuple[float, float]
    busy: tuple[float, float]
    reset_ms: float


class _Tape(bt.Strategy):
    """Sends at every open what stands on the tape: the same orders, without an environment around them."""

    params = (("tape", ()),)

    def next_open(self) -> None:
        size = self.p.tape[len(self)]
        if size > 0:
            self.buy(size=size)
        elif size < 0:
            self.sell(size=-size)


def measure_env(*, bars: int, repeats: int) -> EnvSpeed:
    """Measure the bare loop and the environment in turn, on the same bars with the same orders.

    Both run on the same kind of feed, so that what differs is the stepping: the hand-over of control, observations,
    rewards, records.
    """
    config = EnvConfig(episode_bars=bars - 1)
    env = TradingEnv(load_bars(f"synthetic:gbm?n={bars + 1000}&sigma=0.2&seed=1"), config)
    hold = [1] * (bars - 1)  # level 0
    generator = np.random.default_rng(0)
    # Every action differs from the one before, so that every bar has an order.
    trade = [int(action) for action in np.cumsum(generator.integers(1, 3, bars - 1)) % 3]
    tape = tape_of(env, trade)

    quiet: list[tuple[float, float]] = []
    busy: list[tuple[float, float]] = []
    resets: list[float] = []
    env.reset(seed=0)
    for _ in range(repeats):
        quiet.append((_speed(lambda: bare_loop(env, [0.0] * bars), bars), _speed(lambda: play(env, hold), bars)))
        busy.append((_speed(lambda: bare_loop(env, tape), bars), _speed(lambda: play(env, trade), bars)))
        resets.append(seconds(env.reset))
    return EnvSpeed(
        bars=bars,
        repeats=repeats,
        quiet=_medians(quiet),
        busy=_medians(busy),
        reset_ms=1000 * statistics.median(resets),
    )


def tape_of(env: TradingEnv, actions: Sequence[int]) -> list[float]:
    """The signed order sizes of an episode, one a bar."""
    env.reset(seed=0)
    sizes = [0.0]
    for action in actions:
        info = env.step(action)[-1]
        sizes.append(sum(fill.size if fill.side == "buy" else -fill.size for fill in info["fills"]))
    return sizes


def play(env: TradingEnv, actions: Sequence[int]) -> None:
    """Step one episode."""
    env.reset(seed=0)
    for action in actions:
        env.step(action)


def bare_loop(env: TradingEnv, tape: Sequence[float]) -> None:
    """Run a Cerebro over the bars of the environment, with the orders on the tape and nothing around it."""
    cerebro = make_cerebro(env.config)
    first = env.market.first
    cerebro.adddata(BarsFeed.of(env.market.feeds[0].slice(first, first + len(tape))))
    cerebro.addstrategy(_Tape, tape=tape)
    cerebro.run()


def _speed(run: Callable[[], Any], bars: int) -> float:
    return bars / seconds(run)


def _medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    bare, stepped = zip(*pairs, strict=True)
    return statistics.median(bare), statistics.median(stepped)
