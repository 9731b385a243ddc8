"""Loopback servers that speak the protocols of Stooq and Alpaca."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd

STOOQ_SECRET = "a+stooq/key="
ALPACA_ID, ALPACA_SECRET = "an-alpaca-id", "an-alpaca-secret"
NEW_YORK = "America/New_York"


@dataclass
class Answer:
    """What a server sends; a length other than the body's is announced, None announces none."""

    body: str
    status: int = 200
    length: int | None = -1
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Server:
    """Answers GET requests with what `answer` makes of them, and remembers them."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self.answer: Callable[[Asked], Answer] = lambda asked: Answer("", 404)

    @contextmanager
    def running(self) -> Iterator[Server]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                asked = Asked(url.path, query, dict(self.headers.items()))
                outer.asked.append(asked)
                answer = outer.answer(asked)
                data = answer.body.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.length is not None:
                    self.send_header("Content-Length", str(len(data) if answer.length < 0 else answer.length))
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def stooq_csv(bars: pd.DataFrame, *, volume: bool = True) -> str:
    """Bars as Stooq writes them."""
    frame = bars.rename(columns=str.title).set_axis(pd.DatetimeIndex(bars.index).strftime("%Y-%m-%d"))
    frame = frame if volume else frame.drop(columns="Volume")
    return frame.rename_axis("Date").to_csv(lineterminator="\r\n")


def stooq(bars: pd.DataFrame) -> Callable[[Asked], Answer]:
    """Stooq, as far as it is known: bars from d1 to d2 for who has the key."""

    def answer(asked: Asked) -> Answer:
        if asked.path != "/q/d/l/":
            return Answer("not found", 404)
        if asked.query.get("apikey") != STOOQ_SECRET:
            return Answer("<!DOCTYPE html><html><body>Get your apikey</body></html>")
        days = pd.DatetimeIndex(bars.index).strftime("%Y%m%d")
        part = bars[(days >= asked.query.get("d1", "0")) & (days <= asked.query.get("d2", "9"))]
        return Answer(stooq_csv(part) if len(part) else "No data")

    return answer


def alpaca_rows(starts: pd.DatetimeIndex, bars: pd.DataFrame) -> list[dict[str, Any]]:
    """Bars that begin at some times as Alpaca writes them."""
    times = starts.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = zip(times, bars.itertuples(index=False), strict=True)
    return [
        {"t": time, "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": int(bar.volume), "n": 9, "vw": 1.5}
        for time, bar in rows
    ]


def alpaca(rows: list[dict[str, Any]], *, page: int = 7) -> Callable[[Asked], Answer]:
    """Alpaca's market data: bars from start to end, some to a page, for who has the keys; crypto for everybody."""

    def answer(asked: Asked) -> Answer:
        crypto = asked.path == "/v1beta3/crypto/us/bars"
        if not crypto and asked.path != "/v2/stocks/bars":
            return Answer('{"message": "endpoint not found."}', 404)
        headers = {name.lower(): value for name, value in asked.headers.items()}
        keys = headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")
        if not crypto and keys != (ALPACA_ID, ALPACA_SECRET):
            return Answer('{"message": "forbidden."}', 403)
        start, end = asked.query["start"], asked.query.get("end", "9")
        wanted = [row for row in rows if start <= row["t"] <= end]
        begin = int(asked.query.get("page_token", "0"))
        token = str(begin + page) if begin + page < len(wanted) else None
        symbol = asked.query["symbols"]
        found = {symbol: wanted[begin : begin + page]} if wanted else {}
        return Answer(json.dumps({"bars": found, "next_page_token": token}))

    return answer
