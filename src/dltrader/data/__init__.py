"""Data: bars in, validated, from a source named by a URI.

Glossary:
    bar: one row: open, high, low, close, volume of one instrument over one interval, stamped at its
        close. A date without a time means that date at 00:00 UTC.
    bars: a `pandas.DataFrame` with a tz-aware UTC `DatetimeIndex` named "time", strictly increasing, and the float64
        columns `open high low close volume` in that order.
    source: where bars come from; a function of an address and a span of time.
    source URI: `"<source>:<address>"`, such as `sample:AAPL`, `csv:prices.csv` or
    `synthetic:ou?n=500`.
"""

from dltrader.data.bars import (
    Bars,
    fingerprint,
    periods_per_year,
    slice_bars,
    split_bars,
    validate_bars,
)
from dltrader.data.sources import SOURCES, Source, expand, in_memory, load_bars

__all__ = [
    "SOURCES",
    "Bars",
    "Source",
    "expand",
    "fingerprint",
    "in_memory",
    "load_bars",
    "periods_per_year",
    "slice_bars",
    "split_bars",
    "validate_bars",
]
