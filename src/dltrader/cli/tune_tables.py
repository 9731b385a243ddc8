"""What `dltrader tune` prints: a row for each trial, the best marked, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from dltrader.cli.many_tables import DASH

if TYPE_CHECKING:
    from dltrader.workflows.tune import Tuned


def print_tuned(tuned: Tuned) -> None:
    """A row for each trial with the values it was drawn, how it ended and its score; the best with a star."""
    space, best = tuned.search.space, tuned.best
    table = Table(title="trials", title_justify="left")
    table.add_column("trial", justify="right")
    table.add_column("state")
    table.add_column("validation growth", justify="right")
    table.add_column("drawn")  # all in one, because eight columns more would be a letter wide each
    names = {key: _short(key, list(space.dimensions)) for key in space.dimensions}
    for trial in tuned.trials:
        mark = "* " if best is not None and trial.number == best.number else ""
        growth = DASH if trial.validation_growth is None else f"{trial.validation_growth:+.4f}"
        drawn = ", ".join(f"{name}={_value(trial.drawn[key])}" for key, name in names.items())
        table.add_row(f"{mark}{trial.number}", trial.state, growth, drawn)
    console = Console(highlight=False, markup=False)
    console.print(table)
    for trial in tuned.trials:
        if trial.error:
            console.print(f"trial {trial.number} failed: {trial.error}", soft_wrap=True)
    if tuned.interrupted:
        console.print("interrupted; the same command goes on", soft_wrap=True)
    if best is not None:
        _print_best(console, tuned)


def _print_best(console: Console, tuned: Tuned) -> None:
    assert tuned.best is not None
    values = ", ".join(f"{key}={_value(value)}" for key, value in tuned.values(tuned.best).items())
    console.print(f"best: trial {tuned.best.number}, {values}", soft_wrap=True)
    console.print(
        f"the best of {len(tuned.trials)} scores flatters itself; the test bars tell what it is worth, once",
        soft_wrap=True,
    )
    console.print(f"next: dltrader train {tuned.path / 'best.yaml'}", soft_wrap=True)


def _short(key: str, keys: list[str]) -> str:
    """The last word of a key, or more where others end in the same."""
    words = key.split(".")
    for n in range(1, len(words)):
        short = ".".join(words[-n:])
        if sum(f".{other}".endswith(f".{short}") for other in keys) == 1:
            return short
    return key


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
