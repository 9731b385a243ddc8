import logging
import socket
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import requests

from dltrader.data import fingerprint, load_bars
from dltrader.data import stooq as source
from dltrader.errors import BarsError, ConfigError, MissingExtraError, SourceError

from .conftest import make_bars
from .servers import STOOQ_SECRET, Answer, Server, stooq_csv

WEB_PAGE = "<!DOCTYPE html>\n<html><body>Something else</body></html>"


def refusal(uri: str = "stooq:aapl.us") -> str:
    """The message, which is one line and does not hold the key."""
    with pytest.raises((SourceError, BarsError)) as caught:
        load_bars(uri)
    message = str(caught.value)
    assert "\n" not in message
    assert STOOQ_SECRET not in message
    assert "stooq%2Fkey" not in message
    return message


def test_daily_bars_stand_at_their_date(stooq: Server):
    bars = load_bars("stooq:aapl.us")
    pd.testing.assert_frame_equal(bars, make_bars(20, "2024-01-02"), check_freq=False, check_index_type=False)
    assert stooq.asked[-1].query == {"s": "aapl.us", "i": "d", "apikey": STOOQ_SECRET}
    assert bars.attrs["adjusted"] == "splits and dividends"
    assert bars.attrs["provider"] == "stooq"


def test_a_span_is_asked_for_with_a_margin_and_cut(stooq: Server):
    bars = load_bars("stooq:aapl.us", start="2024-01-10", end="2024-01-12")
    assert [str(time.date()) for time in bars.index] == ["2024-01-10", "2024-01-11", "2024-01-12"]
    assert stooq.asked[-1].query["d1"] == "20240108"
    assert stooq.asked[-1].query["d2"] == "20240114"


def test_bars_without_volume_have_volume_0(stooq: Server):
    stooq.answer = lambda asked: Answer(stooq_csv(make_bars(5, "2024-01-02"), volume=False))
    assert load_bars("stooq:eurusd")["volume"].tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("interval", "dates", "stamps"),
    [
        # Whatever day of its period Stooq dates a bar at, it stands at the last.
        ("w", ["2024-01-05", "2024-01-08", "2024-01-21"], ["2024-01-07", "2024-01-14", "2024-01-21"]),
        ("m", ["2024-01-01", "2024-02-29", "2024-03-28"], ["2024-01-31", "2024-02-29", "2024-03-31"]),
        ("q", ["2024-01-02", "2024-06-28"], ["2024-03-31", "2024-06-30"]),
        ("y", ["2022-12-30", "2023-01-01"], ["2022-12-31", "2023-12-31"]),
    ],
)
def test_longer_bars_stand_at_the_last_date_they_cover(stooq: Server, interval, dates, stamps):
    frame = make_bars(len(dates)).set_axis(pd.DatetimeIndex(dates, tz="UTC"))
    stooq.answer = lambda asked: Answer(stooq_csv(frame))
    bars = load_bars(f"stooq:aapl.us?interval={interval}")
    assert [str(time.date()) for time in bars.index] == stamps
    assert stooq.asked[-1].query["i"] == interval


@pytest.mark.parametrize(
    ("now", "left"), [("2024-01-29 23:59", 19), ("2024-01-30 00:00", 20), ("2024-01-28 12:00", 19)]
)
def test_a_bar_is_open_until_midnight_in_new_york(stooq: Server, now, left):
    assert len(source.load("aapl.us", now=pd.Timestamp(now, tz="America/New_York"))) == left


def test_no_closed_bar_is_an_error(stooq: Server):
    stooq.answer = lambda asked: Answer(stooq_csv(make_bars(1, "2024-01-02")))
    with pytest.raises(SourceError, match=r"the only bar of aapl.us that Stooq has is still open"):
        source.load("aapl.us", now=pd.Timestamp("2024-01-02 18:00", tz="UTC"))


def test_a_missing_key_names_the_variable_and_asks_nobody(stooq: Server, monkeypatch):
    monkeypatch.delenv("STOOQ_API_KEY")
    with pytest.raises(SourceError, match=r"environment variable STOOQ_API_KEY is not set; get a key at stooq.com"):
        load_bars("stooq:aapl.us")
    assert stooq.asked == []


def test_a_web_page_instead_of_csv_names_the_variable(stooq: Server, monkeypatch):
    monkeypatch.setenv("STOOQ_API_KEY", "wrong")
    assert "a page for people instead of CSV: the key in STOOQ_API_KEY is probably wrong" in refusal()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(WEB_PAGE), "the key in STOOQ_API_KEY is probably wrong"),
        (Answer("Get your apikey: 1. Open a page"), "the key in STOOQ_API_KEY is probably wrong"),
        (Answer("No data"), "Stooq has no bars of aapl.us in that span; look the symbol up at stooq.com"),
        (Answer("Exceeded the daily hits limit"), "the requests of the day are used up; go on tomorrow"),
        (Answer(""), "with nothing; check the symbol or try later"),
        (Answer(f"Try {STOOQ_SECRET} again"), "with something else than CSV: 'Try *** again'"),
        (Answer("no", 401), "Stooq refuses aapl.us (401: no); check STOOQ_API_KEY"),
        (Answer(WEB_PAGE, 403), "Stooq refuses aapl.us (403); check STOOQ_API_KEY"),
        (Answer(WEB_PAGE, 404), "Stooq has no bars of aapl.us (404); check the symbol"),
        (Answer("slow down", 429), "too many requests (429: slow down); wait"),
        (Answer(WEB_PAGE, 500), "Stooq is out of order (500); try later"),
        (Answer("", 503), "Stooq is out of order (503); try later"),
        (Answer("", 302, headers={"Location": "http://127.0.0.1:9/"}), "refuses the request for aapl.us (302)"),
        (Answer("Date,Open,High,Low,Close,Volume\r\n"), "has a header but no rows"),
    ],
    ids=lambda value: f"{value.status}-{value.body[:12]}" if isinstance(value, Answer) else "",
)
def test_every_refusal_says_in_one_line_what_to_do(stooq: Server, answer, words):
    stooq.answer = lambda asked: answer
    assert words in refusal()


def test_an_answer_shorter_than_announced_was_cut_off(stooq: Server):
    text = stooq_csv(make_bars(5, "2024-01-02"))
    stooq.answer = lambda asked: Answer(text, length=len(text) + 100)
    assert "was cut off on its way; ask again" in refusal()


def test_a_last_line_without_its_end_was_cut_off_where_no_length_was_announced(stooq: Server):
    text = stooq_csv(make_bars(5, "2024-01-02"))
    stooq.answer = lambda asked: Answer(text[:-4], length=None)  # the volume has lost a digit
    assert "was cut off on its way; ask again" in refusal()
    stooq.answer = lambda asked: Answer(text.rstrip())
    assert len(load_bars("stooq:aapl.us")) == 5  # HTTP itself vouches for the length


@pytest.mark.parametrize(
    ("headers", "whole"),
    [
        ({"Content-Length": "8"}, True),
        ({"Content-Length": "9"}, False),
        ({"Content-Length": "5", "Content-Encoding": "gzip"}, True),
        ({"Transfer-Encoding": "chunked"}, True),
        ({}, False),
    ],
)
def test_where_http_vouches_for_the_length_the_last_line_needs_no_end(headers, whole):
    with nullcontext() if whole else pytest.raises(SourceError, match="cut off"):
        source._check_whole(headers, b"Date,1,2", "aapl.us")


def test_a_line_cut_in_its_middle_is_named(stooq: Server):
    text = stooq_csv(make_bars(5, "2024-01-02"))
    stooq.answer = lambda asked: Answer(text[:-12] + "\r\n")
    assert "stooq:aapl.us line 6: 5 columns, where the first line has 6 (as Stooq sent it; ask again later" in refusal()


def test_duplicated_bars_are_refused(stooq: Server):
    frame = make_bars(5, "2024-01-02").iloc[[0, 1, 1, 2]]
    stooq.answer = lambda asked: Answer(stooq_csv(frame))
    assert "the time 2024-01-03 occurs twice" in refusal()


def test_two_bars_of_one_week_are_refused(stooq: Server):
    stooq.answer = lambda asked: Answer(stooq_csv(make_bars(3, "2024-01-02")))
    assert "the time 2024-01-07 occurs twice" in refusal("stooq:aapl.us?interval=w")


def test_bars_of_a_shifted_clock_are_refused(stooq: Server):
    text = stooq_csv(make_bars(3, "2024-01-02")).replace("2024-01-03", "2024-01-03 23:00")
    stooq.answer = lambda asked: Answer(text)
    assert "row 1: a bar of a day or more is stamped 2024-01-03 23:00:00, which is no date" in refusal()


def test_bars_of_the_future_are_refused(stooq: Server):
    with pytest.raises(BarsError, match=r"the last bar is of 2024-01-29, which lies in the future \(now is 2023"):
        source.load("aapl.us", now=pd.Timestamp("2023-06-01", tz="UTC"))


def test_an_unreachable_server_says_so_without_the_key(stooq: Server, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(source, "URL", f"http://127.0.0.1:{unused.getsockname()[1]}/q/d/l/")
        assert "Stooq is unreachable (ConnectionError); check the network" in refusal()


def test_the_key_stays_out_of_the_log_and_the_cache(stooq: Server, cache, caplog):
    with caplog.at_level(logging.DEBUG):
        load_bars("stooq:aapl.us")
    assert STOOQ_SECRET not in caplog.text
    assert "apikey" not in caplog.text
    (file,) = cache.rglob("*.parquet")
    assert STOOQ_SECRET.encode() not in file.read_bytes()


def test_session_and_address_can_be_passed(stooq: Server, monkeypatch):
    monkeypatch.setattr(source, "URL", "http://nowhere.invalid/")
    with requests.Session() as session:
        bars = source.load("aapl.us", session=session, url=f"{stooq.url}/q/d/l/")
    np.testing.assert_array_equal(bars["close"], make_bars(20)["close"])


def test_an_unknown_interval_is_answered_with_a_hint(stooq: Server):
    with pytest.raises(ConfigError, match=r"stooq:aapl.us: interval: Stooq has no '5min'; known: d, m, q, w, y"):
        load_bars("stooq:aapl.us?interval=5min")
    assert stooq.asked == []


def test_missing_requests_say_how_to_install_them(stooq: Server, monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(MissingExtraError, match=r'pip install "dltrader\[stooq\]"'):
        load_bars("stooq:aapl.us")


def test_what_is_kept_equals_what_was_fetched(stooq: Server):
    fetched = load_bars("stooq:aapl.us", end="2024-01-20")
    again = load_bars("stooq:aapl.us", end="2024-01-20")
    pd.testing.assert_frame_equal(fetched, again)
    assert fingerprint(fetched) == fingerprint(again)
    assert fetched.attrs == again.attrs
    assert len(stooq.asked) == 1


def test_importing_the_sources_loads_none_of_their_libraries():
    code = (
        "import sys, dltrader.data, dltrader.data.stooq, dltrader.data.alpaca, dltrader.data.calendars;"
        "print(sorted({'requests', 'alpaca', 'exchange_calendars', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
