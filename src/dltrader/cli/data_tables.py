"""What `dltrader data` prints beside the bars themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dltrader.data.findings import LEVELS
from dltrader.data.times import written

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.data import Findings

_STYLES = {"problem": "bold red", "look": ""}


def print_origin(bars: pd.DataFrame) -> None:
    """Who delivered bars, when, and what they are adjusted for; nothing for bars of this machine."""
    about = bars.attrs
    if {"provider", "fetched_at", "adjusted"} <= about.keys():
        console = Console(soft_wrap=True, highlight=False)
        console.print(f"from {about['provider']}, fetched {about['fetched_at']}, adjusted for {about['adjusted']}")


def print_findings(uri: str, findings: Findings, rows: int) -> None:
    """What a check found, gravest first, and a line that sums it up."""
    console = Console(highlight=False)
    gravest = sorted(findings.found, key=lambda one: LEVELS.index(one.level))
    if gravest:
        table = Table("", "what", "when", "found", title=uri, title_justify="left")
        for one in gravest[:rows]:
            when = written(one.first) if one.first == one.last else f"{written(one.first)} to {written(one.last)}"
            table.add_row(one.level, one.kind, when, one.text, style=_STYLES[one.level])
        console.print(table)
    more = f"; {len(gravest) - rows} not shown, --rows shows more" if len(gravest) > rows else ""
    against = f"against {findings.calendar}" if findings.calendar else "without a calendar"
    problems, found = len(findings.problems), len(findings.found)
    counts = f"{_count(problems, 'problem')} and {_count(found - problems, 'thing')} to look at"
    console.print(f"{uri}: {findings.bars:,} bars, checked {against}: {counts}{more}", soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
