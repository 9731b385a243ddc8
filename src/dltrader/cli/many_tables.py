"""What `dltrader train` prints of several trainings: a row for each, and one for each configuration's seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from dltrader.workflows.many import Trained

DASH = "\N{EN DASH}"


def print_trained(trained: Sequence[Trained]) -> None:
    """A row for each training, a row for each configuration with several seeds; collapses, and logs of what failed."""
    table = Table(title="trainings", title_justify="left")
    for heading in ("run", "status", "seconds", "validation growth"):
        table.add_column(heading, justify="left" if heading in {"run", "status"} else "right", overflow="fold")
    for each in trained:
        seconds = DASH if math.isnan(each.seconds) else f"{each.seconds:.0f}"
        growth = DASH if each.validation_growth is None else f"{each.validation_growth:+.4f}"
        table.add_row(str(each.path), each.status, seconds, growth)
    table.add_section()
    for name in dict.fromkeys(each.name for each in trained):
        of_it = [each for each in trained if each.name == name]
        if len(of_it) > 1:
            table.add_row(name, *_over_seeds(of_it))
    console = Console(highlight=False, markup=False)
    console.print(table)
    for each in trained:
        if each.behaviour is not None:
            console.print(f"{each.path}: on the validation bars the best policy {each.behaviour}", soft_wrap=True)
    for each in trained:
        if each.status not in {"finished", "interrupted"}:
            _print_trouble(console, each)
    console.print(f"next: dltrader runs {trained[0].path.parent}", soft_wrap=True)


def _over_seeds(trained: Sequence[Trained]) -> tuple[str, str, str]:
    """How many seeds finished, their mean time, and mean and standard deviation of their best growth."""
    finished = [each for each in trained if each.status == "finished"]
    growths = [each.validation_growth for each in finished if each.validation_growth is not None]
    seconds = f"{fmean(each.seconds for each in finished):.0f}" if finished else DASH
    growth = f"{fmean(growths):+.4f}" if growths else DASH
    if len(growths) > 1:
        growth += f" \N{PLUS-MINUS SIGN} {stdev(growths):.4f}"
    return f"{len(finished)} of {len(trained)} seeds", seconds, growth


def _print_trouble(console: Console, trained: Trained) -> None:
    why = f": {trained.error}" if trained.error else ""
    console.print(f"\n{trained.path}: {trained.status}{why}", style="bold", soft_wrap=True)
    tail = trained.tail
    if tail:
        console.print(f"the end of {trained.log}:", soft_wrap=True)
        console.print("\n".join(f"  {line}" for line in tail.splitlines()), soft_wrap=True)
