"""Jobs in processes of this machine, one fresh process a job.

A pool, be it `concurrent.futures` or loky, hands many jobs to one process. Where that process is killed the pool is
broken and takes the other jobs along, no single job can be stopped for its time, and the output of all is one. A
training takes minutes and the start of a process two seconds, so each job has a process to itself here: it can be
killed alone, its output is its log, and it begins in the same state whichever jobs were run before it or beside it.
The process is a plain interpreter and not a child of `multiprocessing`, which would run the caller's script again.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from dltrader.envs.memory import free_bytes
from dltrader.errors import ConfigError
from dltrader.files import write_bytes
from dltrader.workflows import worker
from dltrader.workflows.jobs import Ending, Job, Outcome

LOOK_EVERY_SECONDS = 0.05
GRACE_SECONDS = 15.0
"""How long a worker may take to keep what it has when all are stopped."""
DUMP_SECONDS = 0.3
"""How long a worker may take to write down where it hangs before it is killed."""

QUIET = {
    # One thread each: the processes are what runs side by side.
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "PYTHONUNBUFFERED": "1",  # a process that is killed has no time to write out what it printed
    "PYTHONFAULTHANDLER": "1",
}


class Processes:
    """The executor that runs every job in a process of its own."""

    def require(self, jobs: Sequence[Job], at_once: int) -> None:
        """Check that the largest jobs fit into memory together.

        One job is never refused: it is what a plain call would be, and says itself what it has no room for.

        Raises:
            ConfigError: They do not fit.
        """
        largest = sorted((job.bytes_needed for job in jobs), reverse=True)[:at_once]
        together, free = list(accumulate(largest)), free_bytes()
        fitting = max(1, sum(needed <= free for needed in together))
        if len(largest) > fitting:
            raise ConfigError(
                f"{len(largest)} jobs at once take about {together[-1] / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB "
                f"are free; at most --jobs {fitting} fits"
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

        Closed, or interrupted by Ctrl-C, it asks the workers to come to an end, as Ctrl-C would, and then kills them.
        """
        setting = worker.Setting(path=sys.path, argv=sys.argv, plugins=plugins)
        waiting, running = deque(enumerate(jobs)), list[_Process]()
        with tempfile.TemporaryDirectory(prefix="dltrader-") as folder:
            try:
                while waiting or running:
                    while waiting and len(running) < at_once:
                        number, job = waiting.popleft()
                        running.append(_Process.start(job, Path(folder, str(number)), setting))
                        if started is not None:
                            started(job)
                    time.sleep(LOOK_EVERY_SECONDS)
                    for process in running[:]:
                        outcome = process.look(time_limit)
                        if outcome is not None:
                            running.remove(process)
                            yield outcome
            finally:
                _stop(running)


@dataclass
class _Process:
    """A job that is running."""

    job: Job
    folder: Path
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, job: Job, folder: Path, setting: worker.Setting) -> _Process:
        folder.mkdir()
        write_bytes(folder / worker.CALL, worker.pack(setting, job.function, job.argument))
        with job.log.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own file, in this very interpreter
                # -P: the folder that one works in must not hide the standard library's modules.
                [sys.executable, "-P", "-m", worker.__name__, str(folder)],
                stdin=subprocess.PIPE,  # never written to; that it ends tells the worker that we have
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | QUIET,
                start_new_session=True,  # so that Ctrl-C reaches a worker once, from us, and not from the terminal too
            )
        return cls(job, folder, process)

    def look(self, time_limit: float | None) -> Outcome | None:
        """The outcome, if the job has ended or had its time."""
        seconds = time.monotonic() - self.began
        code = self.process.poll()
        if code is None:
            if time_limit is None or seconds <= time_limit:
                return None
            self.kill(dump=True)
            return Outcome(self.job, "timed out", seconds, error=f"it took longer than {time_limit:g} seconds")
        self.kill()  # whatever it started must not outlive it
        value, error = self.folder / worker.VALUE, self.folder / worker.ERROR
        if value.is_file():
            returned: Any = pickle.loads(value.read_bytes())  # noqa: S301 - our own worker wrote it
            return Outcome(self.job, "finished", seconds, value=returned)
        if error.is_file():
            return Outcome(self.job, "failed", seconds, error=error.read_text(encoding="utf-8"))
        status, why = _ended(code)
        return Outcome(self.job, status, seconds, error=why)

    def kill(self, *, dump: bool = False) -> None:
        """End the process, and those that it has started, whatever they are doing."""
        if dump and hasattr(signal, "SIGUSR1"):
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(DUMP_SECONDS)
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # all have ended; macOS says the latter of a zombie
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def _stop(running: Sequence[_Process]) -> None:
    """Let workers keep what they have, as after Ctrl-C, and end those that will not."""
    try:
        if os.name == "posix":  # elsewhere such a signal ends a process at once
            for each in running:
                each.process.send_signal(signal.SIGINT)
            until = time.monotonic() + GRACE_SECONDS
            while time.monotonic() < until and any(each.process.poll() is None for each in running):
                time.sleep(LOOK_EVERY_SECONDS)
    finally:  # also when Ctrl-C is pressed again
        for each in running:
            each.kill()


def _ended(code: int) -> tuple[Ending, str]:
    """How a process ended that left neither a value nor an error."""
    if code >= 0:
        return "failed", f"its process ended with exit code {code} before the call returned"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return "killed", f"its process was killed by {name}{hint}"
