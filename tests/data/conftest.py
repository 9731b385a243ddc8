"""A loopback server that speaks Yahoo's chart protocol, those of Stooq and Alpaca, and bars to feed them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import requests
import yfinance
import yfinance.cache
import yfinance.data
from requests.adapters import HTTPAdapter

from dltrader.data import alpaca as alpaca_source
from dltrader.data import stooq as stooq_source

from . import servers
from .servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW_YORK = "America/New_York"


def make_bars(n: int = 10, start: str = "2020-01-06", freq: str = "B") -> pd.DataFrame:
    close = 100.0 + np.arange(n)
    return pd.DataFrame(
        {
            "open": close - 0.5,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "volume": 1000.0 + np.arange(n),
        },
        index=pd.date_range(start, periods=n, freq=freq, tz="UTC", name="time"),
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, so that no test reads what another has fetched."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DLTRADER_CACHE", str(folder))
    monkeypatch.delenv("DLTRADER_OFFLINE", raising=False)
    return folder


@pytest.fixture
def bars() -> pd.DataFrame:
    return make_bars()


def chart(starts: pd.DatetimeIndex, bars: pd.DataFrame, adjusted: Any = None) -> dict[str, Any]:
    """Yahoo's answer for bars that begin at the given times."""
    first, last = int(starts[0].timestamp()), int(starts[-1].timestamp())
    sessions = [
        {
            "timezone": "EST",
            "gmtoffset": -18000,
            "start": int((day + pd.Timedelta(hours=9.5)).timestamp()),
            "end": int((day + pd.Timedelta(hours=16)).timestamp()),
        }
        for day in starts.tz_convert(NEW_YORK).normalize().unique()
    ]
    quote = {name: bars[name].tolist() for name in ("open", "high", "low", "close")}
    quote["volume"] = [int(volume) for volume in bars["volume"]]
    adjusted = bars["close"] if adjusted is None else adjusted
    result = {
        "meta": {
            "currency": "USD",
            "symbol": "SPY",
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": NEW_YORK,
            "timezone": "EST",
            "gmtoffset": -18000,
            "firstTradeDate": first,
            "regularMarketTime": last,
            "priceHint": 2,
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "5d", "1mo", "max"],
            "tradingPeriods": [[session] for session in sessions],
        },
        "timestamp": [int(start.timestamp()) for start in starts],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": list(adjusted)}]},
    }
    return {"chart": {"result": [result], "error": None}}


@dataclass
class Yahoo:
    """What the server answers, and what it was asked."""

    port: int = 0
    status: int = 200
    body: str = ""
    probe: str = ""  # answers the question of yfinance that comes first, for the time zone
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, body: Any, status: int = 200) -> None:
        self.status = status
        self.body = body if isinstance(body, str) else json.dumps(body)

    def serve(self, starts: pd.DatetimeIndex, bars: pd.DataFrame, adjusted: Any = None) -> None:
        self.answer(chart(starts, bars, adjusted))


class Loopback(HTTPAdapter):
    """Sends every request to the server on this machine, whatever host it names."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        url = urlsplit(request.url)
        request.url = url._replace(scheme="http", netloc=f"127.0.0.1:{self.port}").geturl()
        return super().send(request, *args, **kwargs)


@pytest.fixture(scope="session")
def yahoo_server() -> Iterator[Yahoo]:
    yahoo = Yahoo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            status, body = 404, "{}"
            if url.path == "/v1/test/getcrumb":
                status, body = 200, "a-crumb"
            elif url.path.startswith("/v8/finance/chart/"):
                asked = {name: values[0] for name, values in parse_qs(url.query).items()}
                yahoo.asked.append({"symbol": url.path.rpartition("/")[2], **asked})
                status, body = yahoo.status, yahoo.body
                if yahoo.probe and asked.get("range") == "1d":
                    status, body = 200, yahoo.probe
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yahoo.port = server.server_port
    yield yahoo
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def loopback_session(yahoo_server: Yahoo) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy of the machine's
        session.mount("https://", Loopback(yahoo_server.port))
        yield session


@pytest.fixture
def yahoo(yahoo_server: Yahoo, loopback_session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yahoo]:
    """yfinance as if freshly imported, without a cache on disk, talking to the loopback server."""
    monkeypatch.setattr(yfinance.cache, "get_tz_cache", yfinance.cache._TzCacheDummy)
    monkeypatch.setattr(yfinance.cache, "get_cookie_cache", yfinance.cache._CookieCacheDummy)
    monkeypatch.setattr(yfinance.data.SingletonMeta, "_instances", {})
    yfinance.data.YfData(session=loopback_session)
    yahoo_server.asked.clear()
    yahoo_server.probe = ""
    frame = make_bars(20, "2024-01-02")
    yahoo_server.serve(market_opens(frame), frame)
    yield yahoo_server
    yfinance.data.YfData.cache_get.cache_clear()


def market_opens(bars: pd.DataFrame) -> pd.DatetimeIndex:
    """When New York opens on the dates of bars: how Yahoo stamps a daily bar."""
    days = pd.DatetimeIndex(bars.index).tz_localize(None)
    return (days + pd.Timedelta(hours=9.5)).tz_localize(NEW_YORK)


@pytest.fixture(scope="session")
def stooq_server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture
def stooq(stooq_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Stooq on this machine, with 20 daily bars, and the key that it knows."""
    monkeypatch.setattr(stooq_source, "URL", f"{stooq_server.url}/q/d/l/")
    monkeypatch.setenv("STOOQ_API_KEY", servers.STOOQ_SECRET)
    monkeypatch.setenv("NO_PROXY", "*")
    stooq_server.asked.clear()
    stooq_server.answer = servers.stooq(make_bars(20, "2024-01-02"))
    return stooq_server


@pytest.fixture(scope="session")
def alpaca_server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture
def alpaca(alpaca_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Alpaca on this machine, with 20 daily bars on pages of 7, and the keys that it knows."""
    monkeypatch.setattr(alpaca_source, "URL", alpaca_server.url)
    monkeypatch.setattr("alpaca.common.rest.DEFAULT_RETRY_WAIT_SECONDS", 0)
    monkeypatch.setenv("ALPACA_API_KEY", servers.ALPACA_ID)
    monkeypatch.setenv("ALPACA_SECRET_KEY", servers.ALPACA_SECRET)
    monkeypatch.setenv("NO_PROXY", "*")
    alpaca_server.asked.clear()
    bars = make_bars(20, "2024-01-02")
    starts = pd.DatetimeIndex(bars.index).tz_localize(None).tz_localize(NEW_YORK)
    alpaca_server.answer = servers.alpaca(servers.alpaca_rows(starts, bars))
    return alpaca_server
