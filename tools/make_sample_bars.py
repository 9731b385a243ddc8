"""Derive the sample bars that dltrader ships from bokeh-sampledata.

Run it where bokeh-sampledata is installed:  python tools/make_sample_bars.py
It writes one SYMBOL.csv.gz a symbol and provenance.json into src/dltrader/data/sample/.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from bokeh_sampledata import stocks

FOLDER = Path(__file__).parents[1] / "src" / "dltrader" / "data" / "sample"
SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT")  # FB is left out: 196 bars are too few
PRICES = ["open", "high", "low", "close"]
DECIMALS = 6


def adjusted(raw: pd.DataFrame) -> pd.DataFrame:
    """Prices times adj_close / close, volume divided by it: no split or dividend is left."""
    factor = raw["adj_close"] / raw["close"]
    bars = raw[PRICES].mul(factor, axis=0).round(DECIMALS)
    bars["volume"] = (raw["volume"] / factor).round().astype("int64")
    return bars


def repaired(bars: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """High and low widened to include open and close, and how many rows that changed."""
    high, low = bars[PRICES].max(axis=1), bars[PRICES].min(axis=1)
    changed = int(((high != bars["high"]) | (low != bars["low"])).sum())
    return bars.assign(high=high, low=low), changed


def compressed(bars: pd.DataFrame) -> bytes:
    """The bars as gzipped CSV, the same bytes on every run."""
    text = bars.to_csv(float_format=f"%.{DECIMALS}f", lineterminator="\n")
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(text.encode())
    return packed.getvalue()


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    files = {}
    for symbol in SYMBOLS:
        raw = pd.DataFrame(getattr(stocks, symbol)).set_index("date").rename_axis("time")
        _, raw_changed = repaired(raw)
        bars, changed = repaired(adjusted(raw))
        packed = compressed(bars)
        (FOLDER / f"{symbol}.csv.gz").write_bytes(packed)
        files[symbol] = {
            "file": f"{symbol}.csv.gz",
            "sha256": hashlib.sha256(packed).hexdigest(),
            "bars": len(bars),
            "first": bars.index[0],
            "last": bars.index[-1],
            "rows_repaired_in_raw": raw_changed,
            "rows_repaired_after_rounding": changed,
        }
        print(f"{symbol}: {len(bars)} bars, {len(packed)} bytes")  # noqa: T201
    provenance = {
        "origin": "Quandl WIKI Prices, as packaged in bokeh-sampledata "
        f"{version('bokeh-sampledata')} (module bokeh_sampledata.stocks)",
        "url": "https://github.com/bokeh/bokeh_sampledata",
        "licence": "Public domain: Quandl declared the data public domain and permitted "
        "redistribution (https://web.archive.org/web/20150411011214/https://www.quandl.com/data/WIKI).",
        "derived_by": "tools/make_sample_bars.py",
        "derivation": "open, high, low and close times adj_close / close, rounded to 6 decimals; "
        "volume divided by adj_close / close, rounded to whole shares; high and low widened to "
        "include open and close where they did not.",
        "note": "GOOG is Alphabet's class A history before 2014, filed under GOOGL in the source. "
        "The factors include splits and dividends after the last bar, so prices are on a later "
        "scale than was quoted then.",
        "files": files,
    }
    text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / "provenance.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
