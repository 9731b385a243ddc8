"""Recovery: how much of what was planted in real bars an agent finds out of sample."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dltrader.agents.baselines import BuyAndHold
from dltrader.benchmarks.planted.bars import planted
from dltrader.benchmarks.planted.best import BestPolicy
from dltrader.benchmarks.planted.trainings import BLOCK_BARS, for_each, growth_of, tested, trained_on
from dltrader.runs import ExperimentConfig


class Recovered(NamedTuple):
    """What one training came to on its test bars: log growths, at the same costs in the same backtest.

    Attributes:
        strength: Correlation of signal and earnings, as the bars came to have it.
        recoverable: Growth of the best policy.
        reached: Growth of the agent.
        held: Growth of buying once and holding.
        seconds: How long it took.
    """

    strength: float
    recoverable: float
    reached: float
    held: float
    seconds: float


@dataclass(frozen=True)
class Recovery:
    """What an agent recovers of what was planted with one strength in one market; tuples have one element a seed.

    Attributes:
        market: URI of the bars.
        strength: Correlation of signal and earnings, as it was asked for.
        agent: The agent and its extractor.
        measured: The same correlation, as the bars came to have it.
        recoverable: Log growth of the best policy out of sample.
        reached: Log growth of the agent out of sample.
        held: Log growth of buying once and holding out of sample.
        steps: Steps of each training.
        seconds: Mean seconds of one, backtests included.
    """

    market: str
    strength: float
    agent: str
    measured: tuple[float, ...]
    recoverable: tuple[float, ...]
    reached: tuple[float, ...]
    held: tuple[float, ...]
    steps: int
    seconds: float

    @property
    def share(self) -> float:
        """The agent's mean growth over that of the best policy: 1 is all there was, 0 as good as doing nothing."""
        return share_of(np.array(self.reached), np.array(self.recoverable))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the share."""
        return share_interval(np.array(self.reached), np.array(self.recoverable))

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self) | {"share": self.share, "interval": list(self.interval)}


class Planting(NamedTuple):
    """One training on planted bars, as a process is told of it."""

    experiment: ExperimentConfig
    bars: pd.DataFrame
    strength: float
    seed: int
    block_bars: int


def recovered(planting: Planting) -> Recovered:
    """Plant, train, and backtest the agent beside the best policy and holding."""
    started = time.perf_counter()
    # The same seed shuffles and draws alike at every strength: only the strength differs.
    generator = np.random.default_rng([planting.seed, planting.block_bars])
    made = planted(planting.bars, planting.strength, planting.block_bars, generator)
    base = planting.experiment
    experiment = base.with_overrides({"seed": base.seed + planting.seed})
    policies = BestPolicy(made, base.env), trained_on(experiment, made.bars), BuyAndHold()
    recoverable, reached, held = (growth_of(tested(policy, base, made.bars)) for policy in policies)
    return Recovered(made.measured_strength(), recoverable, reached, held, time.perf_counter() - started)


def measure_planted(
    experiment: ExperimentConfig,
    markets: Mapping[str, pd.DataFrame],
    *,
    strengths: Sequence[float],
    seeds: Sequence[int],
    block_bars: int = BLOCK_BARS,
    jobs: int = 1,
    watch: Callable[..., Any] = lambda *_: None,
) -> list[Recovery]:
    """Train on every market with every strength and seed; a record a market and strength.

    Args:
        experiment: What is trained, and how bars are cut; its own bars do not count.
        markets: Bars by name.
        strengths: Correlations of signal and earnings, each above 0 and below 0.81.
        seeds: Each of a shuffle, a signal and a training of its own.
        block_bars: Bars of a block that stays together.
        jobs: Processes; what comes out does not depend on how many.
        watch: Called with (market, strength, seed) and what was recovered, after every training.

    Raises:
        BarsError: A market has too few bars.
        ConfigError: A number is out of range, or the experiment cannot be.
    """
    for bars in markets.values():  # what cannot be must come up before minutes are spent
        for strength in strengths:
            BestPolicy(planted(bars, strength, block_bars, np.random.default_rng(0)), experiment.env)
    todo = {
        (name, strength, seed): Planting(experiment, bars, strength, seed, block_bars)
        for name, bars in markets.items()
        for strength in strengths
        for seed in seeds
    }
    found = for_each(recovered, todo, jobs=jobs, watch=watch)

    def recovery(name: str, strength: float) -> Recovery:
        each = [found[name, strength, seed] for seed in seeds]
        return Recovery(
            market=name,
            strength=strength,
            agent=experiment.label,
            measured=tuple(one.strength for one in each),
            recoverable=tuple(one.recoverable for one in each),
            reached=tuple(one.reached for one in each),
            held=tuple(one.held for one in each),
            steps=experiment.train.total_timesteps,
            seconds=float(np.mean([one.seconds for one in each])),
        )

    return [recovery(name, strength) for name in markets for strength in strengths]


def share_of(reached: Any, recoverable: Any) -> float:
    """The ratio of the means, so that a path on which there was little to gain counts little; nan if there was none."""
    most = float(np.mean(recoverable))
    return float(np.mean(reached)) / most if most > 0.0 else math.nan


def share_interval(
    reached: Any, recoverable: Any, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of `share_of`: seeds are drawn anew, each with both of its growths.

    Args:
        reached: (seeds,) growths of the agent.
        recoverable: (seeds,) growths of the best policy.
        level: Chance with which such intervals hold the share.
        resamples: How often all is drawn anew.
        seed: Of the draws.

    Returns:
        Both ends; nan where a draw leaves nothing to be recovered.
    """
    draws = np.random.default_rng(seed).integers(len(reached), size=(resamples, len(reached)))
    most = np.asarray(recoverable)[draws].mean(axis=1)
    if most.min() <= 0.0:
        return math.nan, math.nan
    low, high = np.quantile(np.asarray(reached)[draws].mean(axis=1) / most, [0.5 - 0.5 * level, 0.5 + 0.5 * level])
    return float(low), float(high)
