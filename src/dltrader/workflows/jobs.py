"""Jobs: calls that are made elsewhere, so that many are made at once and none can harm another.

- *job*: one call of a function that can be imported, with one argument that can be pickled, and a log.
- *executor*: what makes the calls: processes of this machine (`processes.py`), or whatever else keeps to the protocol.
- *outcome*: how a job ended. A job that fails is an outcome too; an executor raises only what stops all of its jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Ending = Literal["finished", "failed", "killed", "timed out"]


@dataclass(frozen=True)
class Job:
    """A call to be made.

    Attributes:
        name: What people call it; no two jobs have the same.
        function: What is called: something at the top of a module that can be imported.
        argument: What it is called with.
        log: The file that takes what is printed meanwhile; its folder is there.
        bytes_needed: Memory that it takes, about.
        threads: Threads that it computes with.
        gpu: Whether it computes on a GPU.
    """

    name: str
    function: Callable[[Any], Any]
    argument: Any
    log: Path
    bytes_needed: int = 0
    threads: int = 1
    gpu: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: The job.
        status: `finished`: the function returned; `failed`: it raised, or left the process by itself; `killed`: a
            signal from outside ended it; `timed out`: we ended it, because it took longer than it may.
        seconds: From its start to its end, imports included.
        value: What the function returned.
        error: One line that says why it did not return.
    """

    job: Job
    status: Ending
    seconds: float
    value: Any = None
    error: str | None = None


class Executor(Protocol):
    """What makes the calls."""

    def require(self, jobs: Sequence[Job], at_once: int) -> None:
        """Raise a ConfigError where so many cannot be run at once; nothing has been started yet."""

    def run(
        self,
        jobs: Sequence[Job],
        *,
        at_once: int,
        time_limit: float | None,
        plugins: Sequence[str],
        started: Callable[[Job], None] | None,
    ) -> Generator[Outcome, None, None]:
        """Make the calls and yield each outcome when it is there; closing the generator stops what is running.

        Args:
            jobs: What is called, in the order in which the jobs begin.
            at_once: How many run at a time.
            time_limit: Seconds that one may take; None: as long as it likes.
            plugins: Modules that are imported before a call.
            started: Told of every job when it begins.
        """
