"""Tables of what was computed at every bar, and how two of them are compared.

Rounding is told from a leak by size. Whatever looks at past bars only does the same operations on the same numbers, and
gives the same bits, unless it sums in another order when there are more bars or others: then doubles differ by some
1e-16 for each of some thousand terms, which stays below 1e-12 of what is summed. A difference above counts as a leak;
the smallest that could be traded on is many times larger. Single precision ends at 1.2e-7, so of an observation two
such steps are allowed; what is smaller shows in the features, which are doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.features.look_ahead import changes

Frames: TypeAlias = Mapping[str, pd.DataFrame]
"""Bars by instrument."""

Rows: TypeAlias = npt.NDArray[np.int64]

DOUBLE, SINGLE = 1e-12, 2.4e-7
"""Relative differences up to which two numbers count as equal, of doubles and of single precision."""


class Change(NamedTuple):
    """A value that is another one.

    Attributes:
        time: Of the row.
        column: Index of its name.
        difference: How far it moved; infinite where a value is missing.
        relative: The same over the larger of the value and the median size of its column.
    """

    time: pd.Timestamp
    column: int
    difference: float
    relative: float


@dataclass(frozen=True, eq=False)
class Table:
    """Values at bars.

    Attributes:
        times: (rows,) the bar at whose close a row is known.
        names: Of the columns, which are the last axis of the values.
        numbers: (rows, ..., columns).
    """

    times: pd.DatetimeIndex
    names: tuple[str, ...]
    numbers: npt.NDArray[Any]

    @classmethod
    def of(cls, frame: pd.DataFrame | pd.Series[Any]) -> Table:
        """A table of a frame or of one column, with the times of its index."""
        table = (
            frame.to_frame("value" if frame.name is None else str(frame.name))
            if isinstance(frame, pd.Series)
            else frame
        )
        return cls(pd.DatetimeIndex(table.index), tuple(map(str, table.columns)), table.to_numpy())

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.times)

    @cached_property
    def scale(self) -> npt.NDArray[np.float64]:
        """(columns,) the median size of each column's values."""
        if not len(self):
            return np.zeros(len(self.names))
        # Of windows the newest row tells it all: the others are those of earlier bars.
        values = self.numbers.reshape(len(self), -1, len(self.names))[:, -1].astype(np.float64)
        sizes: npt.NDArray[np.float64] = np.nan_to_num(
            np.median(np.abs(np.where(np.isfinite(values), values, 0.0)), axis=0)
        )
        return sizes

    @property
    def tolerance(self) -> float:
        """The relative difference up to which values count as equal."""
        return SINGLE if self.numbers.dtype == np.float32 else DOUBLE


def compare(table: Table, other: Table, times: pd.DatetimeIndex, *, tolerance: float | None = None) -> list[Change]:
    """The first change of every column among rows at some times; no change is an empty list.

    Args:
        table: What is to be.
        other: What is, over bars that were altered or are fewer.
        times: Rows of the first table, in their order.
        tolerance: Relative; by default that of the table's type.
    """
    if not len(times):
        return []
    if table.names != other.names:
        return [_reordered(table, other, times[0])]
    wanted, found = table.times.get_indexer(times), other.times.get_indexer(times)
    columns = len(table.names)
    before = table.numbers[wanted].reshape(len(times), -1, columns)
    after = other.numbers[found].reshape(len(times), -1, columns) if len(other) else np.full_like(before, np.nan)
    after = np.where((found < 0)[:, None, None], np.nan, after)
    if before.dtype == object or not (differs := changes(after, before)).any():
        return []
    with np.errstate(invalid="ignore"):
        distance = np.where(differs, np.abs(after.astype(np.float64) - before), 0.0)
    distance = np.where(np.isnan(distance), np.inf, distance)
    size = np.maximum(np.maximum(np.abs(before), np.nan_to_num(np.abs(after))), table.scale)
    size = np.where(np.isfinite(size) & (size > 0), size, 1.0)
    relative = (distance / size).max(axis=1)  # (rows, columns)
    far = relative > (table.tolerance if tolerance is None else tolerance)
    first = far.argmax(axis=0)
    return [
        Change(times[row], column, float(distance[row, :, column].max()), float(relative[row, column]))
        for column, row in enumerate(first)
        if far[row, column]
    ]


def _reordered(table: Table, other: Table, time: pd.Timestamp) -> Change:
    """Columns that are others, or stand in another order, change every row; the first of them stands for all."""
    pairs = zip(table.names, other.names, strict=False)
    column = next((i for i, (one, two) in enumerate(pairs) if one != two), min(len(table.names), len(other.names)) - 1)
    return Change(time, max(column, 0), np.inf, np.inf)
