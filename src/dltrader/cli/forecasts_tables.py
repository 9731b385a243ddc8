"""What `dltrader bench forecasts` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from dltrader.plotting.text import plural

if TYPE_CHECKING:
    from dltrader.benchmarks.forecasts.standings import Measured


def print_forecasts(found: Sequence[Measured]) -> None:
    """A table a setting, and in words what it says of the ensemble and of what was asked."""
    console = Console(highlight=False)
    for number, one in enumerate(found):
        if number:
            console.print()
        seeds = plural(len(one.standings[0].loss), "seed")
        console.print(
            f"{one.setting}: log loss in nats on {one.unseen:,} unseen bars, after {one.learned:,} to learn from; "
            f"{seeds}, {one.seconds:.0f} s each",
            soft_wrap=True,
            markup=False,
        )
        (_print_known if one.is_known else _print_unknown)(console, one)


def _print_known(console: Console, found: Measured) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for heading in ("target", "base", "loss", "best", "exact", "share", "ECE", "best", "asked"):
        table.add_column(heading, justify="left" if heading == "target" else "right", no_wrap=True)
    for standing in found.standings:
        table.add_row(
            standing.model,
            standing.target,
            *(f"{_mean(losses):.4f}" for losses in (standing.base, standing.loss, standing.best)),
            f"{standing.expected:.4f}",
            f"{standing.share:.1%}",
            f"{standing.calibration_error:.3f}",
            f"{_mean(standing.best_calibration_errors):.3f}",
            "yes" if standing.is_as_asked else "no",
        )
    console.print(table)
    console.print(
        "base: of who says how often each class came; best: of who knows what was planted, on the same bars; "
        "exact: what that comes to in the long run; ECE: error of calibration over ten bins, and that of the best",
        soft_wrap=True,
        markup=False,
    )
    weights = ", ".join(f"{model} {weight:.2f}" for model, weight in found.weights.items())
    verdict = "no worse" if found.is_no_worse else "worse"
    console.print(
        f"ensemble: {found.excess:+.5f} against its best member {found.best_member}, {verdict}; weights: {weights}",
        soft_wrap=True,
        markup=False,
    )


def _print_unknown(console: Console, found: Measured) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for heading in ("target", "base", "loss", "gain", "beat it", "chance", "asked"):
        table.add_column(heading, justify="left" if heading == "target" else "right", no_wrap=True)
    for standing in found.standings:
        error = "" if math.isnan(standing.gain_error) else f" \N{PLUS-MINUS SIGN} {standing.gain_error:.4f}"
        table.add_row(
            standing.model,
            standing.target,
            f"{_mean(standing.base):.4f}",
            f"{_mean(standing.loss):.4f}",
            f"{standing.gain:+.4f}{error}",
            f"{standing.winners} of {len(standing.p_values)}",
            f"{standing.winners_chance:.0%}",
            "yes" if standing.is_as_asked else "no",
        )
    console.print(table)
    console.print(
        "base: of who says how often each class came; beat it: significantly at 5 %, on so many shuffles; "
        "chance: of so many or more where nothing can be learned",
        soft_wrap=True,
        markup=False,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
