"""Progress lines, for one training and for many jobs. They work in Jupyter too."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from dltrader.agents.learning import Rollout
from dltrader.workflows.jobs import Job, Outcome


class _Line:
    """A progress line that is shown as long as a `with` block runs."""

    _progress: Progress

    def __enter__(self) -> Self:
        """Start showing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()


class TrainingProgress(_Line):
    """Shows how a training goes while the `with` block runs: bars done, their speed, mean episode growth, time left.

    Args:
        title: What is trained.
        total_timesteps: Bars to step.
        console: Where it is shown; by default standard output.
    """

    def __init__(self, title: str, total_timesteps: int, *, console: Console | None = None) -> None:
        # All of it fits into 80 columns, of which the title may take 20.
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", max_width=20)),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[growth]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task(title, total=total_timesteps, speed="", growth="")

    def show(self, rollout: Rollout) -> None:
        """Show the state after a rollout."""
        growth = rollout.episode_growth
        fields: dict[str, Any] = {"speed": f"{rollout.bars_per_second:,.0f} bars/s"}
        if not math.isnan(growth):
            fields["growth"] = f"growth {growth:+.3f}"
        self._progress.update(self._task, completed=rollout.steps, **fields)


class JobsProgress(_Line):
    """Shows how many jobs are done and running while the `with` block runs.

    Args:
        total: Jobs to do.
        what: What they are.
        console: Where it is shown; by default standard output.
    """

    def __init__(self, total: int, *, what: str = "trainings", console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn(what),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("done, {task.fields[running]} running{task.fields[lost]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("", total=total, running=0, lost="")
        self._running = self._done = self._lost = 0

    def started(self, job: Job) -> None:
        """Count a job that has begun."""
        del job  # of a hundred, how many is what one can read
        self._running += 1
        self._show()

    def ended(self, outcome: Outcome) -> None:
        """Count a job that has ended."""
        self._running -= 1
        self._done += 1
        self._lost += outcome.status != "finished"
        self._show()

    def _show(self) -> None:
        lost = f", {self._lost} did not finish" if self._lost else ""
        self._progress.update(self._task, completed=self._done, running=self._running, lost=lost)
