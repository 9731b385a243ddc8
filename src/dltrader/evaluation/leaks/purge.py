"""Labels at the borders of training, validation and test: none may tell of bars on both sides.

A label of a training or validation row may reach into bars that were left out, but not into those that it is scored on
afterwards; and no label of these may reach past a training row that comes behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from dltrader.data.times import written
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from dltrader.evaluation.leaks.cut import Span
from dltrader.evaluation.leaks.report import Checked, Finding, Part
from dltrader.evaluation.leaks.tables import Change, Frames, Table, compare


@dataclass(frozen=True)
class Purge:
    """Rows that a training uses, and what it must not know by their labels.

    Attributes:
        name: That of the fold, as findings call it.
        labels: Bars -> a table with a row for every bar that has its labels.
        rows: Part, such as training or validation -> the times of its rows.
        held_out: Part -> the bars that are later scored, which none of its labels may tell of.
    """

    name: str
    labels: Callable[[Frames], Table]
    rows: Mapping[str, pd.DatetimeIndex]
    held_out: Mapping[str, tuple[Span, ...]]


def check_purge(purge: Purge, altered: Altered) -> Part:
    """Alter the bars of each border, and see whether a label on its other side becomes another.

    Raises:
        Exception: Whatever the labels raise on the bars as they are.
    """
    whole, clock = purge.labels(altered.frames), altered.clock
    found: dict[tuple[str, int], Finding] = {}
    borders = 0

    def look(part: str, times: pd.DatetimeIndex, last_kept: int, reason: str) -> None:
        """Note labels at some times that are others when all bars after a row of the clock are."""
        nonlocal borders
        for kind in KINDS[:2]:
            other = purge.labels(altered.after(last_kept, kind))
            for change in compare(whole, other, whole.times[whole.times.isin(times)]):
                _note(found, purge, part, change, whole.names, f"{reason}; leave out more bars there")
        borders += 1

    for part, rows in purge.rows.items():
        for span in purge.held_out.get(part, ()):
            before, behind = rows[rows < span.first], rows[rows > span.last]
            if len(before):
                reason = f"a label of {part} tells of bars from {written(span.first)} on, which are its {span.name}"
                look(part, before, int(clock.searchsorted(span.first)) - 1, reason)
            if len(behind):
                held = clock[(clock >= span.first) & (clock <= span.last)]
                reason = (
                    f"a label of the {span.name} tells of bars after {written(behind[0])}, a row of {part} behind it"
                )
                look(part, held, int(clock.searchsorted(behind[0])), reason)
    n_rows = sum(map(len, purge.rows.values()))
    return Part(
        list(_in_order(found)), [Checked("folds", f"labels at {borders} borders ({purge.name})", n_rows, n_rows)]
    )


def _note(
    found: dict[tuple[str, int], Finding],
    purge: Purge,
    part: str,
    change: Change,
    names: tuple[str, ...],
    reason: str,
) -> None:
    """Keep the earliest of every column and part."""
    key = (part, change.column)
    known = found.get(key)
    if known is None or known.time is None or change.time < known.time:
        feature = f"{purge.name}: {names[change.column]}"
        found[key] = Finding("folds", feature, change.time, change.difference, change.relative, reason)


def _in_order(found: Mapping[tuple[str, int], Finding]) -> Iterable[Finding]:
    return (found[key] for key in sorted(found))
