"""The times in a file: texts and numbers in many notations, turned into UTC."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dltrader.errors import BarsError

if TYPE_CHECKING:
    from collections.abc import Sequence

# A zone stands behind a time of day; otherwise the -02 of 2020-01-02 would be one.
_ZONE = re.compile(r"\d:\d\d.*?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e\+?\d+)?", re.IGNORECASE)
# 20200131, 202001311530, 20200131153000, or with the time of day apart, as Stooq writes it.
_COMPACT = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(?:[ T]*(\d\d):?(\d\d)(?::?(\d\d))?)?")
_YEAR_FIRST = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})")
_DOTS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHES = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
# Seconds after 1970 stay below the first bound until the year 5138, and so on.
_EPOCHS = ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3), (np.inf, 1))
_NOT_A_TIME = -(2**63)  # what NumPy keeps for NaT


def parse_stamps(texts: Sequence[str], lines: Sequence[int], origin: str, *, place: str = "line") -> pd.DatetimeIndex:
    """Times in UTC; those without a zone are taken as UTC.

    Understood are ISO 8601, with or without zone, 20200131 and 202001311530, 2020.01.31,
    31.01.2020, dates with slashes whose order shows (13/01/2020), and seconds to nanoseconds after
    1970. A file keeps to one notation.

    Args:
        texts: One time a row.
        lines: Line number of each row, for error messages.
        origin: The file's name, for error messages.
        place: What the numbers count, for error messages.

    Raises:
        BarsError: A time cannot be read, only some have a zone, or the order of day and month
            cannot be told.
    """
    texts = [text.strip() for text in texts]
    first = texts[0]
    if _COMPACT.fullmatch(first):
        stamps = _parsed([_spread(text) for text in texts])
    elif _NUMBER.fullmatch(first):
        stamps = _epochs(texts)
    else:
        _check_zones(texts, lines, origin, place)
        stamps = _parsed(_iso(texts, origin))
    missing = np.asarray(stamps.isna())
    if missing.any():
        row = int(missing.argmax())
        like = "" if row == 0 else f" like {first!r} of {place} {lines[0]}"
        raise BarsError(
            f"{origin} {place} {lines[row]}: {texts[row]!r} is not a time{like}; write it as 2020-01-31 15:30"
        )
    return stamps


def is_written_out(text: str) -> bool:
    """Whether a number is a date written without marks, as 20200131 is."""
    return _COMPACT.fullmatch(text) is not None


def epoch_unit(count: float) -> int:
    """The nanoseconds of one unit of a count since 1970, which its size tells."""
    return next(unit for bound, unit in _EPOCHS if abs(count) < bound)


def _parsed(texts: Sequence[str]) -> pd.DatetimeIndex:
    return pd.to_datetime(list(texts), format="ISO8601", utc=True, errors="coerce")


def _spread(text: str) -> str:
    """20200131 153000 as 2020-01-31 15:30:00; anything else as nothing."""
    match = _COMPACT.fullmatch(text)
    if match is None:
        return ""
    year, month, day, hour, minute, second = match.groups(default="00")
    return f"{year}-{month}-{day} {hour}:{minute}:{second}"


def _epochs(texts: Sequence[str]) -> pd.DatetimeIndex:
    unit = epoch_unit(float(texts[0]))
    # Decimal and not float, which has no room for nanoseconds.
    counts = [int(Decimal(text) * unit) if _NUMBER.fullmatch(text) else _NOT_A_TIME for text in texts]
    counts = [count if abs(count) < -_NOT_A_TIME else _NOT_A_TIME for count in counts]
    return pd.DatetimeIndex(np.array(counts, dtype="datetime64[ns]"), tz="UTC")


def _check_zones(texts: Sequence[str], lines: Sequence[int], origin: str, place: str) -> None:
    zoned = [_ZONE.search(text) is not None for text in texts]
    if all(zoned) or not any(zoned):
        return
    row = zoned.index(not zoned[0])
    have, lacks = (0, row) if zoned[0] else (row, 0)
    raise BarsError(
        f"{origin} mixes times with and without a zone: {texts[have]!r} in {place} {lines[have]}, "
        f"{texts[lacks]!r} in {place} {lines[lacks]}; give all of them a zone or none"
    )


def _iso(texts: Sequence[str], origin: str) -> Sequence[str]:
    """Times with the year in front and dashes between."""
    first = texts[0]
    if _YEAR_FIRST.match(first):
        texts = [_YEAR_FIRST.sub(_dashed, text, count=1) for text in texts]
    elif _DOTS.match(first):
        texts = [_DOTS.sub(_day_first, text, count=1) for text in texts]
    elif _SLASHES.match(first):
        parts = [match.groups() for match in map(_SLASHES.match, texts) if match]
        day_first, month_first = (any(int(part[i]) > 12 for part in parts) for i in (0, 1))
        if not day_first and not month_first:
            raise BarsError(
                f"{origin} has dates such as {first!r}, in which day and month look alike; write 2020-01-31"
            )
        texts = [_SLASHES.sub(_day_first if day_first else _month_first, text, count=1) for text in texts]
    return [re.sub(r"\s*(?:UTC|GMT)$", "Z", text) for text in texts]


def _dashed(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    return f"{year}-{month:0>2}-{day:0>2}"


def _day_first(match: re.Match[str]) -> str:
    day, month, year = match.groups()
    return f"{year}-{month:0>2}-{day:0>2}"


def _month_first(match: re.Match[str]) -> str:
    month, day, year = match.groups()
    return f"{year}-{month:0>2}-{day:0>2}"
