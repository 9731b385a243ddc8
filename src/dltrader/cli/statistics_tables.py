"""What `dltrader bench statistics` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from dltrader.benchmarks.statistics.coverage import Coverage, Rate

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def print_coverage(coverage: Coverage) -> None:
    """Asked beside measured, row by row, and whether all is as asked."""
    console = Console()
    for title, rates in (
        ("noise that is called significant", coverage.deflated),
        ("95 % bootstrap intervals that hold the true Sharpe ratio", coverage.intervals),
    ):
        table = _table(title, "asked", "measured", "95 %", "")
        for rate in rates:
            found = rate.interval
            ends = f"{found.low:.1%} … {found.high:.1%}"
            table.add_row(rate.what, _asked(rate), f"{found.estimate:.1%}", ends, _mark(as_asked=rate.as_asked))
        console.print(table)
    table = _table("probability of backtest overfitting, mean over simulations", "asked", "measured", "deviation", "")
    for mean in coverage.overfitting:
        numbers = f"{mean.asked:.3g}", f"{mean.mean:.3f}", f"{PLUS_MINUS} {mean.deviation:.3f}"
        table.add_row(mean.what, *numbers, _mark(as_asked=mean.as_asked))
    console.print(table)
    simulations = coverage.overfitting[0].simulations
    said = "all is as asked" if coverage.as_asked else "a row marked no is significantly not as asked"
    console.print(f"{simulations:,} simulations a row, seed {coverage.seed}: {said}", highlight=False, soft_wrap=True)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("simulated", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _asked(rate: Rate) -> str:
    low, high = rate.asked
    if low == high:
        return f"{low:.1%}"
    return f"at most {high:.0%}" if low == 0.0 else f"{low:.0%} … {high:.0%}"


def _mark(*, as_asked: bool) -> str:
    return "yes" if as_asked else "no"
