"""What a leak check looks at of an ensemble beside a policy's: labels, their purge at every border, and members' votes.

Where members have not been trained, forecasters learn as briefly as they can from some of the training rows, and
policies have weights that are drawn: what leaks does so whatever was learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from dltrader.envs.market import Market
from dltrader.evaluation.leaks import Labels, Purge, Span, Subject, Table, Votes
from dltrader.evaluation.leaks.environment import apart
from dltrader.evaluation.leaks.tables import Frames
from dltrader.forecast.bundle import TrainedForecaster
from dltrader.forecast.forecasters import ForecasterConfig
from dltrader.forecast.labels import label_table
from dltrader.forecast.members import ForecasterMember, Member, PolicyMember, votes_on
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import Array
from dltrader.forecast.voting import Weighting
from dltrader.runs import Run
from dltrader.runs.ensemble import EnsembleConfig, RunMember
from dltrader.workflows.ensemble_plan import fold_lessons
from dltrader.workflows.lesson import Lesson, horizons_of
from dltrader.workflows.member_jobs import policy_of
from dltrader.workflows.untrained import untrained_policy

LEARNED = 400
"""Rows that a forecaster learns from for a check."""


def lessons_of(experiment: EnsembleConfig, frames: Frames) -> tuple[Lesson, ...]:
    """What the ensemble learns from, and what it does in every fold of its cross-validation.

    Args:
        experiment: The ensemble.
        frames: All bars that a training looks at.

    Raises:
        BarsError: The bars are too few.
        ConfigError: Fewer bars are left out at borders than labels reach ahead.
    """
    traded, context = apart(frames)
    own = Lesson.of(experiment, traded, context, learnable=False)
    return own, *fold_lessons(own, context, learnable=False)


def untrained_ensemble(lesson: Lesson) -> EnsemblePolicy:
    """The ensemble with members that have hardly learned, all of which count alike; it trades whatever they say.

    Raises:
        BarsError: There are too few rows to learn from.
        RunError: A member's run is missing, or has no policy.
        BundleError: A member's run was trained on other features.
    """
    experiment = lesson.experiment
    members = [_member(name, lesson) for name in experiment.members]
    return EnsemblePolicy.of(
        members,
        Weighting(weights={model: 1.0 for member in members for model in member.models}),
        experiment.trading.model_copy(update={"enter_confidence": 0.0}),
        name=experiment.label,
        env_config=experiment.env,
        pipeline=lesson.pipeline,
        instruments=lesson.instruments,
        interval=lesson.interval,
    )


def with_ensemble(subject: Subject, lessons: Sequence[Lesson], policy: EnsemblePolicy) -> Subject:
    """A subject with what an ensemble adds to it: of the market whose bars it has."""
    (name,) = apart(subject.frames)[0]
    return replace(
        subject,
        labels=(*subject.labels, *_labels(lessons[0].experiment)),
        purges=tuple(_purge(lesson, name, number) for number, lesson in enumerate(lessons)),
        votes=(_votes(policy, subject.frames),),
    )


def sample_sums(experiment: EnsembleConfig, frames: Frames) -> dict[str, float]:
    """What is learned from, as sums over the training rows: of their features and of their labels, by name."""
    traded, context = apart(frames)
    train = Lesson.of(experiment, traded, context, learnable=False).samples.train
    columns: dict[str, np.ndarray[Any, Any]] = {
        f"{name} of training rows": train.features[train.rows, column] for column, name in enumerate(train.names)
    }
    columns |= {"side": train.side, "movement": train.movement, "risk": train.risk}
    columns |= {f"win_{horizon}": wins for horizon, wins in train.wins.items()}
    return {name: float(values.sum(dtype=np.float64)) for name, values in columns.items()}


def _labels(experiment: EnsembleConfig) -> tuple[Labels, ...]:
    """The labels of each horizon by themselves: each must reach as far as it says, and no further."""
    own, costs = experiment.labels, experiment.env.costs

    def sides(frames: Frames) -> Table:
        return Table.of(label_table(_bars_of(frames), own, costs).dropna())

    def wins(frames: Frames, horizon: int) -> Table:
        return Table.of(label_table(_bars_of(frames), own, costs, (horizon,))[[f"win_{horizon}"]].dropna())

    horizons = horizons_of(experiment)
    return (
        Labels(sides, own.horizon_bars, f"labels over {own.horizon_bars} bars"),
        *(Labels(partial(wins, horizon=bars), bars, f"labels of wins over {bars} bars") for bars in horizons),
    )


def _purge(lesson: Lesson, name: str, number: int) -> Purge:
    """The rows of one market in a lesson, and what is held out of it."""
    experiment, spans = lesson.experiment, lesson.spans
    tests = tuple(Span("test", *stretch) for stretch in spans.test)
    held = {"training": (Span("validation", *spans.validation), *tests), "validation": tests}

    def labels(frames: Frames) -> Table:
        bars = apart(frames)[0][name]
        return Table.of(label_table(bars, experiment.labels, experiment.env.costs, horizons_of(experiment)).dropna())

    samples = lesson.samples
    rows = {
        part: _of_market(lesson, name, each)
        for part, each in {"training": samples.train, "validation": samples.validation}.items()
    }
    return Purge(f"fold {number}" if number else "training", labels, rows, held)


def _bars_of(frames: Frames) -> pd.DataFrame:
    (bars,) = apart(frames)[0].values()
    return bars


def _of_market(lesson: Lesson, name: str, samples: Samples) -> pd.DatetimeIndex:
    """The times of those of joined samples that are one market's."""
    begin = 0
    for market, n_bars in lesson.lengths.items():
        if market == name:
            return samples.times[(samples.rows >= begin) & (samples.rows < begin + n_bars)]
        begin += n_bars
    return samples.times[:0]


def _votes(policy: EnsemblePolicy, frames: Frames) -> Votes:
    """All that its members say of a market, for one who holds nothing."""

    def market_of(bars: Frames) -> Market:
        traded, context = apart(bars)
        return Market.build(traded, policy.env_config, pipeline=policy.pipeline, steps=0, context=context)

    def compute(bars: Frames, times: pd.DatetimeIndex) -> Table:
        market = market_of(bars)
        rows = market.times.get_indexer(times)
        nothing = np.zeros(len(rows))
        seen = Samples(
            features=market.features,
            names=market.feature_names,
            rows=rows[rows >= market.first],
            times=times[rows >= market.first],
            side=nothing.astype(np.int64),
            movement=nothing,
            risk=nothing,
            wins={},
        )
        columns: dict[str, Array] = {}
        for member in policy.members:
            for model, vote in votes_on(member, seen).items():
                said = {"win": vote.win, "movement": vote.movement, "risk": vote.risk, "value": vote.value}
                for i, side in enumerate(("buy", "sell", "hold")):
                    columns[f"{model} {side}"] = vote.probabilities[:, i]
                columns |= {f"{model} {what}": each for what, each in said.items() if each is not None}
        return Table(seen.times, tuple(columns), np.stack(list(columns.values()), axis=1).astype(np.float32))

    market = market_of(frames)
    return Votes(compute, market.times[market.first])


def _member(name: str, lesson: Lesson) -> Member:
    experiment = lesson.experiment
    member = experiment.members[name]
    if isinstance(member, ForecasterConfig):
        return ForecasterMember(name, _forecaster(member, lesson))
    if isinstance(member, RunMember):
        return PolicyMember(name, policy_of(Run.open(member.run), name))
    return PolicyMember(name, untrained_policy(experiment.policy_experiment(name), lesson.pipeline))


def _forecaster(config: ForecasterConfig, lesson: Lesson) -> TrainedForecaster:
    """A forecaster that has learned as briefly as it can."""
    brief = config.with_overrides(config.briefest)
    samples, experiment = lesson.samples, lesson.experiment
    forecaster = brief.fit(
        samples.train.take(slice(-LEARNED, None)),
        samples.validation.take(slice(0, LEARNED)),
        horizon_bars=experiment.labels.horizon_bars,
        seed=experiment.seed,
    )
    return TrainedForecaster(
        config=brief,
        forecaster=forecaster,
        pipeline=lesson.pipeline,
        horizon_bars=experiment.labels.horizon_bars,
        instruments=lesson.instruments,
        interval=lesson.interval,
    )
