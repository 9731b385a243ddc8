"""Data: bars in, validated, from a source named by a URI.

Glossary:
    bar: one row: open, high, low, close, volume of one instrument over one interval, stamped at its
        close. A date without a time means that date at 00:00 UTC.
    bars: a `pandas.DataFrame` with a tz-aware UTC `DatetimeIndex` named "time", strictly increasing, and the float64
        columns `open high low close volume` in that order.
    source: where bars come from; a function of an address and a span of time.
    source URI: `"<source>:<address>"`, such as `sample:AAPL`, `csv:prices.csv`, `parquet:prices.parquet`,
        `yahoo:SPY`, `stooq:aapl.us`, `alpaca:AAPL?interval=1h` or `synthetic:ou?n=500`.
    provider: a source on somebody else's machine (yahoo, stooq, alpaca). What it delivers is kept in a cache, with
        what was asked for and when; see `dltrader.data.cache`.
    adjusted: prices from which splits or dividends were taken out, so that no jump is left where there was no gain or
        loss; `attrs["adjusted"]` of a provider's bars says which.
    finding: something about bars that is most likely a fault, or at least worth a look; see `check_bars`.
"""

from dltrader.data.bars import (
    Bars,
    fingerprint,
    periods_per_year,
    slice_bars,
    split_bars,
    validate_bars,
)
from dltrader.data.findings import Finding, Findings
from dltrader.data.quality import check_bars
from dltrader.data.sources import SOURCES, Source, expand, in_memory, load_bars

__all__ = [
    "SOURCES",
    "Bars",
    "Finding",
    "Findings",
    "Source",
    "check_bars",
    "expand",
    "fingerprint",
    "in_memory",
    "load_bars",
    "periods_per_year",
    "slice_bars",
    "split_bars",
    "validate_bars",
]
