"""`dltrader bench predict`: what answers cost."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dltrader.cli.bench import require_writable, writing

if TYPE_CHECKING:
    from dltrader.benchmarks.predictions.measure import Predictions


def predict(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run folder; by default an ensemble of an LSTM, two LightGBM models and a PPO of their usual sizes "
            "is made for it.",
            show_default=False,
        ),
    ] = None,
    *,
    answers: Annotated[int, typer.Option(min=2, help="Snapshots of each form whose answers are timed.")] = 300,
    snapshots: Annotated[int, typer.Option(min=10, help="Snapshots that one process answers.")] = 10_000,
    json: Annotated[Path | None, typer.Option("--json", help="Write what was measured here.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """How long an answer takes with the models loaded, how long the first one, and whether memory grows.

    On one thread, about three minutes. The exit code is 1 if a row is not as asked.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from dltrader.benchmarks.predictions.ensemble import usual_ensemble
    from dltrader.benchmarks.predictions.measure import measure_predictions
    from dltrader.files import write_json
    from dltrader.runs import Run

    if json is not None:
        require_writable(json)
    console = Console(stderr=True)
    line = TextColumn("measuring {task.description} ...")
    # No thread refreshes the line: it would run beside what is measured.
    hidden = quiet or not console.is_terminal
    with (
        ExitStack() as stack,
        Progress(line, console=console, transient=True, disable=hidden, auto_refresh=False) as progress,
    ):
        task = progress.add_task("nothing yet: the ensemble is trained", total=None)
        progress.refresh()
        if run is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            opened: Run = usual_ensemble(folder / "usual")
        else:
            opened = Run.open(run)
        found = measure_predictions(
            opened,
            answers=answers,
            snapshots=snapshots,
            watch=lambda what: progress.update(task, description=what, refresh=True),
        )
    print_predictions(found)
    if json is not None:
        with writing(json):
            write_json(json, found.to_mapping())
    if not all(found.as_asked.values()):
        raise typer.Exit(1)


def print_predictions(found: Predictions) -> None:
    """Asked beside measured, and where the time of an answer goes."""
    from rich.console import Console
    from rich.table import Table

    from dltrader.benchmarks.predictions.measure import MOST_COLD_SECONDS, MOST_GROWTH, MOST_SECONDS

    table = Table(title=f"answers of {', '.join(found.models)}", title_justify="left")
    for heading in ("", "asked", "measured", "95 % within", "of it computing", ""):
        table.add_column(heading, justify="right" if heading else "left")

    for form, latency in found.latency.items():
        numbers = (f"{1e3 * seconds:.2f} ms" for seconds in (latency.median, latency.most, latency.processor))
        asked = f"{1e3 * MOST_SECONDS:g} ms" if form in found.as_asked else ""
        table.add_row(f"snapshot of {form}, median", asked, *numbers, _mark(found, form))
    cold = f"{MOST_COLD_SECONDS:g} s", f"{found.cold_start:.2f} s"
    table.add_row("first answer of a process", *cold, "", "", _mark(found, "cold_start"))
    growth = f"{100 * MOST_GROWTH:g} %", f"{100 * found.growth:+.1f} %"
    table.add_row("memory from a tenth of the snapshots on", *growth, "", "", _mark(found, "memory"))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    each = ", ".join(f"{name} {1e3 * seconds:.2f} ms" for name, seconds in found.members.items())
    count, size = list(found.memory.items())[-1]
    console.print(f"of an answer the votes take: {each}")
    console.print(f"after {count:,} snapshots the process holds {size / 2**20:,.0f} MB")
    machine = found.machine
    console.print(
        f"{found.answers:,} answers of each form, one thread, {machine['processor']}, {machine['cores']} cores, "
        f"Python {machine['python']}"
    )


def _mark(found: Predictions, what: str) -> str:
    return "" if what not in found.as_asked else "yes" if found.as_asked[what] else "no"


def add_to(app: typer.Typer) -> None:
    """Make it a command."""
    app.command(
        epilog="Examples:  dltrader bench predict   |   dltrader bench predict runs/ensemble --json costs.json"
    )(predict)
