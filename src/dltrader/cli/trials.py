"""`dltrader trials`: what has been tried, on which data, and how often."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dltrader.runs.ledger import Ledger
    from dltrader.runs.trial import Entry

SHOWN = 30
EXAMPLES = (
    "Examples:  dltrader trials   |   dltrader trials --data sample:AAPL --limit 20   |   "
    "dltrader trials --data 3f9a1c --since 2026-01-01 --json"
)


def trials(
    *,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FINGERPRINT|URI",
            help="Only what stands behind these data: a source URI, or the first digits of a fingerprint.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Show only what was entered from this date on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Show only the last so many.", show_default=f"{SHOWN}, all with --json")
    ] = None,
) -> None:
    """List the trainings and backtests in the trial ledger, and count the trials behind data.

    A trial is a configuration, trained with a seed on certain bars. --since and --limit bound what is shown, not what
    is counted.
    """
    from dltrader.runs.ledger import Ledger

    ledger = Ledger.open()
    if ledger.off:
        typer.echo(
            json.dumps({"trials": None, "trials_unknown": ledger.unknown, "entries": []})
            if as_json
            else f"trials: unknown, {ledger.unknown}"
        )
        return
    found = ledger.entries(data, since=since, limit=limit or (None if as_json else SHOWN))
    count = ledger.count(data)
    if as_json:
        entries = [_plain(entry) for entry in found]
        typer.echo(json.dumps({"trials": count, "trials_unknown": ledger.unknown, "entries": entries}, indent=2))
    else:
        _print(ledger, found, count, data)


def _plain(entry: Entry) -> dict[str, Any]:
    """An entry as JSON holds it."""
    from dltrader.runs.trial import row_of

    row = row_of(entry)
    return row | {"uris": dict(entry.data.uris), "markets": entry.data.markets, "scores": entry.scores.to_mapping()}


def _print(ledger: Ledger, found: list[Entry], count: int | None, data: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="trial ledger", title_justify="left")
    for heading in ("entered", "what", "name", "config", "seed", "bars"):
        table.add_column(heading, overflow="fold")
    for heading in ("valid", "growth", "sharpe"):
        table.add_column(heading, justify="right", overflow="fold")
    for entry in found:
        scores = entry.scores
        annual = None
        if scores.sharpe is not None and scores.periods_per_year is not None:
            annual = scores.sharpe * math.sqrt(scores.periods_per_year)
        remarks = [entry.kind, "a look" if entry.looked else "", "" if entry.status == "finished" else entry.status]
        table.add_row(
            entry.time[:10],
            ", ".join(filter(None, remarks)),
            entry.experiment,
            entry.config_id[:8],
            str(entry.seed),
            ", ".join(entry.data.uris.values()) or entry.data.sha256[:8],
            *("" if value is None else f"{value:+.3f}" for value in (scores.validation_growth, scores.growth, annual)),
        )
    console = Console(highlight=False, markup=False)
    console.print(table)
    behind = f" behind {data}" if data is not None else ""
    console.print(f"{count:,} distinct trial(s){behind}; {len(found):,} row(s) shown, of {ledger.name}", soft_wrap=True)
