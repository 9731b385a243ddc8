"""Placebo: trainings on bars in which nothing can be predicted, and how often they seem to have succeeded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dltrader.benchmarks.planted.bars import fair
from dltrader.benchmarks.planted.significance import growth_p_value
from dltrader.benchmarks.planted.trainings import BLOCK_BARS, for_each, growth_of, tested, trained_on
from dltrader.errors import ConfigError
from dltrader.evaluation.result import BacktestResult
from dltrader.evaluation.statistics.intervals import wilson_interval
from dltrader.runs import ExperimentConfig

LEVEL = 0.05
"""Of the test of growth, one-sided, and so the largest share of false positives that is right."""


class Outcome(NamedTuple):
    """What one training on fair bars came to out of sample.

    Attributes:
        growth: Log growth of equity.
        p_value: Chance of a mean growth per bar so large, were it 0.
        in_market: Share of bars at whose close anything was held.
        fills_per_bar: Fills / bars.
        seconds: How long it took.
    """

    growth: float
    p_value: float
    in_market: float
    fills_per_bar: float
    seconds: float

    @classmethod
    def of(cls, result: BacktestResult, seconds: float = math.nan) -> Outcome:
        """Of a backtest."""
        behaviour = result.behaviour
        p_value = growth_p_value(result.equity)
        return cls(growth_of(result), p_value, behaviour.in_market, behaviour.fills_per_bar, seconds)


@dataclass(frozen=True)
class Placebo:
    """Trainings on fair bars; the tuples have one element a shuffle, and in it one a seed.

    Attributes:
        agent: The agent and its extractor.
        markets: URIs of the bars that were shuffled, in turn.
        growths: Log growths out of sample.
        p_values: One-sided, of the mean growth per bar being above 0.
        in_market: Mean share of bars on which anything was held.
        fills_per_bar: Mean fills a bar.
        steps: Steps of each training.
        seconds: Mean seconds of one, the backtest included.
    """

    agent: str
    markets: tuple[str, ...]
    growths: tuple[tuple[float, ...], ...]
    p_values: tuple[tuple[float, ...], ...]
    in_market: float
    fills_per_bar: float
    steps: int
    seconds: float

    @property
    def trainings(self) -> int:
        """How many there were."""
        return int(np.size(self.p_values))

    @property
    def false_positives(self) -> int:
        """How many seem to grow significantly."""
        return int((np.array(self.p_values) < LEVEL).sum())

    @property
    def rate(self) -> float:
        """The share of false positives."""
        return self.false_positives / self.trainings

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate; seeds on one shuffle may all do the same, so that only shuffles count."""
        found = wilson_interval(self.rate, len(self.p_values))
        return found.low, found.high

    @property
    def too_many(self) -> bool:
        """Whether the rate is significantly above the level of the test."""
        return self.interval[0] > LEVEL

    @property
    def growth(self) -> float:
        """The mean log growth."""
        return float(np.mean(self.growths))

    @property
    def growth_error(self) -> float:
        """Its standard error, over shuffles; nan for one."""
        means = np.mean(self.growths, axis=1)
        return float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else math.nan

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self) | {
            "trainings": self.trainings,
            "false_positives": self.false_positives,
            "rate": self.rate,
            "interval": list(self.interval),
            "growth": self.growth,
            "growth_error": self.growth_error,
        }


class Dose(NamedTuple):
    """One training on fair bars, as a process is told of it."""

    experiment: ExperimentConfig
    bars: pd.DataFrame
    shuffle: int
    block_bars: int


def outcome(dose: Dose) -> Outcome:
    """Shuffle, train, and backtest out of sample."""
    started = time.perf_counter()
    bars = shuffled(dose)
    result = tested(trained_on(dose.experiment, bars), dose.experiment, bars)
    return Outcome.of(result, time.perf_counter() - started)


def shuffled(dose: Dose) -> pd.DataFrame:
    """The bars of a dose: those of one shuffle are the same for all seeds."""
    return fair(dose.bars, dose.block_bars, np.random.default_rng([dose.shuffle, dose.block_bars]))


def measure_placebo(
    experiment: ExperimentConfig,
    markets: Mapping[str, pd.DataFrame],
    *,
    shuffles: int,
    seeds: int = 1,
    block_bars: int = BLOCK_BARS,
    jobs: int = 1,
    watch: Callable[..., Any] = lambda *_: None,
) -> Placebo:
    """Train on shuffles of the markets, which take turns, with seeds that are never used twice.

    Args:
        experiment: What is trained, and how bars are cut; its own bars do not count.
        markets: Bars by name.
        shuffles: How many.
        seeds: Trainings on each.
        block_bars: Bars of a block that stays together.
        jobs: Processes; what comes out does not depend on how many.
        watch: Called with (shuffle, seed) and the outcome, after every training.

    Raises:
        BarsError: A market has too few bars.
        ConfigError: A number is out of range, or the experiment cannot be.
    """
    if shuffles < 1 or seeds < 1:
        raise ConfigError(f"a placebo takes at least 1 shuffle and 1 seed, was {shuffles} and {seeds}")
    names = tuple(markets)
    for name in names:  # what cannot be must come up before minutes are spent
        shuffled(Dose(experiment, markets[name], 0, block_bars))
    todo = {
        (shuffle, seed): Dose(
            experiment.with_overrides({"seed": experiment.seed + shuffle * seeds + seed}),
            markets[names[shuffle % len(names)]],
            shuffle,
            block_bars,
        )
        for shuffle in range(shuffles)
        for seed in range(seeds)
    }
    found = for_each(outcome, todo, jobs=jobs, watch=watch)
    table = [[found[shuffle, seed] for seed in range(seeds)] for shuffle in range(shuffles)]
    every = list(found.values())
    return Placebo(
        agent=experiment.label,
        markets=names,
        growths=tuple(tuple(one.growth for one in row) for row in table),
        p_values=tuple(tuple(one.p_value for one in row) for row in table),
        in_market=float(np.mean([one.in_market for one in every])),
        fills_per_bar=float(np.mean([one.fills_per_bar for one in every])),
        steps=experiment.train.total_timesteps,
        seconds=float(np.mean([one.seconds for one in every])),
    )
