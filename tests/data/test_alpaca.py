import json
import re
import socket
import sys

import numpy as np
import pandas as pd
import pytest

from dltrader.data import alpaca as source
from dltrader.data import load_bars
from dltrader.errors import BarsError, ConfigError, MissingExtraError, SourceError

from . import servers
from .conftest import NEW_YORK, make_bars
from .servers import ALPACA_ID, ALPACA_SECRET, Answer, Server


def refusal(uri: str = "alpaca:AAPL") -> str:
    """The message, which is one line and holds no key."""
    with pytest.raises((SourceError, BarsError)) as caught:
        load_bars(uri)
    message = str(caught.value)
    assert "\n" not in message
    assert ALPACA_ID not in message
    assert ALPACA_SECRET not in message
    return message


def starts(first: str, n: int, freq: str, zone: str = NEW_YORK) -> pd.DatetimeIndex:
    return pd.date_range(first, periods=n, freq=freq, tz=zone)


def serve(server: Server, times: pd.DatetimeIndex, page: int = 7) -> pd.DataFrame:
    bars = make_bars(len(times))
    server.answer = servers.alpaca(servers.alpaca_rows(times, bars), page=page)
    return bars


def test_daily_bars_of_all_pages_stand_at_their_date(alpaca: Server):
    bars = load_bars("alpaca:AAPL")
    pd.testing.assert_frame_equal(bars, make_bars(20, "2024-01-02"), check_freq=False, check_index_type=False)
    assert [asked.query.get("page_token") for asked in alpaca.asked] == [None, "7", "14"]
    assert bars.attrs["adjusted"] == "splits and dividends"


def test_what_is_asked_for(alpaca: Server):
    load_bars("alpaca:AAPL?interval=1d&feed=sip&adjustment=split", start="2024-01-10", end="2024-01-12")
    asked = alpaca.asked[0]
    assert asked.path == "/v2/stocks/bars"
    assert asked.query["symbols"] == "AAPL"
    assert asked.query["timeframe"] == "1Day"
    assert asked.query["feed"] == "sip"
    assert asked.query["adjustment"] == "split"
    assert asked.query["start"] == "2024-01-08T00:00:00+00:00"
    assert asked.query["end"].startswith("2024-01-13T23:59:59")


def test_without_a_start_all_there_is_is_asked_for(alpaca: Server):
    bars = load_bars("alpaca:AAPL?adjustment=raw")
    assert alpaca.asked[0].query["start"] == "2000-01-01T00:00:00+00:00"
    assert alpaca.asked[0].query["feed"] == "iex"
    assert bars.attrs["adjusted"] == "nothing"


@pytest.mark.parametrize(
    ("interval", "timeframe", "minutes"),
    [("1min", "1Min", 1), ("5min", "5Min", 5), ("15min", "15Min", 15), ("30min", "30Min", 30), ("1h", "1Hour", 60)],
)
def test_bars_within_a_day_are_stamped_at_their_close(alpaca: Server, interval, timeframe, minutes):
    times = starts("2024-01-02 10:00", 9, f"{minutes}min")
    raw = serve(alpaca, times)
    bars = load_bars(f"alpaca:AAPL?interval={interval}")
    assert alpaca.asked[-1].query["timeframe"] == timeframe
    assert bars.index[0] == pd.Timestamp("2024-01-02 15:00", tz="UTC") + pd.Timedelta(minutes=minutes)
    np.testing.assert_array_equal(bars["close"], raw["close"])


@pytest.mark.parametrize(("interval", "freq", "stamp"), [("1wk", "W-MON", "2024-01-07"), ("1mo", "MS", "2024-01-31")])
def test_longer_bars_stand_at_the_last_date_they_cover(alpaca: Server, interval, freq, stamp):
    serve(alpaca, starts("2024-01-01", 3, freq))
    assert load_bars(f"alpaca:AAPL?interval={interval}").index[0] == pd.Timestamp(stamp, tz="UTC")


def test_a_day_of_daylight_saving_keeps_its_date(alpaca: Server):
    serve(alpaca, starts("2024-03-08", 4, "D"))
    dates = [str(time) for time in load_bars("alpaca:AAPL").index.strftime("%m-%d %H:%M")]
    assert dates == ["03-08 00:00", "03-09 00:00", "03-10 00:00", "03-11 00:00"]


@pytest.mark.parametrize(("now", "left"), [("2024-01-02 10:44:59", 2), ("2024-01-02 10:45", 3)])
def test_a_bar_that_is_still_open_is_left_out(alpaca: Server, now, left):
    serve(alpaca, starts("2024-01-02 10:00", 3, "15min"))
    assert len(source.load("AAPL?interval=15min", now=pd.Timestamp(now, tz=NEW_YORK))) == left


def test_no_closed_bar_is_an_error(alpaca: Server):
    serve(alpaca, starts("2024-01-02", 1, "D"))
    with pytest.raises(SourceError, match="the only bar of AAPL that Alpaca has is still open"):
        source.load("AAPL", now=pd.Timestamp("2024-01-02 20:00", tz=NEW_YORK))


def test_crypto_needs_no_keys(alpaca: Server, monkeypatch):
    monkeypatch.delenv("ALPACA_API_KEY")
    raw = serve(alpaca, starts("2024-01-02 10:00", 9, "h", "UTC"))
    bars = load_bars("alpaca:BTC/USD?interval=1h")
    assert alpaca.asked[0].path == "/v1beta3/crypto/us/bars"
    assert bars.index[0] == pd.Timestamp("2024-01-02 11:00", tz="UTC")
    np.testing.assert_array_equal(bars["open"], raw["open"])
    assert bars.attrs["adjusted"] == "nothing"


def test_a_day_of_crypto_stands_at_the_date_it_begins(alpaca: Server):
    serve(alpaca, starts("2024-01-02 06:00", 3, "D", "UTC"))
    assert [str(time.date()) for time in load_bars("alpaca:BTC/USD").index] == [
        "2024-01-02",
        "2024-01-03",
        "2024-01-04",
    ]


@pytest.mark.parametrize("variable", ["ALPACA_API_KEY", "ALPACA_SECRET_KEY"])
def test_a_missing_key_names_the_variable_and_asks_nobody(alpaca: Server, monkeypatch, variable):
    monkeypatch.delenv(variable)
    assert f"environment variable {variable} is not set; get a key at alpaca.markets" in refusal()
    assert alpaca.asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer('{"message": "unauthorized."}', 401), "(401: unauthorized.); check ALPACA_API_KEY and ALPACA_SECRET"),
        (Answer('{"message": "subscription does not permit SIP"}', 403), "(403: subscription does not permit SIP)"),
        (Answer('{"code": 42210000, "message": "invalid symbol"}', 422), "refuses the request for AAPL (422: invalid"),
        (Answer('{"message": "too many requests."}', 429), "too many requests (429: too many requests.); wait"),
        (Answer(f"no {ALPACA_SECRET}", 400), "(400: no ***); check symbol, interval and span"),
        (Answer("<html>Bad Gateway</html>", 502), "Alpaca is out of order (502); try later"),
        (Answer("<html>504</html>", 504), "Alpaca is out of order (504); try later"),
        (Answer("<html>Welcome</html>"), "with something else than bars (JSONDecodeError"),
        (Answer(""), "with something else than bars"),
        (Answer("[]"), "with something else than bars"),
        (Answer('{"bars": {"AAPL": [{"t": "2024-01-02T05:00:00Z"}]}}'), "with something else than bars"),
        (Answer('{"bars": {"AAPL": [{"t": "x", "o":1,"h":1,"l":1,"c":1,"v":1}]}}'), "with something else than bars"),
        (Answer('{"bars": {}, "next_page_token": null}'), "Alpaca has no bars of AAPL at interval 1d in that span"),
        (Answer('{"bars": {"AAPL": []}, "next_page_token": null}'), "Alpaca has no bars of AAPL"),
    ],
    ids=lambda value: f"{value.status}-{value.body[:20]}" if isinstance(value, Answer) else "",
)
def test_every_refusal_says_in_one_line_what_to_do(alpaca: Server, answer, words):
    alpaca.answer = lambda asked: answer
    assert words in refusal()


def test_an_answer_shorter_than_announced_is_refused(alpaca: Server):
    alpaca.answer = lambda asked: Answer('{"bars": {"AAPL"', length=500)
    assert "Alpaca is unreachable or its answer was cut off" in refusal()


def test_a_page_that_fails_fails_the_whole(alpaca: Server):
    whole = alpaca.answer
    alpaca.answer = lambda asked: Answer("", 500) if asked.query.get("page_token") == "7" else whole(asked)
    assert "Alpaca is out of order (500)" in refusal()


def test_duplicated_bars_are_refused(alpaca: Server):
    serve(alpaca, starts("2024-01-02", 3, "D")[[0, 1, 1]])
    assert "the time 2024-01-03 occurs twice" in refusal()


@pytest.mark.parametrize(("interval", "shift"), [("1d", "1h"), ("1h", "7min"), ("15min", "30s")])
def test_bars_of_a_shifted_clock_are_refused(alpaca: Server, interval, shift):
    serve(alpaca, starts("2024-01-02", 3, {"1d": "D"}.get(interval, interval)) + pd.Timedelta(shift))
    message = refusal(f"alpaca:AAPL?interval={interval}")
    assert "where none can begin, as if Alpaca's clock were shifted; ask again later" in message


def test_bars_of_the_future_are_refused(alpaca: Server):
    with pytest.raises(BarsError, match=r"begins at 2024-01-29.* in the future \(now is 2023-06-01\)"):
        source.load("AAPL", now=pd.Timestamp("2023-06-01", tz="UTC"))


def test_contradictory_bars_are_not_repaired(alpaca: Server):
    bars = make_bars(3)
    bars.loc[bars.index[1], "high"] = 1.0
    rows = servers.alpaca_rows(starts("2024-01-02", 3, "D"), bars)
    alpaca.answer = lambda asked: Answer(json.dumps({"bars": {"AAPL": rows}, "next_page_token": None}))
    assert "row 1 (2024-01-03): high 1 is below low 100" in refusal()


def test_an_unreachable_server_says_so(alpaca: Server, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(source, "URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert "Alpaca is unreachable" in refusal()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("alpaca:AAPL?interval=1mon", "alpaca:AAPL: interval: Alpaca has no '1mon'; did you mean '1mo'"),
        ("alpaca:AAPL?feeds=sip", "unknown key 'feeds'; did you mean 'feed'"),
        ("alpaca:AAPL?adjustment=splits", "adjustment"),
        ("alpaca:BTC/USD?feed=iex", "alpaca:BTC/USD: crypto has no feed; leave it out"),
    ],
)
def test_parameters_that_cannot_be_are_refused_before_anybody_is_asked(alpaca: Server, uri, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_bars(uri)
    assert alpaca.asked == []


def test_the_keys_stay_out_of_the_cache(alpaca: Server, cache):
    load_bars("alpaca:AAPL", end="2024-01-20")
    (file,) = cache.rglob("*.parquet")
    assert ALPACA_SECRET.encode() not in file.read_bytes()
    assert ALPACA_ID.encode() not in file.read_bytes()


def test_a_missing_alpaca_says_how_to_install_it(alpaca: Server, monkeypatch):
    monkeypatch.setitem(sys.modules, "alpaca.data", None)
    with pytest.raises(MissingExtraError, match=r'alpaca-py is not installed; run: pip install "dltrader\[alpaca\]"'):
        load_bars("alpaca:AAPL")
