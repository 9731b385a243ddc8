"""Evaluate: what one configuration is worth over many seeds, beside fair baselines and at varied costs.

What is given may be a configuration, which is then trained with so many seeds; a run, alone or with further seeds of
its configuration, which are trained into RUN-seeds/; a folder of runs; or that of a walk-forward.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

from dltrader.data.times import moment
from dltrader.envs.market import BarsLike
from dltrader.errors import ConfigError, MissingExtraError, RunError
from dltrader.evaluation.assembly import Evidence, assemble
from dltrader.evaluation.baselines import baselines_beside, holding_at
from dltrader.evaluation.costs import COSTS_BP, require_costs
from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.examined import Examined
from dltrader.runs import Run
from dltrader.runs.ensemble import load_experiment
from dltrader.runs.experiment import Experiment
from dltrader.workflows.examine import Examination, examine_one
from dltrader.workflows.jobs import Executor, Job
from dltrader.workflows.many import seeds as with_seeds
from dltrader.workflows.processes import Processes
from dltrader.workflows.progress import JobsProgress
from dltrader.workflows.running import ThisProcess, outcomes_of, require_numbers
from dltrader.workflows.standing import enter_evaluation
from dltrader.workflows.stretch import Stretch, stretch_of
from dltrader.workflows.subjects import Subject, existing_seeds, of_runs, subject_in, tested_from, trained_seeds
from dltrader.workflows.walk_forward import WalkForward

SEEDS = 10
"""Seeds that a configuration is trained with unless another number is asked for."""

PACKAGES = ("dltrader", "arch", "backtrader", "numpy", "pandas", "stable-baselines3", "torch")


def require_extras(*packages: str) -> None:
    """Check that packages of the extra `report` are there.

    Raises:
        MissingExtraError: One is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "report")


def evaluate(
    what: Experiment | Run | WalkForward | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    seeds: int | None = None,
    jobs: int = 1,
    bars: BarsLike | None = None,
    market: str | None = None,
    start: str | None = None,
    end: str | None = None,
    costs: Sequence[float] = COSTS_BP,
    out: str | Path | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> Evaluation:
    """Evaluate a configuration over seeds, and keep what was found in `evaluation/`.

    Every number comes from Cerebro. Each seed's policy that was best on the validation bars trades the test bars at its
    own costs, at each of `costs`, and once drawing its actions; baselines trade the same bars at the same costs.

    Args:
        what: A configuration (file, shipped name, mapping, experiment), a run, a walk-forward, or a folder of either or
            of runs of one configuration.
        overrides: Dotted keys with new values, of a configuration.
        seeds: How many; by default 10 of a configuration, which are trained, and a run alone. A folder of several has
            its own.
        jobs: Seeds that are trained, and then tested, at once.
        bars: Bars in place of the configuration's own test bars; not of a walk-forward.
        market: Of a configuration with several markets, the one to trade.
        start: No decision before this time.
        end: No bar after this time.
        costs: Basis points of one side, at which the policy is tried again.
        out: Where it is kept; by default beside what was evaluated, of a configuration in a new folder below `runs/`.
        plugins: Modules that other processes import first.
        executor: What trains seeds, by default processes of this machine.
        progress: Whether to show progress lines.

    Raises:
        ConfigError: The configuration is wrong, runs are of several, or a number is out of range.
        RunError: There is nothing to evaluate, no seed could be tested, or what was found cannot be written.
        BarsError, SourceError: The bars cannot be had, or are too few.
        MissingExtraError: arch is not installed.
    """
    require_extras("arch")  # said before hours are spent
    costs_bp = require_costs(costs)
    require_numbers(jobs, None)
    if seeds is not None and seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, was {seeds}")
    where = {"bars": bars, "market": market, "start": start, "end": end}
    training = {"jobs": jobs, "plugins": plugins, "executor": executor, "progress": progress}
    subject, stretch = _subject(what, overrides, seeds, out, where, training)
    examined, left_out = _examined(subject, stretch, costs_bp, jobs=jobs, plugins=plugins, progress=progress)
    trials, looks = enter_evaluation(subject, stretch, examined)
    beginning = max((each.result for each in examined), key=lambda result: len(result.equity)).equity.index[0]
    evaluation = assemble(
        Evidence(
            about=_about(subject, stretch, left_out, looks),
            examined=examined,
            baselines=baselines_beside(examined, stretch.frames, subject.experiment.env),
            holding=holding_at(costs_bp, stretch.frames, subject.experiment.env, beginning),
            history=stretch.frames,
            env=subject.experiment.env,
            trials=trials,
            folds=subject.folds,
        )
    )
    folder = subject.path if out is None else Path(out)
    try:
        evaluation.keep(folder)
    except OSError as error:
        raise RunError(f"cannot write the evaluation into {folder}: {error.strerror}; choose another --out") from None
    return evaluation


def _subject(
    what: Any,
    overrides: Mapping[str, Any] | None,
    seeds: int | None,
    out: str | Path | None,
    where: Mapping[str, Any],
    training: Mapping[str, Any],
) -> tuple[Subject, Stretch]:
    """Who is evaluated and on which bars; the bars are at hand before anything is trained."""
    path = what.path if isinstance(what, Run | WalkForward) else Path(what) if isinstance(what, str | Path) else None
    if path is None or not path.is_dir():
        experiment = load_experiment(what, overrides)
        stretch = stretch_of(experiment, **where)
        folder = Path(out) if out is not None else _new_folder(experiment.name)
        return of_runs(folder, *trained_seeds(with_seeds(experiment, seeds or SEEDS), out=folder, **training)), stretch
    if overrides:
        raise ConfigError(
            f"{path} has its configuration, so {next(iter(overrides))} cannot be changed; evaluate a configuration "
            "instead, which is trained anew"
        )
    subject = subject_in(path)
    stretch = _walked(subject, where) if subject.kind == "walk_forward" else stretch_of(subject.experiment, **where)
    if seeds is None or (subject.kind == "run" and seeds == 1):
        return subject, stretch
    if subject.kind != "run":
        raise ConfigError(f"{path} has its seeds, {len(subject.traders)} of them; leave --seeds out")
    return _with_siblings(subject, seeds, out, training), stretch


def _walked(subject: Subject, where: Mapping[str, Any]) -> Stretch:
    """The bars of all tests of a walk-forward.

    Raises:
        ConfigError: Other bars are asked for.
    """
    asked = next((name for name, value in where.items() if value is not None), None)
    if asked is not None:
        raise ConfigError(
            f"a walk-forward is evaluated on the bars of its own tests, so --{asked} does not fit; leave it out"
        )
    walk = WalkForward.open(subject.path)
    starts = tested_from(walk)
    last = max((spans.test[-1][1] for spans in walk.folds), key=lambda time: moment(time, "a test"))
    return stretch_of(subject.experiment, start=str(min(starts)), end=str(moment(last, "a test")))


def _with_siblings(subject: Subject, seeds: int, out: str | Path | None, training: Mapping[str, Any]) -> Subject:
    """A run and further seeds of its configuration, trained into a folder beside it unless they are there already."""
    run = Run.open(subject.path)
    siblings = with_seeds(subject.experiment, seeds)[1:]
    folder = Path(out) if out is not None else run.path.with_name(f"{run.path.name}-seeds")
    runs = existing_seeds(folder, siblings)
    lost: Sequence[Mapping[str, Any]] = ()
    if runs is None:
        runs, lost = trained_seeds(siblings, out=folder, **training)
    listed = ", ".join(str(one.seed) for one in siblings)
    note = f"beside seed {run.config.seed} of {run.path}, further seeds of its configuration are in {folder}: {listed}"
    found = of_runs(folder, [run, *runs], lost)
    return Subject(found.kind, folder, found.experiment, found.traders, found.left_out, notes=(note,))


def _examined(
    subject: Subject,
    stretch: Stretch,
    costs_bp: Sequence[float],
    *,
    jobs: int,
    plugins: Sequence[str],
    progress: bool,
) -> tuple[list[Examined], list[Mapping[str, Any]]]:
    """Each seed on the bars, and those that could not trade them.

    Raises:
        RunError: None could.
    """
    todo = {
        f"seed {trader.seed}": Examination(
            trader.seed,
            str(trader.path),
            subject.kind,
            stretch.frames,
            stretch.start,
            subject.experiment.env.to_mapping(),
            tuple(costs_bp),
            stretch.context,
        )
        for trader in subject.traders
    }
    left_out: list[Mapping[str, Any]] = []
    found: dict[str, Examined] = {}
    for name, outcome in _outcomes(todo, jobs=jobs, plugins=plugins, progress=progress):
        if isinstance(outcome, Examined):
            found[name] = outcome
        else:
            left_out.append({"seed": todo[name].seed, "path": todo[name].path, "reason": outcome})
    if not found:
        raise RunError(f"no seed could be tested: {left_out[0]['path']}: {left_out[0]['reason']}")
    return [found[name] for name in todo if name in found], left_out


def _outcomes(
    todo: Mapping[str, Examination], *, jobs: int, plugins: Sequence[str], progress: bool
) -> Iterator[tuple[str, Examined | str]]:
    """What became of each: what was found, or a line that says why nothing was."""
    # Another process takes as long to begin as a short test.
    executor: Executor = ThisProcess() if jobs == 1 or len(todo) == 1 else Processes()
    bar = JobsProgress(len(todo), what="tests") if progress else None
    with tempfile.TemporaryDirectory(prefix="dltrader-") as logs, bar or nullcontext():
        listed = [Job(name, examine_one, each, Path(logs, f"{name}.log")) for name, each in todo.items()]
        for outcome in outcomes_of(
            listed, executor, at_once=min(jobs, len(listed)), time_limit=None, plugins=plugins, bar=bar
        ):
            value = outcome.value
            yield outcome.job.name, value if isinstance(value, Examined) else str(outcome.error)


def _about(
    subject: Subject, stretch: Stretch, left_out: Sequence[Mapping[str, Any]], looks: Sequence[str]
) -> dict[str, Any]:
    experiment = subject.experiment
    changed = stretch.own and {trader.data_sha256 for trader in subject.traders} != {stretch.sha256}
    notes = [
        *subject.notes,
        *(["the bars have changed since the training: their fingerprint is another one"] if changed else []),
        *looks,
    ]
    return {
        "name": experiment.name,
        "kind": subject.kind,
        "path": subject.path,
        "agent": experiment.label,
        "policy": "best",
        "config": experiment.to_mapping(),
        "left_out": [*subject.left_out, *left_out],
        "bars": dict(stretch.uris),
        "data_sha256": stretch.sha256,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "notes": notes,
    }


def _new_folder(name: str) -> Path:
    return Path("runs") / f"{name}-{dt.datetime.now():%Y%m%d-%H%M%S}"
