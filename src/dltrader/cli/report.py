"""`dltrader report` and `dltrader compare`: what was found, as pages that are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dltrader.cli.executors import plugins_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dltrader.reports.comparison import Compared
    from dltrader.workflows.report import Report

EXAMPLES = "Examples:  dltrader report runs/demo   |   dltrader report runs/walk --out report.html"
COMPARE_EXAMPLES = "Example:  dltrader compare runs/mlp runs/lstm --out comparison.html"

Seeds = Annotated[int | None, typer.Option(min=1, help="Evaluate with so many seeds, what has not been with as many.")]
Jobs = Annotated[int, typer.Option(min=1, help="Of several trainings, how many run at once.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress line.")]


def report(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A run, a folder of runs, a walk-forward or an evaluation.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; by default report/report.html in the folder.")
    ] = None,
    seeds: Seeds = None,
    jobs: Jobs = 1,
    market: Annotated[str | None, typer.Option(help="Of a run on several markets, the one.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Evaluate anew what has been evaluated.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write one self-contained HTML page, its Markdown twin, and every number as JSON.

    What has not been evaluated yet is evaluated first, as `dltrader evaluate` does.
    """
    from dltrader.workflows.report import report as write_report

    made = write_report(
        folder,
        out=out,
        again=again,
        seeds=seeds,
        jobs=jobs,
        market=market,
        plugins=plugins_of(context),
        progress=not quiet,
    )
    print_report(made)


def print_report(made: Report) -> None:
    """Its verdict, and where its files lie."""
    for sentence in made.verdict:
        typer.echo(sentence)
    for path in (made.html, made.markdown, made.numbers):
        typer.echo(path)


def compare(
    context: typer.Context,
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="Runs, folders of runs or walk-forwards.")],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="The page.")] = Path("comparison.html"),
    seeds: Seeds = None,
    jobs: Jobs = 1,
    quiet: Quiet = False,
) -> None:
    """Put runs side by side: metrics with intervals, equity in one chart, where configurations differ.

    Runs that were tested on other bars or at other costs are flagged.
    """
    from dltrader.workflows.report import compare as write_comparison

    compared, made = write_comparison(
        folders, out=out, seeds=seeds, jobs=jobs, plugins=plugins_of(context), progress=not quiet
    )
    print_compared(compared)
    typer.echo(made.html)


def print_compared(runs: Sequence[Compared]) -> None:
    """The metrics of all runs, and what is not alike."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dltrader.evaluation.formats import FORMATS, label_of
    from dltrader.reports.comparison import METRICS, warnings_of
    from dltrader.reports.sections.parts import kind

    table = Table("", title="interquartile means over seeds", title_justify="left")
    for run in runs:
        table.add_column(escape(run.label), justify="right")
    for name in METRICS:
        form = FORMATS[kind(name)]
        found = [run.evaluation.summary.get(name, {}) for run in runs]
        cells = [form(float("nan") if one.get("estimate") is None else one["estimate"]) for one in found]
        ends = [f" [{form(one['low'])}, {form(one['high'])}]" if one.get("low") is not None else "" for one in found]
        table.add_row(label_of(name).lower(), *(escape(cell + end) for cell, end in zip(cells, ends, strict=True)))
    console = Console(soft_wrap=False, highlight=False)
    console.print(table)
    for warning in warnings_of(runs):
        console.print(escape(warning), style="bold", soft_wrap=True)
