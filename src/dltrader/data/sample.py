"""Sample bars that come with dltrader: `sample:AAPL`, daily, 2000 to 2013, adjusted for splits and dividends.

Where they come from and how they were derived stands in `sample/provenance.json`.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from dltrader.data.csv import parse
from dltrader.errors import SourceError, UnknownNameError
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.data.bars import Bars


def load(symbol: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None) -> Bars:
    """All bars of a sample symbol.

    Args:
        symbol: One of `symbols()`.
        start: Not used: the files are small, and `load_bars` cuts.
        end: Not used.

    Raises:
        SourceError: The file is not the one that was published.
        UnknownNameError: There is no such symbol.
    """
    del start, end
    files = provenance()["files"]
    if symbol not in files:
        raise UnknownNameError(f"unknown sample symbol {symbol!r}{did_you_mean(symbol, files)}")
    entry = files[symbol]
    packed = (_folder() / entry["file"]).read_bytes()
    if hashlib.sha256(packed).hexdigest() != entry["sha256"]:
        raise SourceError(
            f"the sample file {entry['file']} is not the published one: its SHA-256 differs from "
            "provenance.json; reinstall dltrader"
        )
    return parse(gzip.decompress(packed).decode(), origin=f"sample:{symbol}")


def symbols() -> tuple[str, ...]:
    """The symbols there are."""
    return tuple(provenance()["files"])


def matching(pattern: str) -> list[str]:
    """The symbols that a pattern with `*` stands for."""
    return sorted(fnmatch.filter(symbols(), pattern))


def provenance() -> dict[str, Any]:
    """Origin, licence and derivation of the sample bars, and the SHA-256 of each file."""
    text = (_folder() / "provenance.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _folder() -> Any:
    return resources.files("dltrader.data") / "sample"
