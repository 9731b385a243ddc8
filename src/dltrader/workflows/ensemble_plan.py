"""The plan of an ensemble: what is trained on what, made of a configuration and bars before there is a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pandas as pd

from dltrader.errors import BarsError, ConfigError
from dltrader.evaluation.folds import Fold
from dltrader.evaluation.sample_cuts import label_folds
from dltrader.features import Pipeline
from dltrader.forecast.forecasters import ForecasterConfig
from dltrader.forecast.horizons import horizon_name
from dltrader.forecast.members import PolicyMember
from dltrader.forecast.policy import require_same_interval, require_same_sight
from dltrader.forecast.weights import given_weights
from dltrader.runs import Run
from dltrader.runs.ensemble import EnsembleConfig, RunMember
from dltrader.runs.ensemble import PolicyMember as TrainedMember
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.spans import Spans
from dltrader.runs.trial import DataSet, written
from dltrader.workflows.entries import data_of_manifest
from dltrader.workflows.jobs import Job
from dltrader.workflows.lesson import Lesson, reach_of
from dltrader.workflows.member_jobs import Order, policy_of, train_member
from dltrader.workflows.needs import bytes_for, on_gpu
from dltrader.workflows.task import Task

LEAST_BARS_OF_A_POLICY = 1_000
"""Bars that a policy needs to learn from: fewer hold too few different episodes for it to learn more than them."""


@dataclass(frozen=True, eq=False)
class EnsemblePlan:
    """An ensemble whose training can begin.

    Attributes:
        experiment: The configuration.
        frames: Instrument -> bars.
        context: Markets that features look at.
        handed_over: Whether the bars were handed over, so that nobody can load them again.
        lessons: What is learned from: the ensemble's own first, then that of each fold.
    """

    experiment: EnsembleConfig
    frames: Mapping[str, pd.DataFrame]
    context: Mapping[str, pd.DataFrame]
    handed_over: bool
    lessons: tuple[Lesson, ...]

    @classmethod
    def of(
        cls,
        experiment: EnsembleConfig,
        frames: Mapping[str, pd.DataFrame],
        context: Mapping[str, pd.DataFrame],
        *,
        handed_over: bool,
    ) -> EnsemblePlan:
        """Cut the bars, and check that every member can learn from them.

        Raises:
            ConfigError: The configuration of a member does not fit, or a run has learned from bars of the validation.
            BarsError: The bars are too few, or have one label only.
            RunError: There is no such run, or it has no policy.
            BundleError: A policy was trained on other features.
            MissingExtraError: The library that a member learns with is not installed.
        """
        for forecaster in experiment.forecasters.values():
            forecaster.require_installed()
        own = Lesson.of(experiment, frames, context)
        models = [model for name in experiment.members for model in _models(experiment, name, own.interval)]
        if not isinstance(experiment.vote.weights, str):
            given_weights(experiment.vote.weights, models)
        bars = sum(len(frame) for frame in own.slices.train.values())
        for name, member in experiment.members.items():
            if isinstance(member, RunMember):
                run = Run.open(member.run)
                policy = PolicyMember(name, policy_of(run, name))
                _require_apart(name, run, own)
                require_same_sight(policy, experiment.members_env, own.pipeline)
                require_same_interval(policy, own.interval)
            elif isinstance(member, TrainedMember):
                if bars < LEAST_BARS_OF_A_POLICY:
                    raise BarsError(
                        f"members.{name} has {bars} bars to learn from, and a policy needs at least "
                        f"{LEAST_BARS_OF_A_POLICY}; load more bars, or leave it out"
                    )
                Task.of(experiment.policy_experiment(name), frames, None, context=context)
        return cls(experiment, frames, context, handed_over, (own, *fold_lessons(own, context)))

    def members(self, number: int) -> tuple[str, ...]:
        """The members that vote in a lesson: a run that is there may have learned from the tests of all folds."""
        return tuple(
            name for name, member in self.experiment.members.items() if number == 0 or not isinstance(member, RunMember)
        )

    def jobs(self, run: EnsembleRun) -> list[Job]:
        """The training of every member, and then of every member on every fold; their folders are made."""
        return [
            self._job(run, number, name, lesson)
            for number, lesson in enumerate(self.lessons)
            for name in self.members(number)
        ]

    def _job(self, run: EnsembleRun, number: int, name: str, lesson: Lesson) -> Job:
        folder = run.member_folder(name, number)
        folder.parent.mkdir(parents=True, exist_ok=True)
        frames = self.frames if number == 0 else self.lessons[0].slices.validation[0]
        order = Order(
            lesson.experiment.to_mapping(), name, str(folder), frames, self.context, handed_over=self.handed_over
        )
        member = self.experiment.members[name]
        policy = self.experiment.policy_experiment(name) if isinstance(member, TrainedMember) else None
        n_bars = sum(len(frame) for frame in self.frames.values())
        return Job(
            f"{name} of fold {number}" if number else name,
            train_member,
            order,
            Path(f"{folder}.log"),
            bytes_needed=bytes_for(policy or self.experiment, n_bars, len(self.frames)),
            threads=policy.threads if policy else 1,
            gpu=policy is not None and on_gpu(policy),
        )


def fold_lessons(own: Lesson, context: Mapping[str, pd.DataFrame], *, learnable: bool = True) -> tuple[Lesson, ...]:
    """The lessons of the cross-validation; no fold sees the bars of the ensemble's own test.

    Args:
        own: The ensemble's own lesson.
        context: Markets that features look at.
        learnable: Whether to check that every member can learn from the samples of each.

    Raises:
        BarsError: The bars are too few, or have one label only.
        ConfigError: Fewer bars are left out than labels reach ahead.
    """
    known, _ = own.slices.validation
    return tuple(
        Lesson.of(_of_fold(own.experiment, Spans.of(fold, times)), known, context, learnable=learnable)
        for fold, times in _folds(own.experiment, known, context)
    )


def _require_apart(name: str, run: Run, own: Lesson) -> None:
    """Raise a ConfigError where a run has learned from bars that weights are fitted on, or that are tested."""
    known = data_of_manifest(run.manifest)
    ours = DataSet.of("", own.experiment.data.uris(), own.slices)
    if known.train is None or ours.validation is None or not set(known.markets) & set(ours.markets):
        return
    if known.train.last >= ours.validation.first:
        raise ConfigError(
            f"members.{name} has learned from bars up to {written(known.train.last)}, and the validation, on which "
            f"weights are fitted, begins {written(ours.validation.first)}; let it begin later, or train the policy anew"
        )


def _models(experiment: EnsembleConfig, name: str, interval: pd.Timedelta) -> list[str]:
    """What the models of a member will be called."""
    member = experiment.members[name]
    horizons = member.horizons if isinstance(member, ForecasterConfig) else ()
    return [f"{name}_{horizon_name(bars, interval)}" for bars in horizons] if len(horizons) > 1 else [name]


def _folds(
    experiment: EnsembleConfig, known: Mapping[str, pd.DataFrame], context: Mapping[str, pd.DataFrame]
) -> list[tuple[Fold, pd.Index[pd.Timestamp]]]:
    """The folds of the cross-validation over bars that are known, with the times that they count."""
    if experiment.folds is None:
        return []
    env = experiment.members_env
    times = reduce(pd.Index.intersection, [frame.index for frame in known.values()])
    if len(times) == 0:
        raise BarsError(
            f"{', '.join(known)} have no bar at a common time; set folds: null, or choose other instruments"
        )
    common = next(iter(known.values())).loc[times]
    first = Pipeline(env.features, env.scaling).warmup_on(common, context) + env.window_bars - 1
    reach = reach_of(experiment)
    found = label_folds(experiment.folds, len(times), reach, first=first, least=first + 1 + reach)
    return [(fold, times) for fold in found]


def _of_fold(experiment: EnsembleConfig, spans: Spans) -> EnsembleConfig:
    """The ensemble on the bars of a fold."""
    return experiment.with_overrides(
        {
            "folds": None,
            "data.spans": spans.to_mapping(),
            "data.validation_start": spans.validation[0],
            "data.test_start": spans.test[0][0],
        }
    )
