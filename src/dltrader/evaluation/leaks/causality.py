"""Causality of what is computed at every bar: a row must not change when bars after it do.

Recomputing a history once for every bar takes time that grows with its square. A row that depends on a bounded number
of bars, as its declared warm-up says, needs no more than these: so blocks of that many bars are left as they are and
all between them is altered, and the last row of every block must be what it was. One computation looks at every
period-th bar, and as many computations as a period has bars look at all, however long the history. Where a row
differs, the bars after it alone are altered, before it is called a leak: else it remembers more than it declares.

What remembers without end, such as a recursive mean, is looked at by cuts alone: some bars after which everything is
altered or removed, where all rows up to there are compared. Cuts also find what looks further ahead than a gap is wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from dltrader.data.times import written
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from dltrader.evaluation.leaks.plan import Plan
from dltrader.evaluation.leaks.report import Checked, Finding, Part
from dltrader.evaluation.leaks.tables import Change, Frames, Rows, Table, compare

HISTORY = 1e-6
"""A relative difference up to which it does not matter where history begins: a few steps of single precision."""

SMALLEST_GAP = 32
"""Bars that are altered between two blocks, at least."""

STARTS = 4
"""Later beginnings of the history that are tried."""

FAILURES = (ArithmeticError, LookupError, TypeError, ValueError)
"""What features of others raise over bars that they cannot do with; our own errors are among these."""

CUTS_OF_LONG_MEMORIES = 48
"""Cuts for columns that remember more than they declare, where blocks cannot tell."""


@dataclass(frozen=True)
class Stage:
    """Something that is computed at every bar.

    Attributes:
        name: As findings call it.
        compute: Bars -> a table with a row for every settled bar.
        memory_bars: Bars that a row depends on by its declared warm-up, its own included.
        passes: Kinds of alterations; all bars are looked at once for each element, with its kinds by turns.
    """

    name: str
    compute: Callable[[Frames], Table]
    memory_bars: int
    passes: tuple[tuple[str, ...], ...] = (KINDS,)


def check_stage(stage: Stage, altered: Altered, plan: Plan) -> Part:
    """Look for rows that know later bars, and for warm-ups that are too short.

    Raises:
        BarsError: The bars as they are cannot be computed: there are too few.
        FeatureError: The same, for another reason.
    """
    whole = stage.compute(altered.frames)
    look = _Look(stage, altered, plan, whole)
    first, last = int(altered.clock.get_indexer(whole.times[:1])[0]), len(altered.clock) - 1
    warmups = _starts(look, first)
    cuts = plan.rows(first, last, plan.few(plan.cuts))
    _cut(look, cuts, KINDS[:-1])
    looked = _combs(look)
    long = plan.rows(first, last, plan.few(CUTS_OF_LONG_MEMORIES)) if look.long else cuts[:0]
    _cut(look, long, ("removed",))
    checked = [
        Checked(stage.name, "all but the bars of its memory altered", looked, len(whole)),
        Checked(stage.name, "all later bars altered, or removed", len({*cuts.tolist(), *long.tolist()}), len(whole)),
        Checked("warm-up", f"{stage.name} with a shorter history", look.starts, len(whole)),
    ]
    skipped = [f"{stage.name} with {how}: {error}" for how, error in look.failed.items()]
    leaks = [_leak(look, column, first) for column in sorted(look.leaks)]
    return Part([*leaks, *warmups], checked, skipped)


class _Leak(NamedTuple):
    """A column that changes up to a row when all bars after that row are altered."""

    row: int
    change: Change
    kind: str


@dataclass
class _Look:
    """One stage under examination.

    Attributes:
        whole: Its table over the bars as they are.
        leaks: By column.
        long: Columns that remember more bars than they declare, however little it matters.
        failed: How it could not be computed, and why.
        starts: How many later beginnings were tried.
    """

    stage: Stage
    altered: Altered
    plan: Plan
    whole: Table
    leaks: dict[int, _Leak] = field(default_factory=dict)
    long: set[int] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    starts: int = 0

    def table(self, frames: Frames, how: str) -> Table | None:
        """The stage over other bars; a failure is kept and gives none."""
        try:
            return self.stage.compute(frames)
        except FAILURES as error:
            self.failed.setdefault(how, str(error))
            return None

    def at_cut(self, row: int, kind: str, *, alone: bool = False) -> list[Change]:
        """What changes up to a row, or at that row alone, when all bars after it are altered."""
        time, times = self.altered.clock[row], self.whole.times
        other = self.table(self.altered.after(row, kind), f"later bars {kind}")
        return [] if other is None else compare(self.whole, other, times[times == time if alone else times <= time])

    def note(self, row: int, change: Change, kind: str) -> None:
        """Keep the earliest cut at which a column leaks."""
        known = self.leaks.get(change.column)
        if known is None or row < known.row:
            self.leaks[change.column] = _Leak(row, change, kind)


def _starts(look: _Look, first: int) -> list[Finding]:
    """Begin the history later: rows after the declared warm-up must be what they were."""
    found: dict[int, tuple[Change, pd.Timestamp]] = {}
    clock, memory = look.altered.clock, look.stage.memory_bars
    for start in look.plan.rows(1, len(clock) - memory, look.plan.few(STARTS)).tolist():
        begin, settled = clock[start], clock[max(start + memory - 1, first)]
        frames = {name: frame.loc[frame.index >= begin] for name, frame in look.altered.frames.items()}
        other = look.table(frames, "a shorter history")
        if other is None:
            continue
        look.starts += 1
        times = look.whole.times[look.whole.times >= settled]
        look.long.update(change.column for change in compare(look.whole, other, times))
        for change in compare(look.whole, other, times, tolerance=HISTORY):
            found.setdefault(change.column, (change, begin))
    return [
        Finding(
            "warm-up",
            look.whole.names[column],
            change.time,
            change.difference,
            change.relative,
            f"is another number when history begins {written(begin)}: its warm-up of {memory - 1} bars is too short",
        )
        for column, (change, begin) in sorted(found.items())
    ]


def _cut(look: _Look, rows: Rows, kinds: Sequence[str]) -> None:
    """Remove all bars after some rows, and alter them, each time in another way; note what changes up to there."""
    for i, row in enumerate(rows.tolist()):
        for kind in dict.fromkeys(("removed", kinds[i % len(kinds)])):
            for change in look.at_cut(row, kind):
                look.note(row, change, kind)


def _combs(look: _Look) -> int:
    """Alter all but the memories of some rows; how many rows were looked at in all."""
    stage, altered = look.stage, look.altered
    gap = max(SMALLEST_GAP, stage.memory_bars // 8)
    looked = 0
    for offset in look.plan.offsets(stage.memory_bars + gap, len(altered.clock)).tolist():
        for number, kinds in enumerate(stage.passes):
            kind = kinds[offset % len(kinds)]
            frames, rows = altered.comb(offset, stage.memory_bars, gap, kind)
            times = look.whole.times.intersection(altered.clock[rows])
            other = look.table(frames, f"bars between blocks {kind}")
            if other is None:
                continue
            looked += len(times) if number == 0 else 0
            for change in compare(look.whole, other, times):
                _confirm(look, change, kind)
    return looked


def _confirm(look: _Look, change: Change, kind: str) -> None:
    """Tell a leak from a memory that is longer than declared."""
    row, known = int(look.altered.clock.searchsorted(change.time)), look.leaks.get(change.column)
    if change.column in look.long or (known is not None and known.row <= row):
        return
    again = next((each for each in look.at_cut(row, kind, alone=True) if each.column == change.column), None)
    if again is None:
        look.long.add(change.column)
    else:
        look.note(row, again, kind)


def _leak(look: _Look, column: int, first: int) -> Finding:
    """What is found of a column that leaks, by its first bar."""
    leak = _earliest(look, column, look.leaks[column], first)
    how = "removed" if leak.kind == "removed" else f"{leak.kind} at random"
    return Finding(
        look.stage.name,
        look.whole.names[column],
        leak.change.time,
        leak.change.difference,
        leak.change.relative,
        f"knows later bars: it is another number when those after {written(look.altered.clock[leak.row])} are {how}",
    )


def _earliest(look: _Look, column: int, leak: _Leak, low: int) -> _Leak:
    """The first cut at which a column leaks, if it does so from some bar on.

    Where all bars were looked at, `leak` is the first whose own row knows bars no further ahead than a gap is wide; one
    that looks further may have been seen late.
    """

    def leak_at(row: int) -> _Leak | None:
        changes = look.at_cut(row, leak.kind)
        return next((_Leak(row, change, leak.kind) for change in changes if change.column == column), None)

    at_low = leak_at(low)
    if at_low is not None:
        return at_low
    while leak.row - low > 1:
        middle = (low + leak.row) // 2
        leak_there = leak_at(middle)
        if leak_there is None:
            low = middle
        else:
            leak = leak_there
    return leak
