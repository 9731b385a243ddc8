"""Bars from Yahoo Finance, through yfinance: `yahoo:SPY`, `yahoo:SPY?interval=1h`.

Prices are adjusted for splits and dividends. Yahoo stamps a bar at its start; here, as everywhere
in dltrader, it stands at its close: an hour later for a bar of an hour, the same date for a bar of
a day, the last date it covers for longer ones. A bar that is still open is left out.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import Field, field_validator

from dltrader.config import Config
from dltrader.data.answers import line
from dltrader.data.bars import DAY, Bars, validate_bars
from dltrader.data.closes import closes, known_interval
from dltrader.data.sources import parameters
from dltrader.errors import ConfigError, MissingExtraError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator


INTRADAY = {
    "1m": pd.Timedelta(minutes=1),
    "2m": pd.Timedelta(minutes=2),
    "5m": pd.Timedelta(minutes=5),
    "15m": pd.Timedelta(minutes=15),
    "30m": pd.Timedelta(minutes=30),
    "60m": pd.Timedelta(minutes=60),
    "90m": pd.Timedelta(minutes=90),
    "1h": pd.Timedelta(hours=1),
}
DAILY = {
    "1d": pd.DateOffset(days=1),
    "5d": pd.DateOffset(days=5),
    "1wk": pd.DateOffset(weeks=1),
    "1mo": pd.DateOffset(months=1),
    "3mo": pd.DateOffset(months=3),
}
LENGTHS: dict[str, pd.Timedelta | pd.DateOffset] = {**INTRADAY, **DAILY}
INTERVALS = tuple(LENGTHS)
ADJUSTED = "splits and dividends"
TOLERANCE = 1e-5
"""Yahoo computes in single precision: that much a close may lie above its high."""

_NOT_FOUND = 404


class YahooConfig(Config):
    """How Yahoo's bars are asked for."""

    interval: str = Field("1d", description=f"Length of a bar: {', '.join(INTERVALS)}.")

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, interval: str) -> str:
        return known_interval(interval, INTERVALS, "Yahoo")


def load(
    address: str,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    *,
    session: Any = None,
    now: pd.Timestamp | None = None,
) -> Bars:
    """Bars of a symbol, as far back as Yahoo has them.

    Args:
        address: Yahoo's symbol, and after a question mark the parameters of `YahooConfig`.
        start: First time wanted; a few bars before it may come along.
        end: Last time wanted; a few bars after it may come along.
        session: A `curl_cffi` or `requests` session to use, for a proxy say; yfinance keeps it for
            the whole process.
        now: The time by which a bar must have closed; by default the clock's.

    Raises:
        BarsError: Yahoo's bars break the rules of bars.
        ConfigError: The interval is not one of Yahoo's.
        MissingExtraError: yfinance is not installed.
        SourceError: Yahoo is unreachable, refuses, or has no such bars. No other source is tried.
    """
    symbol, values = parameters(address)
    try:
        interval = YahooConfig.from_mapping(values).interval
    except ConfigError as error:
        raise ConfigError(f"yahoo:{symbol}: {error}") from None
    frame = _fetch(symbol, interval, start, end, session)
    index = frame.index
    if frame.empty or not isinstance(index, pd.DatetimeIndex):
        raise SourceError(
            f"Yahoo has no bars of {symbol} at interval {interval} in that span; "
            "look the symbol up at finance.yahoo.com, or ask for a shorter or later span"
        )
    stamps, closed = closes(index, LENGTHS[interval], pd.Timestamp.now("UTC") if now is None else now)
    bars = frame.set_axis(stamps)[closed]
    if bars.empty:
        raise SourceError(f"the only bar of {symbol} that Yahoo has is still open; ask again later")
    bars = validate_bars(bars, f"yahoo:{address}", tolerance=TOLERANCE)
    bars.attrs["adjusted"] = ADJUSTED
    return bars


def _fetch(
    symbol: str,
    interval: str,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    session: Any,
) -> pd.DataFrame:
    """What yfinance delivers: stamped at the start of bars, in the exchange's time zone."""
    try:
        import yfinance  # noqa: PLC0415 - an optional dependency
        from yfinance.exceptions import YFException, YFRateLimitError  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("yfinance", "yahoo") from None
    reach: dict[str, Any] = {"period": "max"}
    if start is not None:
        # Bars are asked for by their start, which may lie before the time wanted.
        intraday = interval in INTRADAY
        begin = start - INTRADAY[interval] if intraday else start - DAILY[interval] - DAY
        reach = {"start": begin.to_pydatetime()}
        if end is not None:
            reach["end"] = (end + DAY).to_pydatetime()
    try:
        with _quiet(yfinance):
            ticker = yfinance.Ticker(symbol, session=session)
            frame: pd.DataFrame = ticker.history(interval=interval, auto_adjust=True, actions=False, **reach)
    except YFRateLimitError:
        raise SourceError(
            f"Yahoo refuses {symbol} for now: too many requests (429); wait, or load from a csv: file"
        ) from None
    except YFException as error:
        raise SourceError(
            f"Yahoo has no bars of {symbol} at interval {interval}: {_line(error)}; "
            "look the symbol up at finance.yahoo.com, or ask for another span"
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # yfinance stumbles over whatever is not the JSON it expects.
        raise SourceError(
            f"Yahoo answered the request for {symbol} with something else than bars "
            f"({type(error).__name__}: {_line(error)}); it may be down, so try later"
        ) from None
    except OSError as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == _NOT_FOUND:
            raise SourceError(
                f"Yahoo has no bars of {symbol}: it does not know the symbol (404); look it up at finance.yahoo.com"
            ) from None
        raise SourceError(
            f"Yahoo is unreachable ({_line(error)}); check the network, or load from a csv: file"
        ) from None
    return frame


@contextmanager
def _quiet(yfinance: Any) -> Iterator[None]:
    """Let yfinance raise what it would log, and print nothing."""
    logger = logging.getLogger("yfinance")
    debug = yfinance.config.debug
    before = logger.disabled, debug.hide_exceptions
    logger.disabled, debug.hide_exceptions = True, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled, debug.hide_exceptions = before


def _line(error: Exception) -> str:
    return line(str(error) or type(error).__name__)
