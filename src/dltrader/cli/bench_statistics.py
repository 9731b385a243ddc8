"""`dltrader bench statistics`: statistics that are told the truth beforehand, and say it or do not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dltrader.cli.bench import require_writable, writing


def statistics(
    *,
    simulations: Annotated[int, typer.Option(min=2, help="Independent ones behind every row.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of all simulations.")] = 0,
    json: Annotated[Path | None, typer.Option("--json", help="Write what was measured here.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """How often deflated Sharpe ratios, bootstrap intervals and the probability of overfitting are right.

    They are computed on simulated returns whose truth is known. About two minutes on one core. The exit code is 1 if a
    row is significantly not as asked.
    """
    from rich.console import Console
    from rich.progress import Progress

    from dltrader.benchmarks.statistics.coverage import measure_coverage, simulations_of
    from dltrader.cli.statistics_tables import print_coverage
    from dltrader.files import write_json

    if json is not None:
        require_writable(json)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("simulations", total=simulations_of(simulations))
        found = measure_coverage(simulations=simulations, seed=seed, watch=lambda: progress.advance(task))
    print_coverage(found)
    if json is not None:
        with writing(json):
            write_json(json, found.to_mapping())
    if not found.as_asked:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Make it a command."""
    app.command(
        epilog="Examples:  dltrader bench statistics   |   dltrader bench statistics --simulations 2000 --seed 1"
    )(statistics)
