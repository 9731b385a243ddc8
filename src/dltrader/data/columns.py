"""The columns of files of bars, by the names that vendors give them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from dltrader.data.bars import COLUMNS, Bars, bars_from, times_of
from dltrader.errors import BarsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy.typing as npt

# Names with everything but letters and digits taken out, in lower case.
ALIASES = {
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "last": "close",
    "v": "volume",
    "vol": "volume",
    "adjustedclose": "adjclose",
}
# What may tell the time, in order of preference; the columns of one entry are read as one text.
TIMES = (("datetime",), ("timestamp",), ("date", "time"), ("date",), ("time",), ("index",), ("",))
WANTED = {*COLUMNS, "adjclose", *(name for group in TIMES for name in group)}
"""The plain names of all columns that matter."""


def plain(name: str) -> str:
    """The name that a column goes by here: `<CLOSE>`, `Close` and `Last` are all `close`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return ALIASES.get(letters, letters)


def check_names(names: Sequence[str], origin: str) -> None:
    """Check that plain names hold the prices, and each column that matters once.

    Raises:
        BarsError: A column is missing or there twice.
    """
    twice = next((name for name in names if name in WANTED and names.count(name) > 1), None)
    if twice is not None:
        raise BarsError(f"{origin} has {names.count(twice)} columns {twice or 'without a name'}; keep one of them")
    missing = [column for column in COLUMNS[:4] if column not in names]
    if missing:
        raise BarsError(f"{origin} has no column {' and no column '.join(missing)}; found {', '.join(names)}")


def time_columns(names: Collection[str], origin: str) -> tuple[str, ...]:
    """The columns that tell the time: one, or a date and a time of day.

    Raises:
        BarsError: There are none.
    """
    found = next((group for group in TIMES if all(name in names for name in group)), None)
    if found is None:
        raise BarsError(f"{origin} has no column date, datetime, timestamp or time; found {', '.join(names)}")
    return found


def adjust(bars: Bars, adjusted: npt.NDArray[np.float64], place: Callable[[int], str]) -> Bars:
    """Bars with splits and dividends taken out: prices times adjusted close / close, volumes divided by it.

    Args:
        bars: Valid bars.
        adjusted: The adjusted close of each.
        place: What a row is called in error messages.

    Raises:
        BarsError: An adjusted close is not above 0.
    """
    wrong = ~(adjusted > 0) | np.isinf(adjusted)
    if wrong.any():
        row = int(wrong.argmax())
        raise BarsError(f"{place(row)}: adj close {adjusted[row]:.12g} is not above 0")
    values = bars.to_numpy(copy=True).T  # (5, bars)
    factor = adjusted / values[3]
    values[:4] *= factor
    values[4] /= factor
    return bars_from(values, times_of(bars), "adjusted bars")
