"""Running jobs: through an executor, with a progress line, and nothing goes on however it ends."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

from dltrader.errors import ConfigError, DLTraderError
from dltrader.files import write_text
from dltrader.workflows.jobs import Executor, Job, Outcome
from dltrader.workflows.progress import JobsProgress


def outcomes_of(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    at_once: int,
    time_limit: float | None,
    plugins: Sequence[str],
    bar: JobsProgress | None,
) -> Iterator[Outcome]:
    """Run jobs and yield each outcome when it is there; whatever ends this stops the jobs that are running.

    Args:
        jobs: What is run.
        executor: What runs it.
        at_once: How many run at a time.
        time_limit: Seconds that one may take.
        plugins: Modules to import before one.
        bar: Shows how they go.
    """
    running = executor.run(
        jobs, at_once=at_once, time_limit=time_limit, plugins=plugins, started=bar.started if bar else None
    )
    with closing(running):
        for outcome in running:
            if bar:
                bar.ended(outcome)
            yield outcome


def require_numbers(jobs: int, time_limit: float | None) -> None:
    """Check how many jobs are to run at once, and for how long.

    Raises:
        ConfigError: A number is out of range.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, was {jobs}")
    if time_limit is not None and not time_limit > 0:
        raise ConfigError(f"--time-limit must be above 0 seconds, was {time_limit:g}")


class ThisProcess:
    """The executor that makes the calls where it is, one after the other; plugins are at home here."""

    def require(self, jobs: Sequence[Job], at_once: int) -> None:
        """One at a time fits as it would without an executor."""

    def run(
        self,
        jobs: Sequence[Job],
        *,
        at_once: int,
        time_limit: float | None,
        plugins: Sequence[str],
        started: Callable[[Job], None] | None,
    ) -> Generator[Outcome, None, None]:
        """Make the calls; what they raise is an outcome, and a log keeps where what was not meant was raised."""
        del at_once, time_limit, plugins
        for job in jobs:
            if started is not None:
                started(job)
            began = time.monotonic()
            try:
                value = job.function(job.argument)
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from their turn
                if not isinstance(error, DLTraderError):
                    write_text(job.log, traceback.format_exc())
                why = f"{type(error).__name__}: {' '.join(str(error).split())}"
                yield Outcome(job, "failed", time.monotonic() - began, error=why)
            else:
                yield Outcome(job, "finished", time.monotonic() - began, value=value)
