"""Trials: forecasters learn from bars that were made, and are scored on those that came after, beside the best."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.benchmarks.forecasts.law import Law
from dltrader.benchmarks.forecasts.setting import Setting
from dltrader.benchmarks.forecasts.significance import gain_p_value
from dltrader.benchmarks.forecasts.tasks import Made
from dltrader.data.bars import median_gap
from dltrader.envs.contract import Costs
from dltrader.envs.market import Market
from dltrader.evaluation.sample_cuts import CutSamples, SampleSpans, Stretch, cut_samples
from dltrader.features import Pipeline
from dltrader.forecast.forecasters import Forecaster
from dltrader.forecast.horizons import horizon_name
from dltrader.forecast.samples import Samples
from dltrader.forecast.samples_of import samples_of
from dltrader.forecast.scores import base_rates, by_class, calibration_error, log_loss, log_losses
from dltrader.forecast.vote import Array, Vote
from dltrader.forecast.voting import pooled_probabilities
from dltrader.forecast.weights import weighting_of

ENSEMBLE = "ensemble"
SIDE = "side"
BATCH = 4096
"""Windows that are cut out at a time."""

Classes = npt.NDArray[np.int64]


class Target(NamedTuple):
    """What a model is asked.

    Attributes:
        name: "side", or "win_5h".
        horizon_bars: Bars ahead.
        wins: Whether it is asked for wins, and not for sides.
    """

    name: str
    horizon_bars: int
    wins: bool

    def classes(self, samples: Samples) -> Classes:
        """What came, (n,)."""
        return samples.wins[self.horizon_bars] if self.wins else samples.side

    def said(self, vote: Vote) -> Array:
        """What was said of it: (n,) of wins, (n, 3) of sides."""
        if not self.wins:
            return vote.probabilities
        assert vote.win is not None, "a model that learns wins says them"
        return vote.win

    def best(self, law: Law, breakeven: float) -> tuple[Array, float]:
        """What the law says at each close, as `said` has it, and the log loss that is to be expected of it."""
        if self.wins:
            return law.wins(breakeven), law.best_win_loss(breakeven)
        return law.sides(breakeven), law.best_side_loss(breakeven)


@dataclass(frozen=True)
class Score:
    """How a model did on unseen bars; log losses are in nats.

    Attributes:
        model: Its name.
        target: What it was asked.
        base: Log loss of the base rate of the bars that were learned from.
        best: That of the law on the same bars; nan where there is none.
        expected: That of the law in the long run; nan where there is none.
        loss: The model's.
        calibration_error: Over ten bins.
        best_calibration_error: That of the law on the same bars, made by chance alone; nan where there is none.
        p_value: Chance of a gain over the base rate so large, were there none to be had.
    """

    model: str
    target: str
    base: float
    best: float
    expected: float
    loss: float
    calibration_error: float
    best_calibration_error: float
    p_value: float


@dataclass(frozen=True)
class Trial:
    """What one seed came to.

    Attributes:
        scores: Of every model, asked for what it learns, and of the ensemble.
        sides: Model -> its log loss over sides, whether it learns them or not: what the ensemble's is compared with.
        weights: Model -> its share in the ensemble's vote.
        learned: Bars that were learned from.
        unseen: Bars that were scored on.
        seconds: How long it took.
    """

    scores: tuple[Score, ...]
    sides: dict[str, float]
    weights: dict[str, float]
    learned: int
    unseen: int
    seconds: float


class Heard(NamedTuple):
    """What a model said.

    Attributes:
        target: What it was asked.
        before: Its vote on the validation bars.
        after: Its vote on the unseen bars.
    """

    target: Target
    before: Vote
    after: Vote


def run_trial(setting: Setting, seed: int) -> Trial:
    """Make bars, let all members learn, and score them and their ensemble on the bars after.

    Raises:
        BarsError: There are too few bars.
    """
    started = time.perf_counter()
    made = setting.task.make(seed)
    bars = samples_in(setting, made.bars)
    heard = _hear(setting, bars, median_gap(_times(made.bars)), seed)
    before = {model: one.before.probabilities for model, one in heard.items()}
    after = {model: one.after.probabilities for model, one in heard.items()}
    weighting = weighting_of(setting.vote, before, bars.validation.side)
    said = [(model, one.target, one.target.said(one.after)) for model, one in heard.items()]
    side = Target(SIDE, setting.labels.horizon_bars, wins=False)
    said.append((ENSEMBLE, side, pooled_probabilities(after, weighting)))
    return Trial(
        scores=tuple(_score(*each, setting, made, bars) for each in said),
        sides={model: log_loss(probabilities, bars.test.side) for model, probabilities in after.items()},
        weights=dict(weighting.weights),
        learned=len(bars.train),
        unseen=len(bars.test),
        seconds=time.perf_counter() - started,
    )


def _hear(setting: Setting, bars: CutSamples, interval: pd.Timedelta, seed: int) -> dict[str, Heard]:
    """Let all members learn, and ask them; by model."""
    heard: dict[str, Heard] = {}
    own = setting.labels.horizon_bars
    for name, member in setting.members.items():
        forecaster = member.fit(bars.train, bars.validation, horizon_bars=own, seed=seed)
        before, after = (votes_on(forecaster, samples, member.window_bars) for samples in (bars.validation, bars.test))
        for key, vote in after.items():
            horizon = own if vote.horizon_bars is None else vote.horizon_bars
            words = horizon_name(horizon, interval)
            target = Target(f"win_{words}" if member.learns_wins else SIDE, horizon, member.learns_wins)
            heard[f"{name}_{words}" if key else name] = Heard(target, before[key], vote)
    return heard


def samples_in(setting: Setting, bars: pd.DataFrame) -> CutSamples:
    """Samples of bars, cut as a setting says.

    Raises:
        BarsError: There are too few bars.
    """
    times = _times(bars)
    validation, test = (int(len(times) * cut) for cut in (setting.validation_start, setting.test_start))
    pipeline = Pipeline(setting.env.features, setting.env.scaling).fit(bars.iloc[:validation])
    market = Market.build(bars, setting.env, pipeline=pipeline)
    samples = samples_of(
        market, setting.labels, setting.env.costs, horizons=setting.horizons, window_bars=setting.window_bars
    )
    spans = SampleSpans(
        train=(Stretch(times[0], times[validation - 1]),),
        validation=Stretch(times[validation], times[test - 1]),
        test=(Stretch(times[test], times[-1]),),
    )
    return cut_samples(samples, spans)


def breakeven(costs: Costs) -> float:
    """The forward return from which on a long trade pays, (1 + c)(1 + s) / ((1 - c)(1 - s)) in logarithms.

    Of costs that are a share of the value: commission c and slippage s, each on both sides.
    """
    rates = (costs.commission, costs.slippage)
    return sum(math.log1p(rate) - math.log1p(-rate) for rate in rates)


def votes_on(forecaster: Forecaster, samples: Samples, window_bars: int) -> dict[str, Vote]:
    """What a forecaster says of samples, a row a sample."""
    parts = [
        forecaster.votes(samples.windows(window_bars, slice(begin, begin + BATCH)))
        for begin in range(0, len(samples), BATCH)
    ]
    return {model: _joined([part[model] for part in parts]) for model in parts[0]}


def _joined(each: list[Vote]) -> Vote:
    """Votes below each other, of sides and wins: nothing else is scored."""
    wins = [vote.win for vote in each if vote.win is not None]
    return Vote(
        np.concatenate([vote.probabilities for vote in each]),
        horizon_bars=each[0].horizon_bars,
        win=np.concatenate(wins) if wins else None,
    )


def _score(model: str, target: Target, said: Array, setting: Setting, made: Made, bars: CutSamples) -> Score:
    came = target.classes(bars.test)
    learned = np.concatenate([target.classes(bars.train), target.classes(bars.validation)])
    rates = base_rates(learned, by_class(said).shape[1])
    losses = log_losses(said, came)
    base = log_losses(np.broadcast_to(rates, (len(came), len(rates))), came)
    best = expected = chance = math.nan
    if made.law is not None:
        limit = breakeven(setting.env.costs)
        known, expected = target.best(made.law(target.horizon_bars), limit)
        best, chance = log_loss(known[bars.test.rows], came), calibration_error(known[bars.test.rows], came)
    return Score(
        model=model,
        target=target.name,
        base=float(base.mean()),
        best=best,
        expected=expected,
        loss=float(losses.mean()),
        calibration_error=calibration_error(said, came),
        best_calibration_error=chance,
        p_value=gain_p_value(base - losses, target.horizon_bars),
    )


def _times(bars: pd.DataFrame) -> pd.DatetimeIndex:
    assert isinstance(bars.index, pd.DatetimeIndex)
    return bars.index
