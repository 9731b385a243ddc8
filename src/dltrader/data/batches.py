"""Parquet files of bars, read batch by batch into arrays of their final size, and written whole.

A file of any number of bars is read in little more memory than its bars take: a batch at a time is decoded, cut to
the span asked for and copied to its place. Row groups outside the span are skipped by their statistics.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from dltrader.data.bars import COLUMNS, Bars, bars_from, times_of
from dltrader.data.columns import adjust, check_names, plain, time_columns
from dltrader.data.stamps import epoch_unit, is_written_out, parse_stamps
from dltrader.errors import BarsError, MissingExtraError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

BATCH = 1 << 16
"""How many rows are decoded at a time."""
NOTES = b"dltrader"
"""Under this key the footer of a file that dltrader wrote holds its notes, as JSON."""

_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # in nanoseconds
_OPEN_LOW, _OPEN_HIGH = -(2**63) + 1, 2**63 - 1

Integers: TypeAlias = "npt.NDArray[np.int64]"
Reader: TypeAlias = "Callable[[Sequence[Any], int], Integers]"
"""Turns the time columns of a batch, and the row it begins with, into counts since 1970."""


def read_bars(
    path: Path,
    origin: str,
    first: pd.Timestamp | None = None,
    last: pd.Timestamp | None = None,
    *,
    time: str | None = None,
) -> tuple[Bars, dict[str, Any]]:
    """The bars of a parquet file, and the notes in its footer, if it has any.

    Args:
        path: The file.
        origin: What it is called in error messages.
        first: First time wanted; None: from the first bar.
        last: Last time wanted; None: to the last bar.
        time: The column that tells the time; None: it is found by its name.

    Raises:
        BarsError: Columns are missing, or the bars break their rules.
        MissingExtraError: pyarrow is not installed.
        SourceError: The file is not readable or no parquet file.
    """
    arrow, parquet = _arrow()
    try:
        # Without pre_buffer a row group is read as it is needed, not at once.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            return _read(file, origin, (first, last), time)
    except (arrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError | SourceError):
            raise
        reason = " ".join(str(error).split())[:160]
        raise SourceError(f"{origin} cannot be read as parquet ({reason}); fetch or export it again") from None


def packed(bars: Bars, notes: Mapping[str, Any]) -> bytes:
    """A parquet file of bars, as bytes, with notes in its footer.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _arrow()
    index = times_of(bars)
    columns = {"time": arrow.array(index.asi8, type=arrow.timestamp(index.unit, tz="UTC"))}
    columns |= {name: arrow.array(bars[name].to_numpy()) for name in COLUMNS}
    # Parquet has no seconds and keeps them as milliseconds.
    table = arrow.table(columns).replace_schema_metadata({NOTES: json.dumps({**notes, "unit": index.unit})})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def notes_of(path: Path) -> dict[str, Any]:
    """The notes in the footer of a file, and nothing for a file without them or one that cannot be read."""
    arrow, parquet = _arrow()
    try:
        return _notes(parquet.read_schema(path))
    except (arrow.ArrowException, OSError):
        return {}


def require_arrow(extra: str) -> None:
    """Find out whether parquet can be had before anything is fetched that is to be kept as such.

    Raises:
        MissingExtraError: pyarrow is not installed; the extra of whoever needs it brings it.
    """
    _arrow(extra)


def _arrow(extra: str = "parquet") -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("pyarrow", extra) from None
    return pa, parquet


def _notes(schema: Any) -> dict[str, Any]:
    try:
        found = json.loads((schema.metadata or {}).get(NOTES, b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read(
    file: Any, origin: str, span: tuple[pd.Timestamp | None, pd.Timestamp | None], time: str | None
) -> tuple[Bars, dict[str, Any]]:
    schema = file.schema_arrow
    # The index of a pandas frame without a name is written under one of its own.
    names = ["" if name.startswith("__index_level_") else plain(name) for name in schema.names]
    check_names(names, origin)
    written = dict(zip(names, schema.names, strict=True))
    if time is not None and time not in schema.names:
        raise BarsError(f"{origin} has no column {time}; found {', '.join(schema.names)}")
    times = [time] if time is not None else [written[name] for name in time_columns(names, origin)]
    prices = [written[name] for name in (*COLUMNS, "adjclose") if name in written and written[name] not in times]
    unit, reader = _reader([schema.field(name).type for name in times], origin)
    low, high = (_bound(moment, unit, last=bool(i)) for i, moment in enumerate(span))
    groups = [i for i in range(file.num_row_groups) if _overlaps(file.metadata.row_group(i), times, span)]
    capacity = sum(file.metadata.row_group(i).num_rows for i in groups)
    counts, values = np.empty(capacity, np.int64), np.empty((len(prices), capacity))
    filled = 0
    for row, batch in _batches(file, groups, [*times, *prices]):
        stamps = reader([batch.column(name) for name in times], row)
        keep: Any = (stamps >= low) & (stamps <= high)
        stop = filled + int(keep.sum())
        keep = slice(None) if stop - filled == len(stamps) else keep  # a slice copies once, a mask twice
        counts[filled:stop] = stamps[keep]
        for i, name in enumerate(prices):
            values[i, filled:stop] = _floats(batch.column(name), name, origin)[keep]
        filled = stop
    notes = _notes(schema)
    bars = _assembled(counts[:filled], values[:, :filled], [plain(name) for name in prices], unit, origin)
    if notes.get("unit") in _UNITS:
        bars.index = times_of(bars).as_unit(notes["unit"])
    return bars, notes


def _batches(file: Any, groups: Sequence[int], columns: Sequence[str]) -> Iterator[tuple[int, Any]]:
    """The batches of row groups, each with the number of its first row in the file."""
    starts = np.cumsum([0, *(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))])
    for group in groups:
        row = int(starts[group])
        for batch in file.iter_batches(BATCH, row_groups=[group], columns=list(columns), use_threads=False):
            yield row, batch
            row += batch.num_rows


def _assembled(counts: Integers, values: npt.NDArray[np.float64], names: Sequence[str], unit: str, origin: str) -> Bars:
    if not len(counts):
        raise BarsError(f"{origin}: there are no bars in it, or none in that span")
    if len(counts) > 1 and counts[0] > counts[-1] and bool((counts[1:] < counts[:-1]).all()):  # newest first
        counts, values = counts[::-1], values[:, ::-1]
    index = pd.DatetimeIndex(counts.view(f"datetime64[{unit}]"), tz="UTC", name="time")
    rows = {name: values[i] for i, name in enumerate(names)}
    if list(names) != list(COLUMNS):  # no volumes, or adjusted closes besides
        volume = rows.get("volume", np.zeros(len(counts)))
        values = np.stack([*(rows[name] for name in COLUMNS[:4]), volume])
    bars = bars_from(values, index, origin)
    return adjust(bars, rows["adjclose"], lambda row: f"{origin} row {row}") if "adjclose" in rows else bars


def _floats(column: Any, name: str, origin: str) -> npt.NDArray[np.float64]:
    """A column of a batch as float64, with nan for what is missing."""
    arrow, _ = _arrow()
    kind = column.type
    if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind) or arrow.types.is_decimal(kind)):
        raise BarsError(f"column {name} of {origin} is not numeric ({kind}); write it as a number")
    if kind != arrow.float64():
        column = column.cast(arrow.float64(), safe=False)
    found: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    return found


def _reader(kinds: Sequence[Any], origin: str) -> tuple[str, Reader]:
    """The unit of the times in columns of these types, and what reads them; times without a zone are in UTC."""
    arrow, _ = _arrow()
    types = arrow.types

    def checked(column: Any, row: int) -> Any:
        if column.null_count:
            missing = row + int(np.asarray(column.is_null()).argmax())
            raise BarsError(f"{origin} row {missing}: the time is missing; drop the row")
        return column

    if len(kinds) == 1 and types.is_timestamp(kinds[0]):
        return kinds[0].unit, lambda columns, row: checked(columns[0], row).cast(arrow.int64()).to_numpy()
    if len(kinds) == 1 and types.is_date(kinds[0]):
        seconds = arrow.timestamp("s")
        return "s", lambda columns, row: checked(columns[0], row).cast(seconds).cast(arrow.int64()).to_numpy()
    if len(kinds) == 1 and types.is_integer(kinds[0]):
        units: list[int | None] = []  # what the first number of the file tells: None where it is a date written out

        def counted(columns: Sequence[Any], row: int) -> Integers:
            numbers: Integers = checked(columns[0], row).cast(arrow.int64()).to_numpy()
            if not units:
                units.append(None if is_written_out(str(numbers[0])) else epoch_unit(numbers[0]))
            if units[0] is None:
                return _parsed([str(number) for number in numbers], row, origin)
            return numbers * units[0]

        return "ns", counted

    def texts(columns: Sequence[Any], row: int) -> Integers:
        parts = [checked(column, row).cast(arrow.string()).to_pylist() for column in columns]
        return _parsed([" ".join(cells) for cells in zip(*parts, strict=True)], row, origin)

    return "ns", texts


def _parsed(texts: Sequence[str], row: int, origin: str) -> Integers:
    stamps = parse_stamps(texts, range(row, row + len(texts)), origin, place="row")
    try:
        return stamps.as_unit("ns").asi8
    except pd.errors.OutOfBoundsDatetime:
        raise BarsError(f"{origin} hold times outside the years 1678 to 2261; drop those rows") from None


def _bound(moment: pd.Timestamp | None, unit: str, *, last: bool) -> int:
    """The least or largest count of a unit that may lie in a span; a unit too far is no harm, `load_bars` cuts."""
    if moment is None:
        return _OPEN_HIGH if last else _OPEN_LOW
    microseconds = int(moment.as_unit("us").to_datetime64().astype(np.int64)) + last
    count = microseconds * 1000 // _UNITS[unit] + last
    return min(max(count, _OPEN_LOW), _OPEN_HIGH)


def _overlaps(group: Any, times: Sequence[str], span: tuple[pd.Timestamp | None, pd.Timestamp | None]) -> bool:
    """Whether a row group may hold bars of a span, by its statistics; true where they do not tell."""
    first, last = span
    if len(times) > 1 or (first is None and last is None):
        return True
    columns = [group.column(i) for i in range(group.num_columns)]
    statistics = next((one.statistics for one in columns if one.path_in_schema == times[0]), None)
    if statistics is None or not statistics.has_min_max:
        return True
    try:
        low, high = (pd.to_datetime(one, utc=True) for one in (statistics.min, statistics.max))
    except (TypeError, ValueError):
        return True
    if isinstance(statistics.min, int | float | str | bytes):
        return True
    return not ((last is not None and low > last) or (first is not None and high < first))
