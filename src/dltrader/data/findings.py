"""What a check of bars found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

Level: TypeAlias = Literal["problem", "look"]
"""`problem`: the bars are most likely wrong. `look`: markets do that, and so do faulty bars: have a look."""

LEVELS: tuple[Level, ...] = ("problem", "look")


@dataclass(frozen=True)
class Finding:
    """Something that a check found.

    Attributes:
        level: How grave it is.
        kind: What it is, in a word or two: `missing bars`, `possible split`, `jump`, `bad tick`, `long wick`,
            `stale price`, `no volume` or `out of hours`.
        first: The time of the first bar concerned; of missing bars, of the last bar before them.
        last: The time of the last bar concerned; of missing bars, of the first bar after them.
        bars: How many bars are concerned, or missing.
        text: What was found, in words.
    """

    level: Level
    kind: str
    first: pd.Timestamp
    last: pd.Timestamp
    bars: int
    text: str


@dataclass(frozen=True)
class Findings:
    """All that a check found, in order of time.

    Attributes:
        found: The findings.
        calendar: The calendar they were checked against; None: gaps were judged by the bars' own habits.
        bars: How many bars were checked.
    """

    found: tuple[Finding, ...]
    calendar: str | None
    bars: int

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that are most likely faults."""
        return tuple(one for one in self.found if one.level == "problem")

    @property
    def clean(self) -> bool:
        """Whether there are no problems; things to look at may remain."""
        return not self.problems

    def to_frame(self) -> pd.DataFrame:
        """One row a finding, with the columns level, kind, first, last, bars and text."""
        columns = ["level", "kind", "first", "last", "bars", "text"]
        return pd.DataFrame([[getattr(one, name) for name in columns] for one in self.found], columns=columns)


def runs(marked: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last row of every run of marked rows."""
    steps = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    yield from zip(np.flatnonzero(steps == 1).tolist(), (np.flatnonzero(steps == -1) - 1).tolist(), strict=True)
