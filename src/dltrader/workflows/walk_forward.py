"""Walk forward: train again and again on what was known, and trade what came next; all out-of-sample pieces as one.

OUT/config.yaml           the experiment
OUT/walk_forward.json     config, folds with their spans, seeds, status, and one row a fold and seed with its scores
OUT/folds/fold-01-s0/     the run folder of a fold's training with seed 0, and beside it its log
OUT/seed-0/               the backtest over all out-of-sample bars with seed 0: metrics.json, equity.csv, orders.csv,
                          trades.csv; of cpcv, which has several paths, in path-01/ and on
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dltrader.errors import ConfigError, RunError
from dltrader.evaluation.folds import Fold, FoldsConfig
from dltrader.evaluation.result import BacktestResult
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.hold import held
from dltrader.runs.spans import Spans
from dltrader.workflows.fold_jobs import Plan, path_of
from dltrader.workflows.jobs import Executor, Outcome
from dltrader.workflows.many import seeds as with_seeds
from dltrader.workflows.many import what_became_of
from dltrader.workflows.needs import Needs
from dltrader.workflows.processes import Processes
from dltrader.workflows.progress import JobsProgress
from dltrader.workflows.running import outcomes_of, require_numbers
from dltrader.workflows.stitching import Paths, fold_scores, keep_paths, seed_folder, stitched_paths
from dltrader.workflows.walk_record import (
    CONFIG,
    RECORD,
    Row,
    Rows,
    known_rows,
    make_folder,
    read_record,
    require_same,
    write_record,
)

BEGAN_WITH_LOST = "the fold before did not finish, with whose weights it begins"


@dataclass(frozen=True, eq=False)
class WalkForward:
    """A walk-forward and what came of it.

    Attributes:
        path: Its folder.
        stitched: By seed the backtests of its paths, as far as they are at hand; others are made anew when asked for.
    """

    path: Path
    stitched: Mapping[int, Paths] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str | Path) -> WalkForward:
        """The walk-forward in a folder.

        Raises:
            RunError: The folder is missing, or is none of a walk-forward.
        """
        if not Path(path, RECORD).is_file():
            raise RunError(f"{path} is no walk-forward: it has no {RECORD}; make one with: dltrader walk-forward")
        return cls(Path(path))

    @property
    def record(self) -> dict[str, Any]:
        """What walk_forward.json holds now.

        Raises:
            RunError: It is damaged, or of another format.
        """
        return read_record(self.path)

    @cached_property
    def config(self) -> ExperimentConfig:
        """The experiment, with how its bars are cut."""
        return ExperimentConfig.from_mapping(self.record["config"])

    @property
    def status(self) -> str:
        """`running`, or how it ended: `finished`, `failed` (some folds did not finish), `interrupted`."""
        return str(self.record["status"])

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds with which every fold is trained."""
        return tuple(self.record["seeds"])

    @property
    def folds(self) -> tuple[Spans, ...]:
        """What each fold trains, validates and tests on, by times."""
        spans = Spans.model_fields
        return tuple(Spans.from_mapping({key: fold[key] for key in spans}) for fold in self.record["folds"])

    @property
    def rows(self) -> list[Row]:
        """One row a fold and seed: its spans, how it ended, and what it earned on its test bars."""
        return list(self.record["rows"])

    @property
    def finished_seeds(self) -> tuple[int, ...]:
        """The seeds of which every fold has finished, which have a curve."""
        lost = {row["seed"] for row in self.rows if row["status"] != "finished"}
        return tuple(seed for seed in self.seeds if seed not in lost)

    @cached_property
    def paths(self) -> dict[tuple[int, int], BacktestResult]:
        """The backtests over all out-of-sample bars by seed and path; anchored and sliding folds have path 0 only.

        Raises:
            RunError: The bars have changed since, or a run is missing.
        """
        stitched = dict(self.stitched)
        missing = [seed for seed in self.finished_seeds if seed not in stitched]
        if missing:
            plan = self._plan()
            stitched |= {seed: stitched_paths(plan, seed) for seed in missing}
        return {(seed, number): result for seed in self.finished_seeds for number, result in stitched[seed].items()}

    @property
    def results(self) -> dict[int, BacktestResult]:
        """The backtest over all out-of-sample bars by seed, of cpcv on its first path."""
        return {seed: result for (seed, number), result in self.paths.items() if number == 0}

    def run(self, number: int, seed: int) -> Run:
        """The training of a fold, from 1 on, with a seed.

        Raises:
            RunError: It has not begun.
        """
        return Run.open(path_of(self.path, number, seed))

    def _plan(self) -> Plan:
        record = self.record
        plan = Plan.of(self.config, self.seeds, warm_start=record["warm_start"], folder=self.path)
        require_same(self.path, record, plan)
        return plan


def walk_forward(
    config: ExperimentConfig | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    folds: FoldsConfig | Mapping[str, Any] | None = None,
    seeds: int = 1,
    out: str | Path | None = None,
    jobs: int = 1,
    time_limit: float | None = None,
    warm_start: bool = False,
    executor: Executor | None = None,
    progress: bool = False,
    plugins: Sequence[str] = (),
) -> WalkForward:
    """Train on every fold's bars and trade its test with what was learned, all tests as one backtest of one account.

    At every decision the best policy of the fold decides to which the bar belongs, with features scaled as in its
    training; a position that is open at a border is carried over it.

    The same call goes on with what is in its folder: trainings that have finished are kept, those that were killed go
    on from their last checkpoint, and what comes of it is the same bit for bit as without the break. More seeds may be
    asked for later. A training that fails keeps none of the others from going on, unless they begin with its weights.

    Args:
        config: A file, the name of a shipped configuration, a mapping, or an experiment.
        overrides: Dotted keys with new values.
        folds: How bars are cut, or some keys of that; the others are those of the experiment's `walk_forward`, as far
            as the scheme knows them.
        seeds: Trainings of each fold, with consecutive seeds from the experiment's own on.
        out: The folder; by default `runs/NAME-walk-forward`.
        jobs: Trainings that run at once.
        time_limit: Seconds that a training may take; None: as long as it likes.
        warm_start: Whether a fold begins with the best weights of the fold before, of the same seed, and so waits.
        executor: What runs the trainings; by default processes of this machine.
        progress: Whether to show a progress line.
        plugins: Modules to import first, which register what the configuration names.

    Raises:
        ConfigError: A value is wrong, the folder was begun with other ones, or so many jobs do not fit into memory.
        BarsError: The bars are too few for such folds; the message says what fits.
        SourceError: They cannot be had.
        RunError: The folder holds something else, or another process is at work in it.
    """
    experiment = _experiment(config, overrides, folds)
    require_numbers(jobs, time_limit)
    assert experiment.walk_forward is not None
    if warm_start and experiment.walk_forward.scheme == "cpcv":
        raise ConfigError(
            "warm_start begins a fold with what the fold before has learned, and with cpcv that has learned from the "
            "bars of this fold's test; leave it out, or take the scheme anchored or sliding"
        )
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-walk-forward"
    numbers = [one.seed for one in with_seeds(experiment, seeds)]
    plan = Plan.of(experiment, numbers, warm_start=warm_start, folder=folder)
    executor, needs = executor or Processes(), Needs()
    todo = [plan.job(fold, seed, needs) for wave in plan.waves() for fold, seed in wave]
    executor.require(todo, min(jobs, len(todo)))
    make_folder(plan)
    with held(folder / CONFIG):
        rows = known_rows(plan)
        write_record(plan, rows, "running")
        try:
            _train(plan, rows, executor, needs, jobs=jobs, time_limit=time_limit, plugins=plugins, progress=progress)
            stitched = _stitch(plan, rows)
        except KeyboardInterrupt:  # the executor has stopped what was running
            for (number, seed), row in rows.items():
                if row["status"] == "not begun" and plan.path(number, seed).exists():
                    row["status"] = "interrupted"
            write_record(plan, rows, "interrupted")
            return WalkForward(folder)
        except BaseException:
            write_record(plan, rows, "failed")
            raise
        write_record(plan, rows, "finished" if all(row["status"] == "finished" for row in rows.values()) else "failed")
    return WalkForward(folder, stitched)


def _experiment(config: Any, overrides: Mapping[str, Any] | None, folds: Any) -> ExperimentConfig:
    """The experiment, in which `walk_forward` says how bars are cut."""
    experiment = ExperimentConfig.load(config, overrides)
    cut = experiment.walk_forward or FoldsConfig()
    if isinstance(folds, FoldsConfig):
        cut = folds
    elif folds is not None:
        cut = cut.changed(folds)
    if experiment.data.spans is not None:
        raise ConfigError("data.spans are those of one fold, and a walk-forward makes them itself; leave them out")
    return experiment.with_overrides({"walk_forward": cut.to_mapping()})


def _train(
    plan: Plan,
    rows: Rows,
    executor: Executor,
    needs: Needs,
    *,
    jobs: int,
    time_limit: float | None,
    plugins: Sequence[str],
    progress: bool,
) -> None:
    """Train what has not finished, and keep in the rows how each training ended."""
    left = sum(row["status"] != "finished" for row in rows.values())
    bar = JobsProgress(left) if progress and left else None
    with bar or nullcontext():
        for wave in plan.waves():
            todo: dict[str, tuple[Fold, int]] = {}
            for fold, seed in wave:
                row = rows[fold.number, seed]
                if row["status"] == "finished":
                    continue
                if plan.warm_start and fold.number > 1 and not plan.finished(fold.number - 1, seed):
                    row |= {"status": "failed", "error": BEGAN_WITH_LOST}
                    continue
                todo[plan.path(fold.number, seed).name] = fold, seed
            waiting = [plan.job(fold, seed, needs) for fold, seed in todo.values()]
            if not waiting:
                continue
            for outcome in outcomes_of(
                waiting,
                executor,
                at_once=min(jobs, len(waiting)),
                time_limit=time_limit,
                plugins=plugins,
                bar=bar,
            ):
                fold, seed = todo[outcome.job.name]
                rows[fold.number, seed] |= _ended(plan, fold, seed, outcome)
                write_record(plan, rows, "running")


def _ended(plan: Plan, fold: Fold, seed: int, outcome: Outcome) -> Row:
    """What a row says of a training that has just ended."""
    became = what_became_of(plan.experiment_of(fold, seed), outcome.job, outcome)
    return {
        "status": became.status,
        "error": became.error,
        "seconds": became.seconds,
        "validation_growth": became.validation_growth,
        "behaviour": became.behaviour,
    }


def _stitch(plan: Plan, rows: Rows) -> dict[int, Paths]:
    """Backtest every seed of which all folds have finished, and keep what it earned; what has been kept is left."""
    stitched: dict[int, Paths] = {}
    for seed in plan.seeds:
        of_it = [rows[fold.number, seed] for fold in plan.folds]
        if any(row["status"] != "finished" for row in of_it):
            continue
        if seed_folder(plan.folder, seed).is_dir() and all(row["growth"] is not None for row in of_it):
            continue  # an earlier call has kept it, and told the ledger
        began = time.monotonic()
        paths = stitched[seed] = stitched_paths(plan, seed)
        keep_paths(plan, seed, paths, seconds=time.monotonic() - began)
        for number, scores in fold_scores(plan, paths).items():
            rows[number, seed] |= scores
        write_record(plan, rows, "running")
    return stitched
