"""Train an ensemble: its members side by side on the same bars and folds, then the weights of their votes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from dltrader.data import fingerprint
from dltrader.envs.market import Market, context_of, frames_of
from dltrader.errors import RunError
from dltrader.evaluation.forecast_scores import scores_of
from dltrader.evaluation.monitoring.drift import FeatureReference, feature_reference
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.vote import Vote
from dltrader.forecast.voting import VoteConfig, Weighting
from dltrader.forecast.weights import weighting_of
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.experiment import Experiment
from dltrader.runs.trial import Kind
from dltrader.workflows.ensemble_plan import EnsemblePlan
from dltrader.workflows.entries import about_training, enter_training
from dltrader.workflows.handed_over import bars_for, telling_of
from dltrader.workflows.jobs import Executor
from dltrader.workflows.lesson import Lesson
from dltrader.workflows.member_jobs import member_in, votes_in
from dltrader.workflows.processes import Processes
from dltrader.workflows.progress import JobsProgress
from dltrader.workflows.recorder import collapse_on_all, validation
from dltrader.workflows.resume_policy import loaded_again, require_bars, require_equal
from dltrader.workflows.running import ThisProcess, outcomes_of, require_numbers
from dltrader.workflows.train_policy import default_folder

Votes = dict[str, Vote]


def train_ensemble(
    config: EnsembleConfig | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
    out: str | Path | None = None,
    kind: Kind = "train",
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> EnsembleRun:
    """Train the members of an ensemble, fit the weights of their votes, and keep everything in a run folder.

    Every member learns on the training bars and stops by the validation bars, on which the weights are then fitted and
    the ensemble is backtested. Test bars are not looked at. With `folds`, every member is also trained on each of them,
    and scored on bars that it has not seen. What a member gives does not depend on how many are trained at once.

    Ctrl-C ends it early; `resume` goes on with it and keeps what has finished.

    Args:
        config: A file, the name of a shipped configuration, a mapping, or an experiment.
        overrides: Dotted keys with new values, e.g. `{"members.lstm.epochs": 5}`.
        bars: Bars at hand, in place of those that `data.bars` names: a frame, or instruments to frames.
        context: Bars at hand of markets that features look at.
        out: The run folder; by default one below `runs/`.
        kind: What it is to the trial ledger; a benchmark is no trial.
        jobs: How many trainings run at once; by default as many as there are cores. With 1 they run in this process.
        plugins: Modules that workers import first, which register what the configuration names.
        executor: What runs the trainings; by default processes of this machine.
        progress: Whether to show a progress line.

    Raises:
        ConfigError: The configuration is wrong, or so many jobs do not fit into memory.
        BarsError: The bars break their rules, are too few, or have one label only.
        RunError: The folder is already there, or a member failed.
        BundleError: A policy that was trained before was trained on other features.
        MissingExtraError: The library that a member learns with is not installed.
    """
    experiment, frames, seen = bars_for(EnsembleConfig.load(config, overrides), bars, context)
    at_once, chosen = _running(jobs, executor)
    plan = EnsemblePlan.of(experiment, frames, seen, handed_over=bars is not None or bool(context))
    sha256 = fingerprint(frames, seen)
    about = about_training(experiment, plan.lessons[0].slices, frames, sha256, kind)
    folder = Path(out) if out is not None else default_folder(experiment.name)
    run = EnsembleRun.create(folder, experiment, data_sha256=sha256, about=about)
    with run.held():
        return _follow(plan, run, chosen, at_once=at_once, plugins=plugins, progress=progress)


def resume_ensemble(
    run: EnsembleRun,
    config: Experiment | Mapping[str, Any] | str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> EnsembleRun:
    """Go on with the training of an ensemble, as `resume` says: what has finished is kept.

    Args:
        run: The run.
        config: What it is believed to have been trained with; None: what the run says.
        overrides: Dotted keys with values, believed in the same way.
        bars: The bars that the training was given, if it was given bars.
        context: The bars of markets that features look at, if the training was given them.
        jobs: How many trainings run at once.
        plugins: Modules that workers import first.
        executor: What runs the trainings.
        progress: Whether to show a progress line.

    Raises:
        RunError: It has finished, its bars have changed or were handed over and now are not, another process trains it,
            or a member failed again.
        ConfigError: The configuration is another than the run's.
    """
    at_once, chosen = _running(jobs, executor)
    with run.held():
        run.require_unfinished()
        believed = EnsembleConfig.load(run.config if config is None else config, overrides)
        require_equal(run, telling_of(believed, bars, context))
        frames = loaded_again(run) if bars is None else frames_of(bars)
        seen = context_of(run.config.env, context)
        require_bars(run, frames, seen)
        plan = EnsemblePlan.of(run.config, frames, seen, handed_over=bars is not None or bool(context))
        run.go_on()
        return _follow(plan, run, chosen, at_once=at_once, plugins=plugins, progress=progress)


def _running(jobs: int | None, executor: Executor | None) -> tuple[int, Executor]:
    """How many jobs run at once, and what runs them."""
    at_once = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = at_once if jobs is None else jobs
    require_numbers(at_once, None)
    return at_once, executor or (ThisProcess() if at_once == 1 else Processes())


def _follow(
    plan: EnsemblePlan,
    run: EnsembleRun,
    executor: Executor,
    *,
    at_once: int,
    plugins: Sequence[str],
    progress: bool,
) -> EnsembleRun:
    """Train into a run folder, up to whatever end."""
    try:
        _train(plan, run, executor, at_once=at_once, plugins=plugins, progress=progress)
        _conclude(plan, run)
    except KeyboardInterrupt:
        run.finish(None, status="interrupted")
    except BaseException as error:
        run.finish(None, status="failed", error=f"{type(error).__name__}: {error}")
        enter_training(run)
        raise
    else:
        run.finish(None, status="finished")
    enter_training(run)
    return run


def _train(
    plan: EnsemblePlan,
    run: EnsembleRun,
    executor: Executor,
    *,
    at_once: int,
    plugins: Sequence[str],
    progress: bool,
) -> None:
    """Run the jobs; a member that fails keeps none of the others from going on.

    Raises:
        RunError: One failed.
    """
    jobs = plan.jobs(run)
    at_once = min(at_once, len(jobs))
    executor.require(jobs, at_once)
    bar = JobsProgress(len(jobs)) if progress else None
    with bar or nullcontext():
        outcomes = list(outcomes_of(jobs, executor, at_once=at_once, time_limit=None, plugins=plugins, bar=bar))
    lost = [outcome for outcome in outcomes if outcome.status != "finished"]
    if lost:
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise RunError(
            f"the training of {lost[0].job.name} {lost[0].status}: {lost[0].error}{more}; the others are kept, go on "
            f"with: dltrader train --resume {run.path}"
        )


def _conclude(plan: EnsemblePlan, run: EnsembleRun) -> None:
    """Fit the weights, score all models, and keep the ensemble with what it did on the validation bars."""
    experiment, own = plan.experiment, plan.lessons[0]
    folders = {name: run.member_folder(name) for name in experiment.members}
    weighting, told = _weighting(plan, run, 0)
    scores = [scores_of(told["validation"], weighting, own.samples.validation, own.samples.train, fold=0)]
    for number, lesson in enumerate(plan.lessons[1:], start=1):
        of_fold, said = _weighting(plan, run, number)
        scores.append(scores_of(said["test"], of_fold, lesson.samples.test, lesson.samples.train, fold=number))
    policy = EnsemblePolicy.of(
        [member_in(folder, name, own) for name, folder in folders.items()],
        weighting,
        experiment.trading,
        name=experiment.label,
        env_config=experiment.env,
        pipeline=own.pipeline,
        instruments=own.instruments,
        interval=own.interval,
    )
    row, behaviour = _validated(policy, own, plan.context)
    run.keep(policy, pd.concat(scores, ignore_index=True), row, behaviour, reference=_reference(policy, plan))


def _reference(policy: EnsemblePolicy, plan: EnsemblePlan) -> FeatureReference:
    """How all that the ensemble sees was spread over the bars that its members learned from.

    But for the first of them, at which the volatility that the trading rules look at is not known yet.
    """
    own = plan.lessons[0]
    learned = own.samples.train.times
    env, pipeline = policy.env_config, policy.pipeline
    markets = [
        Market.build({name: frame}, env, pipeline=pipeline, context=plan.context)
        for name, frame in own.slices.train.items()
    ]
    rows = [market.features[market.first :][market.times[market.first :].isin(learned)] for market in markets]
    return feature_reference(np.concatenate(rows), pipeline.names)


def _weighting(plan: EnsemblePlan, run: EnsembleRun, number: int) -> tuple[Weighting, dict[str, Votes]]:
    """The weights that the validation bars of a lesson give, and all that was said of its bars, by part."""
    told: dict[str, Votes] = {"validation": {}, "test": {}}
    for name in plan.members(number):
        for part, votes in votes_in(run.member_folder(name, number)).items():
            told[part] |= votes
    probabilities = {model: vote.probabilities for model, vote in told["validation"].items()}
    config = _among(plan.experiment.vote, probabilities) if number else plan.experiment.vote
    return weighting_of(config, probabilities, plan.lessons[number].samples.validation.side), told


def _among(vote: VoteConfig, models: Mapping[str, Any]) -> VoteConfig:
    """The part of a vote's configuration that is about some of the models."""
    if isinstance(vote.weights, str):
        return vote
    weights = {model: weight for model, weight in vote.weights.items() if model in models}
    return vote.model_copy(update={"weights": weights if sum(weights.values()) > 0 else "equal"})


def _validated(
    policy: EnsemblePolicy, lesson: Lesson, context: Mapping[str, pd.DataFrame]
) -> tuple[dict[str, float], str | None]:
    """How the ensemble traded the validation bars, of several markets in the mean, as a row of the training curve."""
    bars, start = lesson.slices.validation
    found = [validation(policy, {name: frame}, start, context=context) for name, frame in bars.items()]
    collapse = collapse_on_all(found)
    row: dict[str, float] = {
        "steps": float(len(lesson.samples.train)),
        "validation_growth": fmean(one.growth for one in found),
        "validation_collapsed": float(collapse is not None),
    }
    return row | {
        f"validation_{name}": fmean(one.trading[name] for one in found) for name in found[0].trading
    }, collapse
