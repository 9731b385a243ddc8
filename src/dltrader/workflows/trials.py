"""Trials as trainings: what a trial is trained with, what it is judged by, and how a batch of trials is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig
from dltrader.workflows.jobs import Executor, Job, Outcome
from dltrader.workflows.many import Trained, what_became_of
from dltrader.workflows.many import seeds as with_seeds
from dltrader.workflows.needs import Needs, on_gpu
from dltrader.workflows.progress import JobsProgress
from dltrader.workflows.pruning import SPARED_SHARE, Curve, MedianRule
from dltrader.workflows.space import Space
from dltrader.workflows.study import Study, Trial
from dltrader.workflows.train import train


@dataclass(frozen=True)
class Training:
    """One seed of a trial."""

    experiment: ExperimentConfig
    job: Job


@dataclass(frozen=True)
class Search:
    """What all trials of a study have in common.

    Attributes:
        experiment: What is tuned.
        space: What is searched.
        folder: Where the run folders go.
        seeds: Trainings of a trial.
        batch: Trials that are drawn together.
        prune: Whether trainings that are behind end early.
    """

    experiment: ExperimentConfig
    space: Space
    folder: Path
    seeds: int
    batch: int
    prune: bool
    _needs: Needs = field(default_factory=Needs, repr=False)

    def config(self, trial: Trial) -> ExperimentConfig:
        """The experiment of a trial.

        Raises:
            ConfigError: What was drawn does not go together.
        """
        return self.experiment.with_overrides(self.space.overrides(trial.drawn))

    def trainings(self, number: int, config: ExperimentConfig, earlier: Sequence[Trial]) -> list[Training]:
        """A training for each seed, judged by the same seed of earlier trials."""
        finished = [trial for trial in earlier if trial.state == "finished"]
        made = []
        for place, one in enumerate(with_seeds(config, self.seeds)):
            name = f"{folder_name(number)}-s{one.seed}"
            curves = tuple(trial.curves[place] for trial in finished)
            rule = MedianRule(curves, one.train.total_timesteps * SPARED_SHARE) if self.prune else None
            job = Job(
                name,
                train_trial,
                # Plain values, because a configuration may hold functions that plugins have registered.
                (one.to_mapping(), str(self.folder / name), rule),
                self.folder / f"{name}.log",
                bytes_needed=self._needs.bytes_of(one),
                threads=one.train.threads,
                gpu=on_gpu(one),
            )
            made.append(Training(one, job))
        return made

    def of_batch(self, number: int) -> int:
        """The first trial of the batch that a trial belongs to."""
        return number // self.batch * self.batch


def folder_name(number: int) -> str:
    """How the run folders of a trial begin."""
    return f"trial-{number:04d}"


def train_trial(argument: tuple[dict[str, Any], str, MedianRule | None]) -> None:
    """What a worker does: train an experiment, given as plain values, unless it falls behind."""
    experiment, folder, rule = argument
    # A trial that is interrupted is trained anew: what it takes to resume it would only fill the disk.
    train(experiment, {"train.keep_state": False}, out=folder, give_up=rule, kind="tune trial")


def next_batch(search: Search, study: Study, trials: int) -> list[Trial]:
    """The trials that wait, or else a new batch of them; empty where all have ended."""
    known = study.trials
    waiting = [trial for trial in known[:trials] if trial.state == "waiting"]
    if waiting or len(known) >= trials:
        return waiting
    return study.draw(min(trials, search.of_batch(len(known)) + search.batch) - len(known))


def run_batch(
    search: Search,
    study: Study,
    drawn: Sequence[Trial],
    executor: Executor,
    *,
    at_once: int,
    time_limit: float | None,
    plugins: Sequence[str],
    bar: JobsProgress | None,
    ended: Callable[[], None],
) -> None:
    """Train trials of a batch, and tell the study of each when its last seed has ended.

    Args:
        search: What they have in common.
        study: Whose trials they are.
        drawn: The trials, which are waiting.
        executor: What runs the trainings.
        at_once: How many run at a time.
        time_limit: Seconds that one may take.
        plugins: Modules to import before one.
        bar: Shows how they go.
        ended: Called when the study has been told of a trial.
    """
    # What has ended of this very batch, before an interruption, must not count: it would not have without one.
    earlier = study.trials[: search.of_batch(drawn[0].number)]
    todo: dict[int, list[Training]] = {}
    for trial in drawn:
        try:
            todo[trial.number] = search.trainings(trial.number, search.config(trial), earlier)
        except ConfigError as error:
            study.fail(trial.number, str(error))
    jobs = [training.job for trainings in todo.values() for training in trainings]
    if not jobs:
        return
    executor.require(jobs, min(at_once, len(jobs)))
    for job in jobs:
        shutil.rmtree(search.folder / job.name, ignore_errors=True)  # of an attempt that was interrupted
    outcomes: dict[str, Outcome] = {}
    running = executor.run(
        jobs, at_once=at_once, time_limit=time_limit, plugins=plugins, started=bar.started if bar else None
    )
    with closing(running):
        for outcome in running:
            outcomes[outcome.job.name] = outcome
            if bar:
                bar.ended(outcome)
            whole = [number for number, of_it in todo.items() if all(one.job.name in outcomes for one in of_it)]
            for number in whole:
                of_it = todo.pop(number)
                _tell(study, number, [what_became_of(one.experiment, one.job, outcomes[one.job.name]) for one in of_it])
                ended()


def _tell(study: Study, number: int, trained: Sequence[Trained]) -> None:
    """Tell the study what the seeds of a trial came to."""
    lost = next((each for each in trained if each.status not in {"finished", "pruned"}), None)
    if lost is not None:
        study.fail(number, f"seed {lost.seed} {lost.status}: {lost.error}")
        return
    study.finish(number, [_curve(each) for each in trained], pruned=any(each.status == "pruned" for each in trained))


def _curve(trained: Trained) -> Curve:
    checkpoints = trained.run.manifest["checkpoints"]
    return [(checkpoint["steps"], checkpoint["validation_growth"]) for checkpoint in checkpoints]
