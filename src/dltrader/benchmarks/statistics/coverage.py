"""How often statistics are right: deflated Sharpe ratios of noise, intervals of Sharpe ratios, overfitting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dltrader.benchmarks.statistics.paths import PATHS, Paths
from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.bootstrap import bootstrap_interval
from dltrader.evaluation.statistics.intervals import Interval, wilson_interval
from dltrader.evaluation.statistics.measures import sharpe_ratio
from dltrader.evaluation.statistics.overfitting import overfitting_probability
from dltrader.evaluation.statistics.sharpe import deflated_sharpe, moments, probabilistic_sharpe

Array = npt.NDArray[np.float64]

PERIODS_PER_YEAR = 250
BARS = 1_250
"""Five years of days, for deflated Sharpe ratios and intervals."""
TRIALS = (10, 100, 1_000)
SIGNIFICANT = 0.95
TRUE_SHARPE = 1.0
"""Annual, of the paths whose intervals are judged."""
RESAMPLES = 500
"""A quarter of what intervals draw by default: enough for their coverage."""

OVERFITTING_BARS, OVERFITTING_TRIALS, BLOCKS = 1_000, 100, 10
OVERFITTING = {"demeaned": 1.0, "raw": 0.49, "1": 0.69, "2": 0.10, "3": 0.001}
"""Mean probability of overfitting asked for: of noise without its means, of noise, and of the former with one trial
that is given an annual Sharpe ratio of 1, 2, 3."""
OVERFITTING_ROUNDING = 0.02
"""Within which a mean is as asked for, beside twice its standard error."""

# What a row draws its random numbers from, beside the seed, so that none depends on another.
DEFLATED_STREAM, COVERAGE_STREAM, OVERFITTING_STREAM = 1, 2, 3


@dataclass(frozen=True)
class Rate:
    """How often something happened, beside how often it should.

    Attributes:
        what: What was simulated, and what may happen.
        asked: The lowest and the highest rate that is right.
        times: How often it happened.
        simulations: Independent ones.
    """

    what: str
    asked: tuple[float, float]
    times: int
    simulations: int

    @property
    def interval(self) -> Interval:
        """The rate, and its Wilson interval at 95 %."""
        return wilson_interval(self.times / self.simulations, self.simulations)

    @property
    def as_asked(self) -> bool:
        """Whether the interval reaches what is asked for."""
        return self.interval.low <= self.asked[1] and self.interval.high >= self.asked[0]

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        found = self.interval
        return asdict(self) | {"rate": found.estimate, "interval": [found.low, found.high], "as_asked": self.as_asked}


@dataclass(frozen=True)
class Mean:
    """A mean over simulations, beside what it should be.

    Attributes:
        what: What was simulated.
        asked: The mean that is right.
        mean: The one that was found.
        deviation: Standard deviation over simulations.
        simulations: Independent ones.
    """

    what: str
    asked: float
    mean: float
    deviation: float
    simulations: int

    @property
    def as_asked(self) -> bool:
        """Whether it is, up to rounding and twice the standard error."""
        reach = OVERFITTING_ROUNDING + 2.0 * self.deviation / math.sqrt(self.simulations)
        return abs(self.mean - self.asked) <= reach

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self) | {"as_asked": self.as_asked}


@dataclass(frozen=True)
class Coverage:
    """All that was simulated.

    Attributes:
        seed: Of all of it.
        deflated: Of the best of many noise strategies, how often its Sharpe ratio is called significant.
        intervals: How often 95 % intervals hold the true Sharpe ratio.
        overfitting: Mean probabilities of backtest overfitting.
    """

    seed: int
    deflated: tuple[Rate, ...]
    intervals: tuple[Rate, ...]
    overfitting: tuple[Mean, ...]

    @property
    def as_asked(self) -> bool:
        """Whether every row is."""
        rates = all(rate.as_asked for rate in (*self.deflated, *self.intervals))
        return rates and all(mean.as_asked for mean in self.overfitting)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "seed": self.seed,
            "as_asked": self.as_asked,
            "deflated": [rate.to_mapping() for rate in self.deflated],
            "intervals": [rate.to_mapping() for rate in self.intervals],
            "overfitting": [mean.to_mapping() for mean in self.overfitting],
        }


def simulations_of(simulations: int) -> int:
    """How often `watch` is called for so many simulations a row."""
    return simulations * (len(TRIALS) + len(PATHS) + len(OVERFITTING))


def measure_coverage(*, simulations: int, seed: int, watch: Callable[[], object] = lambda: None) -> Coverage:
    """Simulate all rows.

    Args:
        simulations: Independent ones a row, 2 or more.
        seed: Of all of it; the same gives the same numbers.
        watch: Called after each simulation.
    """
    if simulations < 2:
        raise ConfigError(f"simulations must be 2 or more, was {simulations}")
    deflated = [rate for trials in TRIALS for rate in deflated_rates(trials, simulations, seed, watch=watch)]
    intervals = [interval_rate(name, simulations, seed, watch=watch) for name in PATHS]
    overfitting = [overfitting_mean(kind, simulations, seed, watch=watch) for kind in OVERFITTING]
    return Coverage(seed, tuple(deflated), tuple(intervals), tuple(overfitting))


def deflated_rates(
    trials: int, simulations: int, seed: int, *, watch: Callable[[], object] = lambda: None
) -> tuple[Rate, Rate]:
    """How often the best of noise strategies is called significant: deflated, and naively, as if it were the only one.

    Naively it is whenever any of them is, with chance 1 - 0.95^trials. The variance of the Sharpe ratios is that of the
    trials, as one has it in practice.
    """
    generator = np.random.default_rng([seed, DEFLATED_STREAM, trials])
    deflated = naive = 0
    for _ in range(simulations):
        returns = generator.standard_normal((trials, BARS))
        sharpes = sharpe_ratio(returns)
        best = moments(returns[sharpes.argmax()])
        n, skewness, kurtosis = best.n, best.skewness, best.kurtosis
        variance = float(sharpes.var(ddof=1))
        chance = deflated_sharpe(
            best.sharpe, n=n, trials=trials, variance=variance, skewness=skewness, kurtosis=kurtosis
        )
        deflated += chance > SIGNIFICANT
        naive += probabilistic_sharpe(best.sharpe, n=n, skewness=skewness, kurtosis=kurtosis) > SIGNIFICANT
        watch()
    expected = 1.0 - SIGNIFICANT**trials
    return (
        Rate(f"deflated Sharpe ratio > 0.95, best of {trials:,}", (0.0, 0.05), deflated, simulations),
        Rate(f"naive probabilistic one > 0.95, best of {trials:,}", (expected, expected), naive, simulations),
    )


def interval_rate(name: str, simulations: int, seed: int, *, watch: Callable[[], object] = lambda: None) -> Rate:
    """How often a 95 % bootstrap interval of the annual Sharpe ratio holds the true one, on a kind of `PATHS`."""
    generator = np.random.default_rng([seed, COVERAGE_STREAM, list(PATHS).index(name)])
    annual = partial(sharpe_ratio, periods_per_year=PERIODS_PER_YEAR)
    held = 0
    for number, returns in enumerate(_paths(PATHS[name], generator, simulations)):
        held += bootstrap_interval(returns, annual, resamples=RESAMPLES, seed=number).holds(TRUE_SHARPE)
        watch()
    return Rate(name, (0.90, 0.97), held, simulations)


def overfitting_mean(kind: str, simulations: int, seed: int, *, watch: Callable[[], object] = lambda: None) -> Mean:
    """The mean probability of overfitting of a kind of `OVERFITTING`."""
    generator = np.random.default_rng([seed, OVERFITTING_STREAM, list(OVERFITTING).index(kind)])
    found = np.empty(simulations)
    for number in range(simulations):
        returns = generator.standard_normal((OVERFITTING_BARS, OVERFITTING_TRIALS))
        if kind != "raw":
            returns -= returns.mean(axis=0)
        if kind not in {"raw", "demeaned"}:
            returns[:, 0] += float(kind) / math.sqrt(PERIODS_PER_YEAR) * returns[:, 0].std(ddof=1)
        found[number] = overfitting_probability(returns, BLOCKS).probability
        watch()
    what = {"raw": "noise", "demeaned": "noise, each trial without its mean"}
    label = what.get(kind, f"the same, one trial with annual Sharpe ratio {kind}")
    return Mean(label, OVERFITTING[kind], float(found.mean()), float(found.std(ddof=1)), simulations)


def _paths(draw: Paths, generator: np.random.Generator, simulations: int) -> Iterator[Array]:
    """Single paths, drawn many at a time, with the true Sharpe ratio and a deviation of 1 % a bar."""
    mean = TRUE_SHARPE / math.sqrt(PERIODS_PER_YEAR)
    for start in range(0, simulations, 100):
        yield from 0.01 * (draw(generator, min(100, simulations - start), BARS) + mean)
