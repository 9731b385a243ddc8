"""A progress line for trainings: bars done, bars per second, mean episode growth, time left. Works in Jupyter too."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from dltrader.agents.learning import Rollout


class TrainingProgress:
    """Shows how a training goes while the `with` block runs.

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

    def __enter__(self) -> Self:
        """Start showing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()

    def show(self, rollout: Rollout) -> None:
        """Show the state after a rollout."""
        growth = rollout.episode_growth
        fields: dict[str, Any] = {"speed": f"{rollout.bars_per_second:,.0f} bars/s"}
        if not math.isnan(growth):
            fields["growth"] = f"growth {growth:+.3f}"
        self._progress.update(self._task, completed=rollout.steps, **fields)
