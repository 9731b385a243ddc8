"""`dltrader check`: look for leaks."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from dltrader.config import parse_overrides

if TYPE_CHECKING:
    from dltrader.evaluation.leaks import LeakReport

EXAMPLES = (
    "Examples:  dltrader check ppo_attention   |   dltrader check mine.yaml data.bars=csv:prices.csv --every 5   |   "
    "dltrader check runs/demo --sample 500 --json"
)


def check(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG|RUN", help="A YAML file, the name of a shipped configuration, or a run.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Dotted keys with new values.")
    ] = None,
    *,
    every: Annotated[int | None, typer.Option(metavar="N", help="Look at every N-th bar.")] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", help="Look at about N bars; by default at all, of a long series at 5000.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is put in place of bars, and of samples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Alter and remove later bars, and tell what knew them: features, observations, cut, rewards, actions or fills.

    Of an ensemble also labels, the borders of its folds, and the votes of its members.

    The exit code is 0 where nothing leaks, 1 where something does or could not be looked at, 2 after an error.
    """
    from dltrader.workflows.check import check_leaks

    report = check_leaks(config, parse_overrides(overrides or []), every=every, sample=sample, seed=seed)
    if as_json:
        typer.echo(json.dumps(report.to_mapping(), indent=2))
    else:
        print_report(report)
    if not report.ok:
        raise typer.Exit(1)


def print_report(report: LeakReport) -> None:
    """What was looked at, and what was found."""
    from rich.console import Console
    from rich.table import Table

    from dltrader.data.times import written

    console = Console(soft_wrap=True, highlight=False)
    looked = Table(title=f"{report.name}, checked for leaks", title_justify="left")
    for heading in ("stage", "what was done", "looked at", "of"):
        looked.add_column(heading, justify="right" if heading in {"looked at", "of"} else "left")
    for each in report.checked:
        looked.add_row(each.stage, each.what, f"{each.bars:,}", f"{each.of:,}")
    console.print(looked)
    if report.findings:
        found = Table(title="leaks", title_justify="left")
        for heading in ("stage", "what", "first bar", "difference", "relative", "why"):
            found.add_column(heading, overflow="fold")
        for finding in report.findings:
            found.add_row(
                finding.stage,
                finding.feature,
                "" if finding.time is None else written(finding.time),
                _size(finding.difference),
                _size(finding.relative),
                finding.reason,
            )
        console.print(found)
    for reason in report.skipped:
        console.print(f"not looked at: {reason}", style="bold")
    outcome = "no leak" if report.ok else f"{len(report.findings)} leak(s), {len(report.skipped)} part(s) not looked at"
    console.print(f"{outcome}; {report.seconds:.1f} seconds", style="bold")


def _size(value: float) -> str:
    """A size as people read it; nothing where there is none."""
    if math.isnan(value):
        return "\N{EN DASH}"
    return "missing" if math.isinf(value) else f"{value:.3g}"
