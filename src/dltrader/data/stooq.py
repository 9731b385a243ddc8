"""Bars from Stooq: `stooq:aapl.us`, `stooq:^spx?interval=w`.

Stooq sends CSV to whoever has an API key, which is taken from the environment variable `STOOQ_API_KEY`. Prices are
adjusted for splits and dividends. Indices and currencies have no volume: theirs is 0. Stooq has bars within a day too,
but their times bear no zone, so that their closes cannot be told: they are not offered here.

Stooq dates a bar of a week or longer at some day it covers; here it stands at the last one. A bar is left out until
its last day is over in New York, the westernmost of Stooq's exchanges.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from dltrader.config import Config
from dltrader.data.answers import key_from, line, refused
from dltrader.data.bars import DAY, Bars, times_of, validate_bars
from dltrader.data.closes import known_interval
from dltrader.data.csv import parse
from dltrader.data.sources import parameters
from dltrader.data.times import written
from dltrader.errors import BarsError, ConfigError, MissingExtraError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://stooq.com/q/d/l/"
KEY = "STOOQ_API_KEY"
WHERE = "stooq.com"
ADJUSTED = "splits and dividends"
WESTERNMOST = "America/New_York"
# Interval -> the period whose last day a bar stands at.
INTERVALS = {"d": "D", "w": "W-SUN", "m": "M", "q": "Q", "y": "Y"}
TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

_OK = 200
# What Stooq says with the status 200, in lower case, and what it means.
_NOTHING = "no data"
_SPENT = "exceeded the daily hits limit"
_KEY_WORDS = ("apikey", "api key")


class StooqConfig(Config):
    """How Stooq's bars are asked for."""

    interval: str = Field("d", description="Length of a bar: d, w, m, q or y for a day to a year.")

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, interval: str) -> str:
        return known_interval(interval, INTERVALS, "Stooq")


def load(
    address: str,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    *,
    session: Any = None,
    url: str | None = None,
    now: pd.Timestamp | None = None,
) -> Bars:
    """Bars of a symbol, as far back as Stooq has them.

    Args:
        address: Stooq's symbol, and after a question mark the parameters of `StooqConfig`.
        start: First time wanted; a few bars before it may come along.
        end: Last time wanted; a few bars after it may come along.
        session: A `requests.Session` to use, for a proxy say.
        url: Where the CSV is asked for, if not at `URL`.
        now: The time by which a bar must have closed; by default the clock's.

    Raises:
        BarsError: Stooq's bars break the rules of bars, or their times cannot be.
        ConfigError: The interval is not one of Stooq's.
        MissingExtraError: requests is not installed.
        SourceError: There is no key, or Stooq is unreachable, refuses, or has no such bars.
    """
    symbol, values = parameters(address)
    try:
        interval = StooqConfig.from_mapping(values).interval
    except ConfigError as error:
        raise ConfigError(f"stooq:{symbol}: {error}") from None
    key = key_from(KEY, "Stooq", WHERE)
    asked = {"s": symbol, "i": interval}
    # Some days more at either end: a bar is asked for by the date that Stooq gives it.
    margin = 366 * DAY if interval in {"q", "y"} else 31 * DAY if interval in {"w", "m"} else 2 * DAY
    if start is not None:
        asked["d1"] = f"{start - margin:%Y%m%d}"
    if end is not None:
        asked["d2"] = f"{end + margin:%Y%m%d}"
    text = _fetch(symbol, {**asked, "apikey": key}, key, session, url or URL)
    try:
        bars = parse(text, origin=f"stooq:{address}")
    except BarsError as error:
        raise BarsError(
            f"{line(str(error), [key])} (as Stooq sent it; ask again later or use another source)"
        ) from None
    return _closed(bars, symbol, interval, f"stooq:{address}", pd.Timestamp.now("UTC") if now is None else now)


def _closed(bars: Bars, symbol: str, interval: str, origin: str, now: pd.Timestamp) -> Bars:
    """The bars that have closed, at the last date they cover."""
    index = times_of(bars)
    off = np.asarray(index != index.normalize())
    if off.any():
        row = int(off.argmax())
        raise BarsError(
            f"{origin} row {row}: a bar of a day or more is stamped {written(index[row])}, which is "
            "no date, as if Stooq's clock were shifted; ask again later or use another source"
        )
    today = now.tz_convert(WESTERNMOST).tz_localize(None).normalize().tz_localize("UTC")
    # East of New York the next date may have begun.
    if index[-1] > today + DAY:
        raise BarsError(
            f"{origin}: the last bar is of {written(index[-1])}, which lies in the future (now is {written(now)}); "
            "set the clock of this machine, or ask Stooq again later"
        )
    last = index.tz_localize(None).to_period(INTERVALS[interval]).end_time.normalize().tz_localize("UTC")
    closed = np.asarray(last < today)
    if not closed.any():
        raise SourceError(f"the only bar of {symbol} that Stooq has is still open; ask again later")
    bars = validate_bars(bars.set_axis(last.as_unit(index.unit))[closed], origin)
    bars.attrs["adjusted"] = ADJUSTED
    return bars


def _fetch(symbol: str, asked: dict[str, str], key: str, session: Any, url: str) -> str:
    """The CSV that Stooq sends; whatever else it sends is an error."""
    try:
        import requests  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError("requests", "stooq") from None
    get = requests.get if session is None else session.get
    try:
        with _quiet():
            # A redirect would carry the key to another address.
            response = get(url, params=asked, timeout=TIMEOUT, allow_redirects=False)
            content: bytes = response.content
    except requests.exceptions.ChunkedEncodingError:
        raise SourceError(f"Stooq's answer for {symbol} was cut off on its way; ask again") from None
    except (requests.RequestException, OSError) as error:
        # The text of these errors holds the address asked, with the key in it.
        raise SourceError(
            f"Stooq is unreachable ({type(error).__name__}); check the network, or load from a csv: file"
        ) from None
    text = content.decode("utf-8", errors="replace").removeprefix("\ufeff").lstrip()
    is_page = text.startswith("<")
    if response.status_code != _OK:
        reason = "" if is_page else line(text, [key])
        raise refused("Stooq", symbol, response.status_code, reason, [KEY])
    _check_whole(response.headers, content, symbol)
    if not text:
        raise SourceError(f"Stooq answered the request for {symbol} with nothing; check the symbol or try later")
    if is_page or any(word in text[:1000].lower() for word in _KEY_WORDS):
        raise SourceError(
            f"Stooq answered the request for {symbol} with a page for people instead of CSV: the key in {KEY} is "
            f"probably wrong or has expired; get a new one at {WHERE}"
        )
    if text.lower().startswith(_NOTHING):
        raise SourceError(
            f"Stooq has no bars of {symbol} in that span; look the symbol up at {WHERE}, where those of the USA "
            "end in .us, or ask for another span"
        )
    if text.lower().startswith(_SPENT):
        raise SourceError(f"Stooq refuses {symbol}: the requests of the day are used up; go on tomorrow")
    if not text.lower().startswith("date,"):
        raise SourceError(
            f"Stooq answered the request for {symbol} with something else than CSV: {line(text, [key])!r}"
        )
    return text


def _check_whole(headers: Any, content: bytes, symbol: str) -> None:
    """Check that nothing was lost on the way: by the length that HTTP announces, else by the last line's end."""
    length = headers.get("Content-Length", "")
    if length.isdigit():
        # Of compressed content urllib3 has compared the length before it was unpacked.
        cut = "Content-Encoding" not in headers and len(content) != int(length)
    else:
        cut = headers.get("Transfer-Encoding", "").lower() != "chunked" and not content.endswith(b"\n")
    if cut and content:
        raise SourceError(f"Stooq's answer for {symbol} was cut off on its way; ask again")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep urllib3 from logging the address that is asked, which holds the key."""
    logger = logging.getLogger("urllib3.connectionpool")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
