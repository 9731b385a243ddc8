"""Tables of records, whose columns have the same types with rows and without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

MOMENTS = frozenset({"time", "opened_at", "closed_at"})
WORDS = frozenset({"instrument", "side", "reason"})
COUNTS = frozenset({"bars"})


def table_of(rows: Iterable[Any], columns: Sequence[str], times: pd.DatetimeIndex) -> pd.DataFrame:
    """One row a record; whatever is no time, word or count is a float.

    Args:
        rows: Tuples in the order of the columns, or mappings.
        columns: Their names.
        times: The bars; times in the table are of their type.
    """
    table = pd.DataFrame(list(rows), columns=list(columns))
    words = pd.Series(["word"]).dtype  # pandas 3 has a type for words, pandas 2 takes them for objects
    types = {name: _type_of(name, times, words) for name in columns}
    return table.astype(types)


def _type_of(name: str, times: pd.DatetimeIndex, words: Any) -> Any:
    if name in MOMENTS:
        return times.dtype
    if name in WORDS:
        return words
    return "int64" if name in COUNTS else "float64"
