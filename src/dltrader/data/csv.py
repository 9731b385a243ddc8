"""CSV files: `csv:prices.csv`, in whatever dialect a vendor writes them.

Understood are the files of Yahoo, Stooq, backtrader, MetaTrader and pandas: comma, semicolon, tab
or bar between the columns; columns in any case and order, in angle brackets or not; no header at
all, in backtrader's order of columns; a time column called date, datetime, timestamp or time, or a
date column and a time column; gzip; newest row first. Others than the columns of bars are ignored,
save `Adj Close`: prices are then multiplied by adj close / close and the volume divided by it,
which takes splits and dividends out. Times with an offset become UTC, and the offset may change
within a file, as it does with daylight saving; times with and times without one do not mix. A file
without volumes, as for currencies, has volumes of 0.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.data.bars import COLUMNS, Bars, validate_bars
from dltrader.data.columns import WANTED, adjust, check_names, plain, time_columns
from dltrader.data.stamps import parse_stamps
from dltrader.errors import BarsError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEPARATORS = "\t;|,"  # the comma last: it may also be a decimal point
GZIP_MAGIC = b"\x1f\x8b"

# Files without a header, by their number of columns; where the second cell is a time of day, it has
# its own column.
HEADLESS = ("date", "open", "high", "low", "close", "volume", "openinterest")


def load(address: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None) -> Bars:
    """All bars of a CSV file.

    Args:
        address: Path of the file; `~` is the home folder.
        start: Not used: the file is read whole, and `load_bars` cuts.
        end: Not used.

    Raises:
        BarsError: The file is empty or its bars break their rules; the message names the line.
        SourceError: The file is missing, a folder, not readable or not text.
    """
    del start, end
    path = Path(address).expanduser()
    try:
        data = path.read_bytes()
        if data.startswith(GZIP_MAGIC):
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise SourceError(f"there is no file {address}; relative paths start in {Path.cwd()}") from None
    except IsADirectoryError:
        raise SourceError(f"{address} is a folder; name a file in it") from None
    except UnicodeDecodeError:
        raise SourceError(f"{address} is not text in UTF-8; save it as CSV in UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise SourceError(f"{address} is a damaged gzip file; fetch it again") from None
    except OSError as error:
        raise SourceError(f"cannot read {address}: {error.strerror}") from None
    return parse(text, origin=address)


def matching(pattern: str) -> list[str]:
    """The files that a path with `*` stands for; `**` goes through folders."""
    path = Path(pattern).expanduser()
    root = Path(path.anchor)
    return sorted(str(file) for file in root.glob(str(path.relative_to(root))) if file.is_file())


def parse(text: str, origin: str) -> Bars:
    """The bars in the text of a CSV file.

    Args:
        text: The whole file.
        origin: The file's name in error messages.

    Raises:
        BarsError: The text is empty or its bars break their rules; the message names the line.
    """
    first = next((line for line in text.splitlines() if line.strip()), None)
    if first is None:
        raise BarsError(f"{origin} is empty; at least one bar is needed")
    separator = next((mark for mark in SEPARATORS if first.count(mark) >= 4), ",")
    rows = _rows(text, separator, origin)
    header_line, cells = next(rows)
    names = [plain(cell) for cell in cells]
    if "close" in names:
        names, rows = _complete(names, rows)
    else:
        names, rows = _headless(cells, header_line, origin), chain([(header_line, cells)], rows)
    lines, columns = _columns(rows, names, origin)
    stamps = parse_stamps(_time_texts(columns, names, origin), lines, origin)
    return _assemble(columns, stamps, lines, origin, decimal_comma=separator != ",")


def _rows(text: str, separator: str, origin: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that holds something."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield reader.line_num, cells
    except csv.Error as error:
        raise BarsError(f"{origin} line {reader.line_num}: {error}") from None


def _complete(
    names: list[str], rows: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, with the column that backtrader's own minute files leave unnamed: the time of day."""
    first = next(rows, None)
    if first is None:
        return names, iter(())
    cells = first[1]
    unnamed = "time" not in names and len(cells) == len(names) + 1 and ":" in cells[1]
    if names[0] == "date" and unnamed:
        names = [names[0], "time", *names[1:]]
    return names, chain([first], rows)


def _headless(cells: Sequence[str], line: int, origin: str) -> list[str]:
    names = list(HEADLESS)
    if len(cells) > 1 and ":" in cells[1]:
        names.insert(1, "time")
    if not len(names) - 2 <= len(cells) <= len(names) or not any(map(str.isdigit, cells[0])):
        raise BarsError(
            f"{origin} line {line} is neither a header with a column close nor a bar: "
            f"{', '.join(cells)[:80]!r}; name the columns date, {', '.join(COLUMNS)}"
        )
    return names[: len(cells)]


def _columns(
    rows: Iterator[tuple[int, list[str]]], names: list[str], origin: str
) -> tuple[list[int], dict[str, tuple[str, ...]]]:
    """Line numbers, and the cells of each column that matters."""
    check_names(names, origin)
    lines, table = [], []
    for line, cells in rows:
        # A separator at the end of the line is no further column.
        if len(cells) != len(names) and not (len(cells) > len(names) and not any(cells[len(names) :])):
            raise BarsError(f"{origin} line {line}: {len(cells)} columns, where the first line has {len(names)}")
        lines.append(line)
        table.append(cells)
    if not table:
        raise BarsError(f"{origin} has a header but no rows; at least one bar is needed")
    columns = list(zip(*table, strict=False))
    return lines, {name: columns[i] for i, name in enumerate(names) if name in WANTED}


def _time_texts(columns: dict[str, tuple[str, ...]], names: list[str], origin: str) -> Sequence[str]:
    found = time_columns(names, origin)
    if len(found) == 1:
        return columns[found[0]]
    return [f"{date} {time}" for date, time in zip(columns["date"], columns["time"], strict=True)]


def _assemble(
    columns: dict[str, tuple[str, ...]],
    stamps: pd.DatetimeIndex,
    lines: Sequence[int],
    origin: str,
    *,
    decimal_comma: bool,
) -> Bars:
    values = {
        name: _numbers(name, columns[name], lines, origin, decimal_comma=decimal_comma)
        for name in (*COLUMNS, "adjclose")
        if name in columns
    }
    values.setdefault("volume", np.zeros(len(lines)))
    frame = pd.DataFrame(values, index=stamps)
    if len(frame) > 1 and (np.diff(stamps.asi8) < 0).all():
        frame, lines = frame[::-1], lines[::-1]
    bars = validate_bars(frame, origin, lines=lines)
    if "adjclose" not in frame:
        return bars
    return adjust(bars, frame["adjclose"].to_numpy(), lambda row: f"{origin} line {lines[row]}")


def _numbers(
    name: str, cells: Sequence[str], lines: Sequence[int], origin: str, *, decimal_comma: bool
) -> npt.NDArray[np.float64]:
    if decimal_comma:
        cells = [cell.replace(",", ".") for cell in cells]
    try:
        # float() reads every number back as it was written; faster parsers are off by a last digit
        # at times.
        return np.fromiter(map(float, cells), np.float64, count=len(cells))
    except ValueError:
        row = next(i for i, cell in enumerate(cells) if not _is_number(cell))
    found = f"{cells[row]!r} is not a number" if cells[row].strip() else "is missing"
    raise BarsError(f"{origin} line {lines[row]}: {name} {found}; correct the line or remove it")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
