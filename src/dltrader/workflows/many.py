"""Train many: configurations and seeds side by side, each in its own run folder, whatever happens to the others.

OUT/NAME-sSEED/      the run folder of a training
OUT/NAME-sSEED.log   what its worker printed
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from dltrader.errors import ConfigError, RunError
from dltrader.runs import Run
from dltrader.runs.experiment import Experiment
from dltrader.workflows.entries import enter_training, warn_of_unknown
from dltrader.workflows.jobs import Ending, Executor, Job, Outcome
from dltrader.workflows.needs import Needs, on_gpu
from dltrader.workflows.processes import Processes
from dltrader.workflows.progress import JobsProgress
from dltrader.workflows.running import outcomes_of, require_numbers
from dltrader.workflows.train import train

TAIL_LINES = 8

E = TypeVar("E", bound=Experiment)


@dataclass(frozen=True)
class Trained:
    """What became of one training among many.

    Attributes:
        name: The experiment's.
        seed: The experiment's.
        path: The run folder; missing where the training failed before it had one.
        log: What the worker printed.
        status: As the job ended; `interrupted`: stopped by Ctrl-C, or not begun because of it; `pruned`: ended early by
            a tuning.
        error: One line that says why it did not finish.
        seconds: How long it took, the start of the process included; nan where it did not begin or was interrupted.
        validation_growth: Log growth of the best checkpoint on the validation bars; None where there is no checkpoint.
        behaviour: How that checkpoint collapsed there, in words; None where it did not.
    """

    name: str
    seed: int
    path: Path
    log: Path
    status: Ending | Literal["interrupted", "pruned"]
    error: str | None
    seconds: float
    validation_growth: float | None
    behaviour: str | None = None

    @property
    def run(self) -> Run:
        """The run.

        Raises:
            RunError: There is none.
        """
        return Run.open(self.path)

    @property
    def tail(self) -> str:
        """The last lines of the log; empty where there are none."""
        if not self.log.is_file():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-TAIL_LINES:])


def seeds(experiment: E, n: int) -> list[E]:
    """The experiment with n consecutive seeds, of which its own is the first.

    Raises:
        ConfigError: There are no such seeds.
    """
    if n < 1:
        raise ConfigError(f"the number of seeds must be at least 1, was {n}")
    return [experiment.with_overrides({"seed": experiment.seed + i}) for i in range(n)]


def train_many(
    experiments: Sequence[Experiment],
    *,
    out: str | Path,
    jobs: int = 1,
    time_limit: float | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> list[Trained]:
    """Train each experiment as `train` would, several at a time, and say what became of each.

    A training that fails, is killed or takes too long is reported and keeps none of the others from going on. What a
    training gives depends on its experiment alone: not on how many run at once, nor on their order. A worker has one
    thread, beside those of `train.threads`, which are a part of the experiment.

    Ctrl-C stops the trainings that are running, as it does in `train`, and begins no other.

    Args:
        experiments: What is trained; several seeds of one come from `seeds`.
        out: A new folder, for a run folder and a log of each.
        jobs: How many run at once.
        time_limit: Seconds that a training may take, the start of its process included; None: as long as it likes.
        plugins: Modules to import first, which register what the experiments name.
        executor: What runs them; by default processes of this machine.
        progress: Whether to show a progress line.

    Returns:
        One record an experiment, in their order.

    Raises:
        ConfigError: There is nothing to do, two trainings have the same name and seed, a number is out of range, or
            so many jobs do not fit into memory.
        BarsError, SourceError: The bars of an experiment cannot be had.
        RunError: The folder is already there.
    """
    require_numbers(jobs, time_limit)
    folder, executor = Path(out), executor or Processes()
    todo = _jobs(experiments, folder)
    if folder.exists():
        raise RunError(f"{folder} already exists; choose another --out or remove it")
    at_once = min(jobs, len(todo))
    executor.require(todo, at_once)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}") from None
    outcomes: dict[str, Outcome] = {}
    bar = JobsProgress(len(todo)) if progress else None
    with bar or nullcontext(), suppress(KeyboardInterrupt):  # the executor has stopped them; what is there is reported
        for outcome in outcomes_of(todo, executor, at_once=at_once, time_limit=time_limit, plugins=plugins, bar=bar):
            outcomes[outcome.job.name] = outcome
    trained = [
        what_became_of(experiment, job, outcomes.get(job.name))
        for experiment, job in zip(experiments, todo, strict=True)
    ]
    warn_of_unknown([one.path for one in trained])
    return trained


def _jobs(experiments: Sequence[Experiment], folder: Path) -> list[Job]:
    """A job for each experiment.

    Raises:
        ConfigError: There are none, or two have the same name.
    """
    if not experiments:
        raise ConfigError("there is no experiment to train; name at least one")
    needs = Needs()
    jobs: dict[str, Job] = {}
    for experiment in experiments:
        name = f"{experiment.name}-s{experiment.seed}"
        if name in jobs:
            raise ConfigError(
                f"two trainings would be called {name}, after their experiment's name and seed; "
                "rename a configuration, or name each one once"
            )
        # Plain values, because a configuration may hold functions that plugins have registered.
        argument = experiment.to_mapping(), str(folder / name)
        jobs[name] = Job(
            name,
            train_one,
            argument,
            folder / f"{name}.log",
            bytes_needed=needs.bytes_of(experiment),
            threads=experiment.threads,
            gpu=on_gpu(experiment),
        )
    return list(jobs.values())


def train_one(argument: tuple[dict[str, Any], str]) -> None:
    """What a worker does: train an experiment, given as plain values, into a run folder."""
    experiment, folder = argument
    # What runs side by side are the trainings: one of an ensemble trains its members one after the other.
    train(experiment, out=folder, jobs=1 if "members" in experiment else None)


def what_became_of(experiment: Experiment, job: Job, outcome: Outcome | None) -> Trained:
    """What became of a training, from how its job ended and from what it left; no outcome: it was interrupted."""
    path = job.log.parent / job.name
    status: Any = outcome.status if outcome else "interrupted"
    error = outcome.error if outcome else None if path.exists() else "it had not begun"
    growth = behaviour = None
    try:
        run = Run.open(path)
        if run.manifest["status"] == "running":  # its process had no time to say so itself
            run.finish(None, status=status, error=error)
            enter_training(run)
        elif status == "finished":
            status = run.manifest["status"]
        best = run.manifest["best"]
        if best is not None:
            growth, behaviour = float(best["validation_growth"]), best.get("behaviour")
    except RunError as missing:
        error = error or str(missing)
    seconds = outcome.seconds if outcome else float("nan")
    return Trained(experiment.name, experiment.seed, path, job.log, status, error, seconds, growth, behaviour)
