"""The trainings of a walk-forward: one a fold and seed, each into a run folder that is gone on with if it is there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.data import fingerprint
from dltrader.envs.market import context_of
from dltrader.errors import BarsError, ConfigError, RunError
from dltrader.evaluation.folds import Fold, FoldsConfig, make_folds
from dltrader.features import Pipeline
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.run import FINISHED
from dltrader.runs.spans import Spans
from dltrader.workflows.jobs import Job
from dltrader.workflows.needs import Needs, on_gpu
from dltrader.workflows.resume import resume
from dltrader.workflows.train import train

FOLDS = "folds"


@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained on what, made of a configuration and bars.

    Attributes:
        experiment: The configuration; `walk_forward` says how bars are cut.
        frames: The bars.
        context: Markets that features look at.
        times: Those that all instruments have in common.
        folds: The folds over them.
        seeds: Of the trainings of each fold.
        warm_start: Whether a fold begins with the best weights of the one before.
        folder: Where all is kept.
    """

    experiment: ExperimentConfig
    frames: Mapping[str, pd.DataFrame]
    context: Mapping[str, pd.DataFrame]
    times: pd.Index[Any]
    folds: tuple[Fold, ...]
    seeds: tuple[int, ...]
    warm_start: bool
    folder: Path

    @classmethod
    def of(cls, experiment: ExperimentConfig, seeds: Sequence[int], *, warm_start: bool, folder: Path) -> Plan:
        """Load the bars and cut them.

        Raises:
            ConfigError: The configuration has markets apart, which have no one account.
            BarsError: The bars are too few; the message says what fits.
            SourceError: They cannot be had.
        """
        data, env = experiment.data, experiment.env
        if data.apart:
            raise ConfigError(
                f"a walk-forward trades one account, and data.trade: apart has one for each of {len(data.uris())} "
                "markets; name one market, or set data.trade: together"
            )
        frames = data.load()
        times = reduce(pd.Index.intersection, [frame.index for frame in frames.values()])
        if len(times) == 0:
            raise BarsError(f"{', '.join(frames)} have no bar at a common time; choose instruments that overlap")
        cut = experiment.walk_forward or FoldsConfig()
        context = context_of(env)
        common = next(iter(frames.values())).loc[times]
        first = Pipeline(env.features, env.scaling).warmup_on(common, context) + env.window_bars - 1
        # Pieces of cpcv are markets of their own, drawn as often as others: shorter ones would be seen too often.
        steps = max(1, (env.episode_bars or 1) // 2) if cut.scheme == "cpcv" else 1
        folds = make_folds(cut, len(times), first=first, least=first + 1 + steps)
        return cls(experiment, frames, context, times, folds, tuple(seeds), warm_start, folder)

    def spans(self, fold: Fold) -> Spans:
        """The spans of a fold in time."""
        return Spans.of(fold, self.times)

    def experiment_of(self, fold: Fold, seed: int) -> ExperimentConfig:
        """What a fold trains with a seed."""
        spans = self.spans(fold)
        return self.experiment.with_overrides(
            {
                "name": f"{self.experiment.name}-fold-{fold.number:02d}",
                "seed": seed,
                "walk_forward": None,
                "data.spans": spans.to_mapping(),
                "data.validation_start": spans.validation[0],
                "data.test_start": spans.test[0][0],
            }
        )

    def path(self, number: int, seed: int) -> Path:
        """The run folder of a fold's training."""
        return path_of(self.folder, number, seed)

    def finished(self, number: int, seed: int) -> bool:
        """Whether a fold has been trained to its end."""
        return has_finished(self.path(number, seed))

    def job(self, fold: Fold, seed: int, needs: Needs) -> Job:
        """The training of a fold with a seed."""
        experiment, path = self.experiment_of(fold, seed), self.path(fold.number, seed)
        before = str(self.path(fold.number - 1, seed)) if self.warm_start and fold.number > 1 else None
        return Job(
            path.name,
            train_fold,
            # Plain values, because a configuration may hold functions that plugins have registered.
            (experiment.to_mapping(), str(path), before),
            path.with_name(f"{path.name}.log"),
            bytes_needed=needs.bytes_of(self.experiment),  # whose bars are all there are
            threads=experiment.threads,
            gpu=on_gpu(experiment),
        )

    def waves(self) -> list[list[tuple[Fold, int]]]:
        """Folds with seeds in the order in which they can be trained: of a wave all at once."""
        if not self.warm_start:
            return [[(fold, seed) for fold in self.folds for seed in self.seeds]]
        return [[(fold, seed) for seed in self.seeds] for fold in self.folds]

    def facts(self) -> dict[str, Any]:
        """What must be the same for a walk-forward to be gone on with."""
        config = self.experiment.to_mapping()
        return {"config": config, "warm_start": self.warm_start, "data_sha256": self.data_sha256}

    @cached_property
    def data_sha256(self) -> str:
        """The fingerprint of the bars."""
        return fingerprint(self.frames, self.context)


def path_of(folder: Path, number: int, seed: int) -> Path:
    """The run folder of a fold's training with a seed."""
    return folder / FOLDS / f"fold-{number:02d}-s{seed}"


def has_finished(path: Path) -> bool:
    """Whether there is a run in a folder that has finished."""
    try:
        return bool(Run.open(path).manifest["status"] == FINISHED)
    except RunError:
        return False


def train_fold(argument: tuple[dict[str, Any], str, str | None]) -> None:
    """What a worker does: train an experiment, given as plain values, or go on with it if it was begun.

    Raises:
        RunError: Another process trains it.
        Exception: As `train`.
    """
    experiment, folder, before = argument
    if not _resumed(Path(folder), experiment):
        shutil.rmtree(folder, ignore_errors=True)
        train(experiment, out=folder, begin_with=before)


def _resumed(path: Path, experiment: Mapping[str, Any]) -> bool:
    """Whether a training could be gone on with; else it has to be done again, which gives the same.

    Raises:
        RunError: Another process trains it.
    """
    try:
        run = Run.open(path)
    except RunError:
        return False  # not there, or killed before it was whole
    with run.held():
        pass
    try:
        resume(run, experiment)
    except RunError:
        return False  # it had not come to its first checkpoint, keeps no state, or its state is damaged
    return True
