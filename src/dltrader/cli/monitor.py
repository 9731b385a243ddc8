"""`dltrader monitor`: what became of logged predictions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dltrader.evaluation.monitoring.monitoring import Monitoring

EXAMPLES = (
    "Examples:  dltrader monitor runs/ensemble --bars csv:prices.csv   |   "
    "dltrader monitor log.jsonl --bars yahoo:SPY --run runs/ensemble --out monitoring"
)


def monitor_predictions(
    log: Annotated[Path, typer.Argument(metavar="LOG|RUN", help="A prediction log, or a run folder that has one.")],
    *,
    bars: Annotated[str, typer.Option("--bars", metavar="URI", help="The bars that were predicted, and later ones.")],
    run: Annotated[
        Path | None,
        typer.Option(help="The run that predicted: it knows its labels, and how features were spread in training."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For numbers, table and picture; by default beside the log.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Of a log on several instruments, the one.")] = None,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, metavar="BARS", help="Bars ahead to judge by; by default as the models learned."),
    ] = None,
    window: Annotated[int, typer.Option(min=1, help="Predictions that the rolling numbers look back on.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Join logged predictions with what happened: hit rate, calibration, Brier score, drift of features, a verdict.

    The exit code is 0 where nothing is wrong, 1 where something is, 2 after an error.
    """
    from dltrader.files import json_text
    from dltrader.workflows.monitor import beside, monitor

    folder = out or beside(log)
    found = monitor(log, bars, run=run, symbol=symbol, horizon=horizon, window=window, out=folder)
    if as_json:
        typer.echo(json_text(found.to_mapping()), nl=False)
    else:
        print_monitoring(found)
        typer.echo(f"written to {folder}")
    if not found.ok:
        raise typer.Exit(1)


def print_monitoring(found: Monitoring) -> None:
    """The verdict, then the numbers that it was made of."""
    from rich.console import Console
    from rich.table import Table

    from dltrader.evaluation.forecast_scores import ENSEMBLE
    from dltrader.evaluation.formats import count, percent

    console = Console(soft_wrap=True, highlight=False, markup=False)
    for finding in found.findings:
        console.print(f"{'!' if finding.wrong else ' '} {finding.sentence}", style="bold" if finding.wrong else None)
    table = Table(title=f"{found.symbol}, {found.labels.horizon_bars} bars ahead", title_justify="left")
    for heading in ("", "bars", "came true", "said", "Brier", "base rate's", "ECE"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in found.scores.to_dict("records"):
        numbers = [_number(row[name]) for name in ("brier", "base_brier", "calibration_error")]
        name = str(row["question"] if row["model"] == ENSEMBLE else f"{row['model']} {row['question']}").replace(
            "_", " "
        )
        table.add_row(name, count(row["bars"]), percent(row["hit_rate"]), percent(row["said"]), *numbers)
    console.print(table)


def _number(value: float) -> str:
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.3f}"
