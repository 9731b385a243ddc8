"""Cases of parity: bars, a configuration and a tape of actions, drawn from all corners of what the engines allow.

What can be drawn is written here once. Where the draws come from is the caller's: `Dice` draws from a generator; a test
draws the same cases with hypothesis, which can then make a failing one smaller by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from gymnasium import spaces

from dltrader.data import load_bars, validate_bars
from dltrader.data.sessions import Clock
from dltrader.envs.contract import EnvConfig
from dltrader.envs.session import Session
from dltrader.features import DEFAULT_FEATURES, Pipeline

PLAIN = {"window_bars": 1, "features": ["log_return"], "scaling": "none"}
"""The least that an agent can see."""

SIGHTS: tuple[dict[str, Any], ...] = (
    PLAIN,
    PLAIN | {"window_bars": 4},
    {"window_bars": 3, "features": ["log_return", "gap", "range"], "scaling": "none"},
    {
        "window_bars": 5,
        "features": ["log_return", "gap", "range", "rsi", "bollinger", "atr", "volume_change"],
        "scaling": {"name": "rolling", "window_bars": 16},
    },
    {"window_bars": 8, "features": ["log_return", "range", "stochastic", "macd"], "scaling": "train"},
)
FULL_SIGHT = {"window_bars": 32, "features": list(DEFAULT_FEATURES), "scaling": "rolling"}
"""The default of `EnvConfig`."""

STEPS = 60
INSTRUMENTS = ("AAPL", "IBM", "MSFT")
HALF_HOURS = 13
"""Bars of a session."""
EVENTS = ("limit", "limit", "stale", "one_sided", "missing")


class Choices(Protocol):
    """Where draws come from."""

    def pick(self, *options: Any) -> Any:
        """One of the options; the simplest stands first."""

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""

    def flag(self) -> bool:
        """Yes or no; no is simpler."""

    def wholes(self, count: int, low: int, high: int) -> Sequence[int]:
        """So many whole numbers, both ends included."""

    def weights(self, count: int) -> Sequence[float]:
        """So many numbers in [-1, 1], the ends and 0 among the likelier."""


@dataclass(frozen=True)
class Dice:
    """Draws from a generator."""

    generator: np.random.Generator

    def pick(self, *options: Any) -> Any:
        """One of the options."""
        return options[int(self.generator.integers(len(options)))]

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(self.generator.integers(low, high + 1))

    def flag(self) -> bool:
        """Yes or no."""
        return bool(self.generator.integers(2))

    def wholes(self, count: int, low: int, high: int) -> Sequence[int]:
        """So many whole numbers, both ends included."""
        return [int(number) for number in self.generator.integers(low, high + 1, count)]

    def weights(self, count: int) -> Sequence[float]:
        """So many numbers in [-1, 1]; rounded to the nearest of -1, 0 and 1 once in four."""
        numbers = self.generator.uniform(-1.0, 1.0, count)
        rounds = self.generator.random(count) < 0.25
        return [float(number) for number in np.where(rounds, np.round(numbers), numbers)]


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that both engines are given.

    Attributes:
        config: The rules.
        bars: Instrument -> bars.
        actions: One row an action: (steps,), or (steps, instruments) where an action is a vector.
        seed: Of the reset.
        start: No decision before this time.
    """

    config: EnvConfig
    bars: Mapping[str, pd.DataFrame]
    actions: npt.NDArray[Any]
    seed: int = 0
    start: pd.Timestamp | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` turns into an equal case."""
        return {
            "config": self.config.to_mapping(),
            "bars": {
                name: {"time": [time.isoformat() for time in frame.index]}
                | {column: frame[column].tolist() for column in frame}
                for name, frame in self.bars.items()
            },
            "actions": self.actions.tolist(),
            "seed": self.seed,
            "start": None if self.start is None else self.start.isoformat(),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Case:
        """A case from plain values, as JSON gives them."""
        bars = {}
        for name, columns in values["bars"].items():
            index = pd.DatetimeIndex(pd.to_datetime(columns["time"], utc=True), name="time")
            frame = pd.DataFrame({key: column for key, column in columns.items() if key != "time"}, index=index)
            bars[name] = validate_bars(frame, origin=f"bars of {name}")
        config, start = EnvConfig.from_mapping(values["config"]), values["start"]
        actions = np.array(values["actions"], config.action_space(len(bars)).dtype)
        return cls(config, bars, actions, values["seed"], None if start is None else pd.Timestamp(start))


def draw_case(choices: Choices) -> Case:
    """One case from all corners."""
    config, n_instruments = draw_config(choices), choices.pick(1, 1, 2, 3)
    n_bars = bars_needed(config) + choices.pick(STEPS, STEPS - 20, STEPS + 20)
    bars = draw_bars(choices, n_instruments, n_bars)
    times = next(iter(bars.values())).index
    start = times[bars_needed(config) - 1 + choices.whole(0, 10)] if choices.flag() else None
    case = Case(config, bars, draw_actions(choices, config, n_instruments), choices.whole(0, 2**31 - 1), start)
    return _in_sessions(case, choices) if choices.whole(0, 7) == 7 else case


def _in_sessions(case: Case, choices: Choices) -> Case:
    """The same bars as half-hours of trading days, under the rules of a session."""
    session = Session(warmup_minutes=choices.pick(30, 0, 90), flat_at_close=not choices.flag())
    times = reduce(pd.Index.union, (frame.index for frame in case.bars.values()))
    days = pd.bdate_range("2024-03-01", periods=-(-len(times) // HALF_HOURS))  # over the change to summer time
    opens = Clock().opens(days)
    stamps = [opened + (i + 1) * pd.Timedelta(minutes=30) for opened in opens for i in range(HALF_HOURS)]
    placed = dict(zip(times, stamps, strict=False))
    bars = {
        name: frame.set_axis(pd.DatetimeIndex([placed[time] for time in frame.index], name="time"), axis=0)
        for name, frame in case.bars.items()
    }
    config = case.config.model_copy(update={"session": session})
    return replace(case, config=config, bars=bars, start=None if case.start is None else placed[case.start])


def bars_needed(config: EnvConfig) -> int:
    """How many bars there are up to the first decision."""
    return Pipeline(config.features, config.scaling).warmup_bars + config.window_bars


def draw_config(choices: Choices) -> EnvConfig:
    """Schemes, rewards, costs, lots, sizing, leverage, lengths of episodes, and what the agent sees."""
    allow_short = not choices.flag()
    leverage = choices.pick(1.0, 1.0, 2.5, 20.0)
    lowest = -leverage if allow_short else 0.0
    # What takes hundreds of bars to warm up is drawn seldom.
    sight = FULL_SIGHT if choices.whole(0, 19) == 19 else choices.pick(*SIGHTS)
    return EnvConfig.from_mapping(
        sight
        | {
            "action": choices.pick(
                "target_position",
                {"name": "target_position", "levels": [lowest, 0.0, leverage] if lowest else [0.0, leverage]},
                {"name": "target_position", "levels": [-0.7, 0.0, 0.3, 1.0] if allow_short else [0.0, 0.3, 1.0]},
                "buy_sell_hold",
                {"name": "buy_sell_hold", "max_units": 3},
                "target_weight",
                {"name": "target_units", "levels": [-500.0, 0.0, 250.0] if allow_short else [0.0, 10.0, 333.3]},
                {"name": "target_units", "levels": [0.0, 100.0, 400.0], "band": True},
                {"name": "target_units", "largest": 700.0, "band": choices.flag()},
                {"name": "trade_units", "trades": [-100.0, 0.0, 30.5], "largest": 350.0},
            ),
            "reward": choices.pick("log_growth", "profit", "differential_sharpe", "sortino", "drawdown_penalised"),
            "costs": {
                "commission": choices.pick(0.001, 0.0, 0.0123, 0.05),
                "slippage": choices.pick(0.0005, 0.0, 0.03),
                "per_unit": choices.pick(0.0, 0.0, 0.01, 0.5),
                "impact": choices.pick(0.0, 0.0, 1e-6, 1e-3),
            },
            "cash": choices.pick(100_000.0, 100_000.0, 777.77, 1e9),
            "lot_size": choices.pick(1.0, 0.0, 0.01, 100.0),
            "sizing": choices.pick("at_open", "at_close"),
            "leverage": leverage,
            "allow_short": allow_short,
            "episode_bars": choices.pick(None, None, None, STEPS, STEPS // 2, 7, 1),
            "random_start": choices.flag(),
        }
    )


def draw_actions(choices: Choices, config: EnvConfig, n_instruments: int) -> npt.NDArray[Any]:
    """A tape of `STEPS` actions, restless or patient: only who holds on is ever ruined by a run of limit moves."""
    space, patience = config.action_space(n_instruments), choices.pick(1, 1, 4, 15)
    rows = STEPS // patience
    if isinstance(space, spaces.Box):
        tape = np.array(choices.weights(rows * space.shape[0]), space.dtype).reshape(rows, space.shape[0])
    else:
        assert isinstance(space, spaces.Discrete | spaces.MultiDiscrete)
        n_choices = int(np.min(space.n if isinstance(space, spaces.Discrete) else space.nvec))
        tape = np.array(choices.wholes(rows * n_instruments, 0, n_choices - 1), space.dtype)
        tape = tape.reshape(rows, *(space.shape or ()))
    return np.repeat(tape, patience, axis=0)  # (steps,) or (steps, instruments)


def draw_bars(choices: Choices, n_instruments: int, n_bars: int) -> dict[str, pd.DataFrame]:
    """A stretch of real bars, or synthetic ones that jump, stand still, cost a penny or a fortune."""
    if choices.pick("synthetic", "synthetic", "real") == "real":
        first = choices.whole(0, len(_sample(INSTRUMENTS[0])) - n_bars)
        return {name: _sample(name).iloc[first : first + n_bars] for name in INSTRUMENTS[:n_instruments]}
    return {f"i{i}": _draw_synthetic(choices, n_bars) for i in range(n_instruments)}


def _draw_synthetic(choices: Choices, n_bars: int) -> pd.DataFrame:
    sigma, price = choices.pick(0.3, 0.0, 0.05, 3.0), choices.pick(100.0, 0.01, 50_000.0, 1e7)
    seed, gap = choices.whole(0, 2**31 - 1), choices.pick(0.0, 0.02, 0.2)
    bars = load_bars(f"synthetic:gbm?n={n_bars}&sigma={sigma}&price={price}&gap={gap}&seed={seed}")
    keeps = np.ones(n_bars, dtype=bool)
    for _ in range(choices.pick(0, 2, 4)):
        event, length = choices.pick(*EVENTS), choices.pick(1, 1, 2, 5)
        first = choices.whole(1, n_bars - length)
        if event == "missing":
            keeps[first : first + min(length, 2)] = False  # instruments must keep enough times in common
        else:
            bars = _happen(bars, event, first, length, choices.pick(0.1, -0.1, 0.05, -0.2))
    return validate_bars(bars[keeps])


def _happen(bars: pd.DataFrame, event: str, first: int, length: int, limit: float) -> pd.DataFrame:
    """Bars to which something happens.

    limit: locked, open == high == low == close at a fixed return from the close before
    stale: nothing is traded, every price is the close before
    one_sided: the open is the high of a falling bar or the low of a rising one, so that slippage has no room there
    """
    values = bars.to_numpy(copy=True)  # (bars, open high low close volume)
    for t in range(first, first + length):
        opened, before, closed = values[t, 0], values[t - 1, 3], values[t, 3]
        if event == "one_sided":
            values[t, 2 if closed > opened else 1] = opened
            continue
        price = before * (1.0 + limit) if event == "limit" else before
        values[t, :4] = price
        values[t, 4] = 0.0 if event == "stale" else values[t, 4]
        values[t + 1 :, :4] *= price / closed  # the later bars go on from here
    return pd.DataFrame(values, index=bars.index, columns=bars.columns)


@lru_cache
def _sample(name: str) -> pd.DataFrame:
    return load_bars(f"sample:{name}")


def drawn_case(seed: int, number: int) -> Case:
    """The case of one episode of `measure_parity`; each can be drawn without those before it."""
    return draw_case(Dice(np.random.default_rng([seed, number])))
