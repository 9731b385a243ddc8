"""Parquet files: `parquet:prices.parquet`, `parquet:prices.parquet?time=stamp`.

Understood are dltrader's own exports, frames that pandas or polars wrote, and whatever else has columns by the names
that `csv:` understands, adjusted closes included. The time may be a timestamp, a date, a text or a count of seconds to
nanoseconds since 1970; one without a zone is in UTC. Bars newest first are turned round. A file larger than half the
memory can be read, and a span of it without the rest: see `dltrader.data.batches`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dltrader.config import Config
from dltrader.data import csv
from dltrader.data.batches import packed, read_bars
from dltrader.data.sources import parameters
from dltrader.errors import ConfigError, SourceError

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.data.bars import Bars

KEPT_NOTES = ("provider", "fetched_at", "adjusted")
"""What an export of dltrader's says of the bars' origin, and its reader passes on in `attrs`."""


class ParquetConfig(Config):
    """How a parquet file is read."""

    time: str | None = Field(None, description="The column that tells the time; by default it is found by its name.")


def load(address: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None) -> Bars:
    """The bars of a parquet file.

    Args:
        address: Path of the file, `~` is the home folder, and after a question mark the parameters of `ParquetConfig`.
        start: First time wanted; row groups before it are not read.
        end: Last time wanted; row groups after it are not read.

    Raises:
        BarsError: The file has no bars in the span, or they break their rules.
        ConfigError: A parameter is unknown.
        MissingExtraError: pyarrow is not installed.
        SourceError: The file is missing, a folder, not readable or no parquet file.
    """
    name, values = parameters(address)
    try:
        config = ParquetConfig.from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"parquet:{name}: {error}") from None
    path = Path(name).expanduser()
    if path.is_dir():
        raise SourceError(f"{name} is a folder; name a file in it, or all of them as {Path(name) / '*.parquet'}")
    try:
        bars, notes = read_bars(path, name, start, end, time=config.time)
    except FileNotFoundError:
        raise SourceError(f"there is no file {name}; relative paths start in {Path.cwd()}") from None
    bars.attrs.update({note: notes[note] for note in KEPT_NOTES if note in notes})
    return bars


def exported(bars: Bars) -> bytes:
    """A parquet file of bars that this source reads back, as bytes; where they come from stands in its footer.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    known = ("uri", *KEPT_NOTES)
    return packed(bars, {name: bars.attrs[name] for name in known if name in bars.attrs})


def matching(pattern: str) -> list[str]:
    """The addresses that a path with `*` stands for, each with the parameters of the pattern."""
    path, mark, query = pattern.partition("?")
    return [f"{file}{mark}{query}" for file in csv.matching(path)]
