"""Jobs on a Ray cluster that is already there, one Ray task a job.

A task reserves what its job takes, a CPU for each of its threads, its memory and perhaps a GPU, and makes the call as
`workflows/processes.py` does, in a process of its own beside Ray's worker: the log, the time limit, the one thread and
the way an end is told are the same here and there. No job is tried twice.

Nothing is copied to a cluster or back. A job works in the folder of the same name as that in which it was started, and
writes its run folder and its log there: a cluster of several machines needs a file system that all of them, and this
one, have at the same place (NFS, for instance). On a machine that has no such folder a job fails and says so. dltrader
has to be installed on every machine, with what the plugins need; environment variables are those of the cluster.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dltrader.errors import ConfigError, MissingExtraError
from dltrader.workflows import worker
from dltrader.workflows.jobs import Ending, Job, Outcome
from dltrader.workflows.processes import GRACE_SECONDS, Processes

try:
    import ray
    from ray import exceptions
except ImportError:
    raise MissingExtraError("Ray", "ray") from None

ANSWER_SECONDS = 5.0
"""How long a machine may take to accept a connection."""
TRIAL_SECONDS = 20.0
"""How long Ray may take to find a cluster; left alone it tries for two minutes, and then ends the whole process."""
LOOK_EVERY_SECONDS = 0.5

CONNECTION: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": False}
TRIAL = f"""
import sys, ray
try:
    ray.init(address=sys.argv[1], **{CONNECTION!r})
except Exception as error:
    print("refused", " ".join(str(error).split()))
else:
    print("connected")
"""
LOST = (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError, exceptions.NodeDiedError)
"""What Ray says of a task that was ended from outside."""


class RayCluster:
    """The executor that runs every job on a Ray cluster; a context, whose end closes the connection.

    In a process that Ray is already connected in, such as a notebook's, that connection is used and left open.

    Args:
        address: Of the cluster: `host:port`, `ray://host:port`, or `auto`: that which the environment names in
            RAY_ADDRESS, or else the one that runs on this machine.
    """

    def __init__(self, address: str = "auto") -> None:
        self.address = address
        self._ours = False

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ConfigError: There is no such cluster, or it does not answer.
        """
        if not ray.is_initialized():
            self._require_cluster()
            try:
                ray.init(address=self.address, **CONNECTION)
            except (OSError, RuntimeError, ValueError, exceptions.RayError) as error:
                raise self._unreachable(str(error)) from None
            self._ours = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection, if it is ours."""
        if self._ours:
            ray.shutdown()
            self._ours = False

    def require(self, jobs: Sequence[Job], at_once: int) -> None:
        """Check that the cluster, with nothing else on it, has room for so many of the largest jobs.

        Raises:
            ConfigError: It has not; without this check they would wait for ever.
        """
        largest = _largest(jobs)
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        fitting = sum(_fitting(largest, node["Resources"]) for node in nodes if node["Alive"])
        if fitting == 0:
            raise ConfigError(
                f"a job takes {_in_words(largest)}, and no machine of the Ray cluster {self.address} has that; "
                "start a larger one"
            )
        if at_once > fitting:
            raise ConfigError(
                f"a job takes {_in_words(largest)}, and on the Ray cluster {self.address} at most --jobs {fitting} "
                f"fits, was {at_once}"
            )

    def run(
        self,
        jobs: Sequence[Job],
        *,
        at_once: int,
        time_limit: float | None = None,
        plugins: Sequence[str] = (),
        started: Callable[[Job], None] | None = None,
    ) -> Generator[Outcome, None, None]:
        """Run the jobs and yield each outcome when it is there; the order is theirs, the values are not.

        A job's time counts from the moment its task runs, not while it waits for others who use the cluster. Closed,
        or interrupted by Ctrl-C, it asks the workers to come to an end, as Ctrl-C would, and then kills them.
        """
        setting = worker.Setting(path=_path(), argv=sys.argv, plugins=plugins)
        waiting, running = deque(jobs), dict[Any, _Task]()
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    job = waiting.popleft()
                    task = _Task(job, time.monotonic())
                    running[task.start(setting, time_limit)] = task
                    if started is not None:
                        started(job)
                ended, _ = ray.wait(list(running), num_returns=1, timeout=LOOK_EVERY_SECONDS)
                for reference in ended:
                    yield running.pop(reference).outcome(reference)
        finally:
            _stop(list(running))

    def _require_cluster(self) -> None:
        """Find out whether the cluster answers, without being lost where it does not."""
        address = os.environ.get("RAY_ADDRESS") or self.address if self.address == "auto" else self.address
        if address != "auto":
            host, colon, port = address.rpartition("://")[2].rpartition(":")
            if not colon or not host or not port.isdecimal() or int(port) > 65535:
                raise ConfigError(f"--ray must be auto, HOST:PORT or ray://HOST:PORT, was {address!r}")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
            except OSError as error:
                raise self._unreachable(error.strerror or str(error)) from None
        try:
            trial = subprocess.run(  # noqa: S603 - our own words, in this very interpreter
                [sys.executable, "-P", "-c", TRIAL, self.address],
                capture_output=True,
                text=True,
                timeout=TRIAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._unreachable(f"nothing that speaks as Ray does answered in {TRIAL_SECONDS:g} seconds") from None
        said = trial.stdout.strip().splitlines()[-1:]
        if said != ["connected"]:
            why = said[0].removeprefix("refused ") if said else f"Ray ended with exit code {trial.returncode}"
            raise self._unreachable(why)

    def _unreachable(self, why: str) -> ConfigError:
        which = f"Ray cluster at {self.address}" if self.address != "auto" else "running Ray cluster"
        words = " ".join(why.split()).partition(". ")[0].rstrip(".")  # then Ray tells what to type, in its own words
        return ConfigError(f"cannot reach a {which}: {words}; start one with `ray start --head`, or change --ray")


@dataclass(frozen=True)
class _Task:
    """A job that Ray has taken."""

    job: Job
    began: float

    def start(self, setting: worker.Setting, time_limit: float | None) -> Any:
        """Hand the job to Ray; what stands for its result."""
        needs = _needs(self.job)
        task = ray.remote(_work).options(
            name=self.job.name,
            num_cpus=needs["CPU"],
            num_gpus=needs["GPU"],
            memory=needs["memory"] or None,
            max_retries=0,
        )
        packed = worker.pack(setting, self.job.function, self.job.argument)
        return task.remote(self.job.name, packed, str(self.job.log), str(Path.cwd()), time_limit)

    def outcome(self, reference: Any) -> Outcome:
        """How it ended."""
        try:
            status, seconds, value, error = ray.get(reference)
        except exceptions.RayError as trouble:
            ending: Ending = "killed" if isinstance(trouble, LOST) else "failed"
            # What Ray says first is what happened; what follows is where, and what one might read.
            words = " ".join(str(trouble).split()).partition(". ")[0]
            why = f"Ray lost its worker, {type(trouble).__name__}: {words}"
            return Outcome(self.job, ending, time.monotonic() - self.began, error=why)
        returned = pickle.loads(value) if value is not None else None  # noqa: S301 - our own worker wrote it
        return Outcome(self.job, status, seconds, value=returned, error=error)


def _work(
    name: str, packed: bytes, log: str, folder: str, time_limit: float | None
) -> tuple[Ending, float, bytes | None, str | None]:
    """What a Ray task does: make the call in a process of its own; status, seconds, pickled value and error."""
    try:
        os.chdir(folder)  # to which the log, the run folder and files of bars may be relative
        Path(log).touch()
    except OSError as error:
        why = (
            f"{socket.gethostname()} cannot write {log} in {folder}: {error.strerror}; the machines of a Ray cluster "
            "must share the folder that jobs are started in, and that of the runs"
        )
        return "failed", 0.0, None, why
    job = Job(name, worker.call, packed, Path(log))
    (outcome,) = Processes().run([job], at_once=1, time_limit=time_limit)
    return outcome.status, outcome.seconds, outcome.value, outcome.error


def _path() -> list[str]:
    """`sys.path` without the libraries, such as another psutil, that Ray puts in front of ours."""
    inside = Path(ray.__file__).parent
    return [entry for entry in sys.path if not Path(entry).is_relative_to(inside)]


def _needs(job: Job) -> dict[str, int]:
    """What a job takes of a machine, by Ray's names."""
    return {"CPU": job.threads, "GPU": int(job.gpu), "memory": job.bytes_needed}


def _largest(jobs: Sequence[Job]) -> dict[str, int]:
    return {name: max(_needs(job)[name] for job in jobs) for name in ("CPU", "GPU", "memory")}


def _fitting(needs: Mapping[str, int], has: Mapping[str, float]) -> int:
    """How many such jobs a machine takes at once."""
    return min(int(has.get(name, 0.0) // needed) for name, needed in needs.items() if needed)


def _in_words(needs: Mapping[str, int]) -> str:
    gpu = " and a GPU" if needs["GPU"] else ""
    return f"{needs['CPU']} CPU, {needs['memory'] / 2**30:.1f} GiB{gpu}"


def _stop(references: Sequence[Any]) -> None:
    """Let workers keep what they have, as after Ctrl-C, and end those that will not."""
    if not references:
        return
    left = list(references)
    try:
        for reference in left:
            ray.cancel(reference)
        # A little more than the process within the task is given.
        _, left = ray.wait(left, num_returns=len(left), timeout=GRACE_SECONDS + 5.0)
    finally:  # also when Ctrl-C is pressed again
        for reference in left:
            ray.cancel(reference, force=True)
