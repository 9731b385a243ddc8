"""What `dltrader bench planted` and `dltrader bench placebo` print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from dltrader.benchmarks.planted.placebo import Placebo
    from dltrader.benchmarks.planted.recovery import Recovery

DASH = "\N{EN DASH}"


def print_recoveries(recoveries: Sequence[Recovery]) -> None:
    """Market by strength: what could be recovered, what was, and the share with its interval."""
    first = recoveries[0]
    table = Table(title="log growth out of sample, mean over seeds", title_justify="left")
    table.add_column("bars", overflow="fold")
    for heading in ("asked", "found", "best", "agent", "hold", "share", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for recovery in recoveries:
        low, high = recovery.interval
        table.add_row(
            recovery.market,
            f"{recovery.strength:g}",
            f"{fmean(recovery.measured):.3f}",
            f"{fmean(recovery.recoverable):+.2f}",
            f"{fmean(recovery.reached):+.2f}",
            f"{fmean(recovery.held):+.2f}",
            DASH if math.isnan(recovery.share) else f"{recovery.share:.2f}",
            DASH if math.isnan(low) or len(recovery.reached) < 2 else f"{low:.2f} … {high:.2f}",
        )
    console = Console()
    console.print(table)
    seconds = fmean(recovery.seconds for recovery in recoveries)
    console.print(
        f"{first.agent}, {len(first.reached)} seeds of {first.steps:,} bars, {seconds:.0f} s each\n"
        "asked, found: the strength asked for, and the one that the bars came to have",
        highlight=False,
        soft_wrap=True,
    )


def print_placebo(placebo: Placebo) -> None:
    """How many trainings there were, how many seem to have succeeded, and whether that is too many."""
    low, high = placebo.interval
    error = "" if math.isnan(placebo.growth_error) else f" \N{PLUS-MINUS SIGN} {placebo.growth_error:.3f}"
    lines = [
        f"{placebo.agent} on bars that nobody can predict, from {', '.join(placebo.markets)}",
        f"{placebo.trainings} trainings on {len(placebo.p_values)} shuffles, each of {placebo.steps:,} bars",
        f"in the market on {placebo.in_market:.0%} of the bars, {placebo.fills_per_bar:.2f} fills a bar",
        f"log growth out of sample: {placebo.growth:+.3f}{error}, mean and standard error",
        f"false positives: {placebo.false_positives}, {placebo.rate:.1%} (95 %: {low:.1%} … {high:.1%})",
        "significantly more than 5 %: something looks ahead" if placebo.too_many else "not significantly more than 5 %",
    ]
    console = Console(highlight=False, markup=False)
    for line in lines:
        console.print(line, soft_wrap=True)
