"""Subjects: whom an evaluation is about, found in a folder or trained for it.

A *subject* is one configuration with one or several seeds, each of which has a trader: the policy of a run, or those of
the folds of a walk-forward one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dltrader.agents.succession import Succession
from dltrader.data.times import moment
from dltrader.errors import ConfigError, DLTraderError, RunError
from dltrader.runs import Run
from dltrader.runs.experiment import Experiment
from dltrader.workflows.jobs import Executor
from dltrader.workflows.many import train_many
from dltrader.workflows.walk_forward import WalkForward
from dltrader.workflows.walk_record import RECORD

Kind = Literal["run", "runs", "walk_forward"]

NOT_COMPARED = ("seed", "name")
"""What runs of one configuration may differ in."""

SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class Trader:
    """Where the policy of a seed lies.

    Attributes:
        seed: Of the training.
        path: A run folder, or that of a walk-forward.
        data_sha256: Fingerprint of the bars that it was trained on.
    """

    seed: int
    path: Path
    data_sha256: str


@dataclass(frozen=True)
class Subject:
    """One configuration with its seeds.

    Attributes:
        kind: What was found.
        path: Where the evaluation is kept.
        experiment: The configuration; its seed is that of the first trader.
        traders: One a seed, at least one.
        left_out: Rows of trainings that are not evaluated: seed, path, reason.
        folds: Rows of a walk-forward.
        notes: Sentences that a reader must know.
    """

    kind: Kind
    path: Path
    experiment: Experiment
    traders: tuple[Trader, ...]
    left_out: tuple[Mapping[str, Any], ...] = ()
    folds: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())


def subject_in(path: Path) -> Subject:
    """What lies in a folder: a run, a walk-forward, or runs of one configuration.

    Raises:
        RunError: The folder holds nothing that could be evaluated.
        ConfigError: Its runs are of several configurations.
    """
    if (path / RECORD).is_file():
        return _walk_forward(path)
    if (path / "manifest.json").is_file():
        return of_run(Run.open(path))
    return of_runs(path, Run.all_in(path))


def of_run(run: Run) -> Subject:
    """One run, however it ended, if it has a policy.

    Raises:
        RunError: It has none.
    """
    missing = getattr(run.policy(), "missing", ())  # before anything else is done
    notes = (f"without {', '.join(missing)}, not there any more: the other members decide",) if missing else ()
    return Subject("run", run.path, run.config, (_trader(run),), notes=notes)


def of_runs(path: Path, runs: Sequence[Run], left_out: Sequence[Mapping[str, Any]] = ()) -> Subject:
    """Runs of one configuration with several seeds; those that did not finish are left out, and said to be.

    Args:
        path: Where the evaluation is kept.
        runs: The runs.
        left_out: Trainings that came to no run.

    Raises:
        RunError: There is none, or none that finished.
        ConfigError: They are of several configurations, or two have the same seed.
    """
    if not runs and not left_out:
        raise RunError(
            f"{path} holds neither a run nor runs nor a walk-forward; make runs with: dltrader train CONFIG --seeds 10"
        )
    left_out = [*left_out, *(row for run in runs if (row := _trouble(run)) is not None)]
    lost = {row["path"] for row in left_out}
    finished = sorted((run for run in runs if str(run.path) not in lost), key=lambda run: run.config.seed)
    if not finished:
        raise RunError(
            f"no run in {path} has finished: {left_out[0]['path']} {left_out[0]['reason']}; train anew, or go on with "
            "one by: dltrader train --resume RUN"
        )
    _require_alike(path, finished)
    traders = tuple(map(_trader, finished))
    return Subject("runs", path, finished[0].config, traders, tuple(left_out))


def trained_seeds(
    experiments: Sequence[Experiment],
    *,
    out: Path,
    jobs: int,
    plugins: Sequence[str],
    executor: Executor | None,
    progress: bool,
) -> tuple[list[Run], list[Mapping[str, Any]]]:
    """Train seeds into a folder.

    Returns:
        What has a run folder, whether it finished or not; and rows of what came to none.

    Raises:
        KeyboardInterrupt: As it came in; what was trained stays.
        RunError: The folder is there.
    """
    trained = train_many(experiments, out=out, jobs=jobs, plugins=plugins, executor=executor, progress=progress)
    if any(each.status == "interrupted" for each in trained):
        raise KeyboardInterrupt
    begun = {each.path: (each.path / "manifest.json").is_file() for each in trained}
    lost: list[Mapping[str, Any]] = [
        {"seed": each.seed, "path": str(each.path), "reason": f"{each.status}: {each.error}"}
        for each in trained
        if not begun[each.path]
    ]
    return [Run(path) for path, there in begun.items() if there], lost


def existing_seeds(out: Path, experiments: Sequence[Experiment]) -> list[Run] | None:
    """The runs of these experiments that an earlier call has left in a folder; None where there is no such folder.

    Raises:
        RunError: The folder lacks one of them.
    """
    if not out.exists():
        return None
    found = {run.config.seed: run for run in Run.all_in(out)}
    wanted = {experiment.seed: experiment for experiment in experiments}
    lacking = [
        seed
        for seed, experiment in wanted.items()
        if seed not in found or found[seed].config.to_mapping() != experiment.to_mapping()
    ]
    if lacking:
        raise RunError(
            f"{out} is there, but not with a run of this configuration with seed {lacking[0]}; choose another --out or "
            "remove it"
        )
    return [found[seed] for seed in wanted]


def _walk_forward(path: Path) -> Subject:
    """The seeds of a walk-forward of which every fold has finished.

    Raises:
        RunError: There is none.
    """
    walk = WalkForward.open(path)
    finished = walk.finished_seeds
    lost = {row["seed"]: row for row in walk.rows if row["status"] != "finished"}
    left_out = tuple(
        {"seed": seed, "path": str(path), "reason": f"fold {row['fold']}: {row['error'] or row['status']}"}
        for seed, row in lost.items()
    )
    if not finished:
        raise RunError(
            f"no seed of {path} has finished all of its folds: {left_out[0]['reason']}; go on with it by the "
            "`dltrader walk-forward` that began it"
        )
    sha256 = str(walk.record["data_sha256"])
    cut = walk.config.walk_forward
    several = cut is not None and cut.scheme == "cpcv"
    return Subject(
        "walk_forward",
        path,
        walk.config,
        tuple(Trader(seed, path, sha256) for seed in finished),
        left_out,
        tuple(walk.rows),
        notes=("of the paths of cpcv the first is evaluated",) if several else (),
    )


def succession_of(walk: WalkForward, seed: int) -> Succession:
    """The policies of a walk-forward with one seed, each on the bars that its fold is tested on.

    Raises:
        RunError: A fold has no policy.
        BundleError: A policy's files are damaged.
    """
    starts = tested_from(walk)
    policies = {number: walk.run(number, seed).policy() for number in set(starts.values())}
    times = sorted(starts)
    return Succession([policies[starts[time]] for time in times], times)


def tested_from(walk: WalkForward) -> dict[pd.Timestamp, int]:
    """The first bar of every test -> the number of its fold; of cpcv, where several test it, the first of them."""
    starts: dict[pd.Timestamp, int] = {}
    for number, spans in enumerate(walk.folds, start=1):
        for first, _ in spans.test:
            starts.setdefault(moment(first, "a test"), number)
    return starts


def _trader(run: Run) -> Trader:
    return Trader(run.config.seed, run.path, str(run.manifest.get("data_sha256", "")))


def _trouble(run: Run) -> Mapping[str, Any] | None:
    """Why a run is left out; None where it is not."""
    seed = None
    try:
        seed = run.config.seed
        status, error = run.manifest["status"], run.manifest.get("error")
    except DLTraderError as damaged:
        return {"seed": seed, "path": str(run.path), "reason": str(damaged)}
    if status == "finished":
        return None
    return {"seed": seed, "path": str(run.path), "reason": f"{status}{f': {error}' if error else ''}"}


def _require_alike(path: Path, runs: Sequence[Run]) -> None:
    """Raise a ConfigError unless runs are seeds of one configuration on the same bars."""
    first = runs[0]
    flat = _flat(first.config.to_mapping())
    for other, before in zip(runs[1:], runs[:-1], strict=True):
        theirs = _flat(other.config.to_mapping())
        differing = [key for key in {**flat, **theirs} if flat.get(key) != theirs.get(key) and key not in NOT_COMPARED]
        if differing:
            shown = ", ".join(f"{key} ({flat.get(key)} and {theirs.get(key)})" for key in differing[:SHOWN_DIFFERENCES])
            more = f" and {len(differing) - SHOWN_DIFFERENCES} more" if len(differing) > SHOWN_DIFFERENCES else ""
            raise ConfigError(
                f"the runs in {path} are of several configurations: {first.path.name} and {other.path.name} differ in "
                f"{shown}{more}; evaluate one configuration at a time, each in a folder of its own"
            )
        if other.config.seed == before.config.seed:
            raise ConfigError(
                f"{before.path.name} and {other.path.name} in {path} have the same seed {other.config.seed}; "
                "remove one of them"
            )
        if other.manifest.get("data_sha256") != first.manifest.get("data_sha256"):
            raise ConfigError(
                f"{first.path.name} and {other.path.name} in {path} were trained on different bars of the same name; "
                "train one of them anew"
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
