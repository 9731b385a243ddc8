"""Bars from Alpaca, through alpaca-py: `alpaca:AAPL`, `alpaca:AAPL?interval=15min&feed=sip`, `alpaca:BTC/USD`.

The keys are taken from the environment variables `ALPACA_API_KEY` and `ALPACA_SECRET_KEY`; crypto, whose symbols have
a slash, needs none. Prices of stocks are adjusted for splits and dividends unless `adjustment` says otherwise. Bars
within a day cover trading before and after the session too. Alpaca stamps a bar at its start; here it stands at its
close, as everywhere, and one that is still open is left out.
"""

from __future__ import annotations

import json
import os
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from dltrader.config import Config
from dltrader.data.answers import key_from, line, refused
from dltrader.data.bars import COLUMNS, DAY, Bars, validate_bars
from dltrader.data.closes import closes, known_interval
from dltrader.data.sources import parameters
from dltrader.data.times import written
from dltrader.errors import BarsError, ConfigError, MissingExtraError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

URL: str | None = None
"""Where Alpaca's market data are asked for; None: where alpaca-py asks."""
API_KEY, SECRET_KEY = "ALPACA_API_KEY", "ALPACA_SECRET_KEY"
WHERE = "alpaca.markets"
NEW_YORK = "America/New_York"
EARLIEST = pd.Timestamp("2000-01-01", tz="UTC")
"""What "all there is" begins with; Alpaca itself would begin today."""
TIMEOUT = 60.0
"""Seconds to wait for a connection or the next bytes, for which alpaca-py would wait for ever."""

# Interval -> its length, and how many of which of Alpaca's units it has.
INTERVALS: dict[str, tuple[pd.Timedelta | pd.DateOffset, int, str]] = {
    "1min": (pd.Timedelta(minutes=1), 1, "Min"),
    "5min": (pd.Timedelta(minutes=5), 5, "Min"),
    "15min": (pd.Timedelta(minutes=15), 15, "Min"),
    "30min": (pd.Timedelta(minutes=30), 30, "Min"),
    "1h": (pd.Timedelta(hours=1), 1, "Hour"),
    "1d": (pd.DateOffset(days=1), 1, "Day"),
    "1wk": (pd.DateOffset(weeks=1), 1, "Week"),
    "1mo": (pd.DateOffset(months=1), 1, "Month"),
}
ADJUSTED = {"raw": "nothing", "split": "splits", "dividend": "dividends", "all": "splits and dividends"}
_FIELDS = dict(zip("ohlcv", COLUMNS, strict=True))  # Alpaca's names of the columns


class AlpacaConfig(Config):
    """How Alpaca's bars are asked for."""

    interval: str = Field("1d", description=f"Length of a bar: {', '.join(INTERVALS)}.")
    feed: Literal["iex", "sip", "delayed_sip", "otc", "boats", "overnight"] = Field(
        "iex", description="Which trades count, for stocks: iex is free and sees one exchange, sip sees all of them."
    )
    adjustment: Literal["raw", "split", "dividend", "all"] = Field(
        "all", description="What prices of stocks are adjusted for."
    )

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, interval: str) -> str:
        return known_interval(interval, INTERVALS, "Alpaca")


def load(
    address: str,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    *,
    url: str | None = None,
    now: pd.Timestamp | None = None,
) -> Bars:
    """Bars of a symbol, as far back as Alpaca has them.

    Args:
        address: Alpaca's symbol, and after a question mark the parameters of `AlpacaConfig`.
        start: First time wanted; a few bars before it may come along.
        end: Last time wanted; a few bars after it may come along.
        url: Where the bars are asked for, if not where alpaca-py asks.
        now: The time by which a bar must have closed; by default the clock's.

    Raises:
        BarsError: Alpaca's bars break the rules of bars, or their times cannot be.
        ConfigError: A parameter is not one of Alpaca's, or is one that crypto does not have.
        MissingExtraError: alpaca-py is not installed.
        SourceError: A key is missing, or Alpaca is unreachable, refuses, or has no such bars.
    """
    symbol, values = parameters(address)
    crypto = "/" in symbol
    try:
        config = AlpacaConfig.from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"alpaca:{symbol}: {error}") from None
    surplus = {"feed", "adjustment"} & values.keys()
    if crypto and surplus:
        raise ConfigError(f"alpaca:{symbol}: crypto has no {' and no '.join(sorted(surplus))}; leave it out")
    rows = _fetch(symbol, config, start, end, url or URL, crypto=crypto)
    if not rows:
        raise SourceError(
            f"Alpaca has no bars of {symbol} at interval {config.interval} in that span; check the symbol, or ask for "
            "another span"
        )
    origin = f"alpaca:{address}"
    try:
        frame = pd.DataFrame.from_records(rows)[["t", *_FIELDS]].rename(columns=_FIELDS)
        starts = pd.DatetimeIndex(pd.to_datetime(frame.pop("t"), format="ISO8601", utc=True))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"Alpaca answered the request for {symbol} with something else than bars ({line(str(error))}); it may be "
            "down, so try later"
        ) from None
    length = INTERVALS[config.interval][0]
    starts = starts if crypto else starts.tz_convert(NEW_YORK)
    now = pd.Timestamp.now("UTC") if now is None else now
    _check_clock(starts, length, now, origin, crypto=crypto)
    stamps, closed = closes(starts, length, now)
    if not closed.any():
        raise SourceError(f"the only bar of {symbol} that Alpaca has is still open; ask again later")
    bars = validate_bars(frame.set_axis(stamps)[closed], origin)
    bars.attrs["adjusted"] = "nothing" if crypto else ADJUSTED[config.adjustment]
    return bars


def _check_clock(
    starts: pd.DatetimeIndex,
    length: pd.Timedelta | pd.DateOffset,
    now: pd.Timestamp,
    origin: str,
    *,
    crypto: bool,
) -> None:
    """Refuse bars that begin where none can, or in the future: the clock of one side is shifted."""
    advice = "ask again later, or use another source"
    if isinstance(length, pd.Timedelta):
        wrong = np.asarray(starts.tz_convert("UTC").floor(length) != starts)
    else:  # a day of crypto begins at some hour of its own
        wrong = np.asarray(starts != (starts.floor("h") if crypto else starts.normalize()))
    if wrong.any():
        row = int(wrong.argmax())
        raise BarsError(
            f"{origin} row {row}: a bar begins at {starts[row]}, where none can begin, as if Alpaca's clock were "
            f"shifted; {advice}"
        )
    if starts[-1] > now + pd.Timedelta(minutes=5):
        raise BarsError(
            f"{origin}: the last bar begins at {starts[-1]}, in the future (now is {written(now)}); "
            f"set the clock of this machine, or {advice}"
        )


def _fetch(
    symbol: str,
    config: AlpacaConfig,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    url: str | None,
    *,
    crypto: bool,
) -> Sequence[dict[str, Any]]:
    """Alpaca's bars as it writes them, all pages of them."""
    try:
        with warnings.catch_warnings():
            # alpaca-py brings the websockets that it streams with, and those warn of their own age.
            warnings.simplefilter("ignore", DeprecationWarning)
            from alpaca.common.exceptions import APIError  # noqa: PLC0415 - an optional dependency
            from alpaca.data import historical, requests, timeframe  # noqa: PLC0415
            from alpaca.data.enums import Adjustment, DataFeed  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("alpaca-py", "alpaca") from None
    length, amount, unit = INTERVALS[config.interval]
    # Bars are asked for by their start, which may lie before the time wanted.
    begin = EARLIEST if start is None else start - length - DAY
    asked: dict[str, Any] = {
        "symbol_or_symbols": symbol,
        "timeframe": timeframe.TimeFrame(amount, timeframe.TimeFrameUnit(unit)),
        "start": begin.to_pydatetime(),
        "end": None if end is None else (end + DAY).to_pydatetime(),
    }
    client: Any
    request: Any
    if crypto:
        key, secret = (os.environ.get(name, "").strip() or None for name in (API_KEY, SECRET_KEY))
        client = historical.CryptoHistoricalDataClient(key, secret, raw_data=True, url_override=url)
        request = requests.CryptoBarsRequest(**asked)
    else:
        key, secret = (key_from(name, "Alpaca", WHERE) for name in (API_KEY, SECRET_KEY))
        client = historical.StockHistoricalDataClient(key, secret, raw_data=True, url_override=url)
        request = requests.StockBarsRequest(
            **asked, feed=DataFeed(config.feed), adjustment=Adjustment(config.adjustment)
        )
    keys = [one for one in (key, secret) if one is not None]
    _bound(client)
    try:
        answer = client.get_crypto_bars(request) if crypto else client.get_stock_bars(request)
        rows: Sequence[dict[str, Any]] = answer.get(symbol) or answer.get(symbol.upper()) or []
    except APIError as error:
        raise refused(
            "Alpaca", symbol, error.status_code or 0, _reason(str(error), keys), [API_KEY, SECRET_KEY]
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # alpaca-py stumbles over whatever is not the JSON it expects, such as a web page.
        raise SourceError(
            f"Alpaca answered the request for {symbol} with something else than bars "
            f"({type(error).__name__}: {line(str(error), keys)}); it may be down, so try later"
        ) from None
    except OSError as error:
        raise SourceError(
            f"Alpaca is unreachable or its answer was cut off ({type(error).__name__}); check the network and ask "
            "again, or load from a csv: file"
        ) from None
    return rows


def _bound(client: Any) -> None:
    """Give the requests of a client of alpaca-py a time limit, which it has no setting for."""
    session = client._session  # noqa: SLF001 - it has no public name
    session.request = partial(session.request, timeout=TIMEOUT)


def _reason(text: str, keys: Sequence[str]) -> str:
    """Alpaca's own words in the body of an error: JSON with a message, or something else, which may be a web page."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    message = found.get("message", "") if isinstance(found, dict) else "" if text.lstrip().startswith("<") else text
    return line(str(message), keys)
