import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import requests
import yfinance
import yfinance.data

from dltrader.data import fingerprint, load_bars
from dltrader.data import yahoo as source
from dltrader.errors import BarsError, ConfigError, MissingExtraError, SourceError

from .conftest import NEW_YORK, Loopback, Yahoo, make_bars, market_opens

NOT_FOUND = {
    "chart": {
        "result": None,
        "error": {
            "code": "Not Found",
            "description": "No data found, symbol may be delisted",
        },
    }
}


def session_opens(n: int) -> pd.DatetimeIndex:
    """Half past nine and the six hours after it, day by day."""
    hours = [
        day + pd.Timedelta(hours=9.5 + hour)
        for day in pd.bdate_range("2024-01-02", periods=-(-n // 7))
        for hour in range(7)
    ]
    return pd.DatetimeIndex(hours[:n]).tz_localize(NEW_YORK)


def test_daily_bars_stand_at_their_date(yahoo: Yahoo):
    bars = load_bars("yahoo:SPY")
    assert len(bars) == 20
    assert bars.index[0] == pd.Timestamp("2024-01-02", tz="UTC")
    assert bars.index[-1] == pd.Timestamp("2024-01-29", tz="UTC")
    pd.testing.assert_frame_equal(bars, make_bars(20, "2024-01-02"), check_freq=False)
    assert yahoo.asked[-1]["symbol"] == "SPY"
    assert yahoo.asked[-1]["interval"] == "1d"
    assert bars.attrs["provider"] == "yahoo"
    assert bars.attrs["adjusted"] == "splits and dividends"
    assert bars.attrs["sha256"] == fingerprint(bars)


def test_prices_are_adjusted_for_splits(yahoo: Yahoo):
    raw = make_bars(4, "2024-01-02")
    adjusted = raw["close"] * [0.5, 0.5, 1, 1]
    yahoo.serve(market_opens(raw), raw, adjusted)
    bars = load_bars("yahoo:SPY")
    np.testing.assert_allclose(bars["close"], adjusted, rtol=1e-12)
    np.testing.assert_allclose(bars["high"], (raw["close"] + 1) * [0.5, 0.5, 1, 1], rtol=1e-12)


def test_hourly_bars_are_stamped_at_their_close(yahoo: Yahoo):
    opens = session_opens(14)
    yahoo.serve(opens, make_bars(14))
    bars = load_bars("yahoo:SPY?interval=1h")
    assert yahoo.asked[-1]["interval"] == "1h"
    assert len(bars) == 14
    assert bars.index[0] == pd.Timestamp("2024-01-02 15:30", tz="UTC")
    assert bars.index[-1] == pd.Timestamp("2024-01-03 21:30", tz="UTC")


@pytest.mark.parametrize(("interval", "first"), [("1wk", "2024-01-07"), ("1mo", "2024-01-31"), ("3mo", "2024-03-31")])
def test_longer_bars_stand_at_the_last_date_they_cover(yahoo: Yahoo, interval: str, first: str):
    step = {"1wk": "W-MON", "1mo": "MS", "3mo": "QS"}[interval]
    starts = pd.date_range("2024-01-01", periods=3, freq=step, tz=NEW_YORK)
    yahoo.serve(starts, make_bars(3))
    assert load_bars(f"yahoo:SPY?interval={interval}").index[0] == pd.Timestamp(first, tz="UTC")


@pytest.mark.parametrize(
    ("now", "left"),
    [("2024-01-03 20:29", 12), ("2024-01-03 20:30", 13), ("2024-01-03 21:30", 14)],
)
def test_an_hourly_bar_that_is_still_open_is_left_out(yahoo: Yahoo, now: str, left: int):
    yahoo.serve(session_opens(14), make_bars(14))
    bars = source.load("SPY?interval=1h", now=pd.Timestamp(now, tz="UTC"))
    assert len(bars) == left


@pytest.mark.parametrize(
    ("now", "left"), [("2024-01-29 23:59", 19), ("2024-01-30 00:00", 20), ("2024-01-26 12:00", 18)]
)
def test_a_daily_bar_is_open_until_midnight_at_the_exchange(yahoo: Yahoo, now: str, left: int):
    assert len(source.load("SPY", now=pd.Timestamp(now, tz=NEW_YORK))) == left


def test_no_closed_bar_is_an_error(yahoo: Yahoo):
    with pytest.raises(SourceError, match="the only bar of SPY that Yahoo has is still open"):
        source.load("SPY", now=pd.Timestamp("2024-01-02 12:00", tz=NEW_YORK))


def test_a_span_is_asked_for_with_a_margin_and_cut(yahoo: Yahoo):
    bars = load_bars("yahoo:SPY", start="2024-01-10", end="2024-01-12")
    assert [str(time.date()) for time in bars.index] == ["2024-01-10", "2024-01-11", "2024-01-12"]
    asked = {name: pd.Timestamp(int(yahoo.asked[-1][name]), unit="s") for name in ("period1", "period2")}
    assert asked["period1"] == pd.Timestamp("2024-01-08")
    assert asked["period2"] >= pd.Timestamp("2024-01-13")


def test_a_session_can_be_passed(yahoo: Yahoo, loopback_session: requests.Session, monkeypatch):
    monkeypatch.setattr(yfinance.data.SingletonMeta, "_instances", {})
    assert len(source.load("SPY", session=loopback_session)) == 20


def test_an_unknown_symbol_is_named(yahoo: Yahoo):
    yahoo.answer(NOT_FOUND, 404)
    # yfinance looks the first unknown symbols up elsewhere too, and later ones not.
    for _ in range(4):
        with pytest.raises(SourceError, match=r"Yahoo has no bars of NOSUCH.*finance.yahoo.com") as caught:
            load_bars("yahoo:NOSUCH")
        assert "\n" not in str(caught.value)


def test_too_many_requests_says_to_wait(yahoo: Yahoo):
    yahoo.answer("Too Many Requests", 429)
    with pytest.raises(SourceError, match=r"Yahoo refuses SPY for now: too many requests \(429\); wait"):
        load_bars("yahoo:SPY")


def test_a_server_error_says_to_try_later(yahoo: Yahoo):
    yahoo.answer("<html>Internal Server Error</html>", 500)
    with pytest.raises(SourceError, match=r"something else than bars .*; it may be down, so try later"):
        load_bars("yahoo:SPY")


def test_an_empty_result_is_an_error(yahoo: Yahoo):
    yahoo.answer({"chart": {"result": [], "error": None}})
    with pytest.raises(SourceError, match=r"Yahoo .*SPY"):
        load_bars("yahoo:SPY")


def test_a_refused_connection_says_unreachable(yahoo: Yahoo, loopback_session: requests.Session):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        loopback_session.mount("https://", Loopback(unused.getsockname()[1]))
        with pytest.raises(SourceError, match=r"Yahoo is unreachable .*check the network") as caught:
            load_bars("yahoo:SPY")
    assert "\n" not in str(caught.value)


def test_broken_bars_are_not_repaired(yahoo: Yahoo):
    frame = make_bars(5, "2024-01-02")
    frame.loc[frame.index[2], "open"] = 120.0
    yahoo.serve(market_opens(frame), frame)
    with pytest.raises(BarsError, match=r"yahoo:SPY row 2 \(2024-01-04\): open 120 is outside"):
        load_bars("yahoo:SPY")


def test_single_precision_noise_is_rounding(yahoo: Yahoo):
    frame = make_bars(5, "2024-01-02")
    frame["close"] = frame["high"] * (1 + 1e-7)
    yahoo.serve(market_opens(frame), frame)
    assert (load_bars("yahoo:SPY")["high"] >= frame["close"]).all()


def test_yahoos_own_reason_is_passed_on(yahoo: Yahoo):
    reason = "1m data not available: the requested range must be within the last 30 days"
    yahoo.probe = yahoo.body  # the symbol is known, only the span is not to be had
    yahoo.answer({"chart": {"result": None, "error": {"code": "x", "description": reason}}}, 422)
    with pytest.raises(SourceError, match=f"Yahoo has no bars of SPY at interval 1m: .*{reason}"):
        load_bars("yahoo:SPY?interval=1m")


@pytest.mark.parametrize("interval", source.INTERVALS)
def test_every_interval_can_be_asked_for(yahoo: Yahoo, interval: str):
    load_bars(f"yahoo:SPY?interval={interval}")
    # Yahoo answers 30m with 60m, so yfinance asks for 15m and joins them.
    assert yahoo.asked[-1]["interval"] == {"30m": "15m"}.get(interval, interval)


def test_an_unknown_interval_is_answered_with_a_hint(yahoo: Yahoo):
    with pytest.raises(ConfigError, match="yahoo:SPY: interval: Yahoo has no '1hr'; did you mean '1h'"):
        load_bars("yahoo:SPY?interval=1hr")
    with pytest.raises(ConfigError, match="unknown key 'intervall'; did you mean 'interval'"):
        load_bars("yahoo:SPY?intervall=1h")
    assert yahoo.asked == []


def test_nothing_is_printed_and_settings_come_back(yahoo: Yahoo, capfd):
    yahoo.answer(NOT_FOUND, 404)
    with pytest.raises(SourceError):
        load_bars("yahoo:NOSUCH")
    assert capfd.readouterr() == ("", "")
    assert yfinance.config.debug.hide_exceptions is True


def test_a_missing_yfinance_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(MissingExtraError, match=r'pip install "dltrader\[yahoo\]"'):
        load_bars("yahoo:SPY")


def test_importing_the_room_loads_neither_yfinance_nor_backtrader_nor_torch():
    code = (
        "import sys, dltrader.data, dltrader.data.yahoo;"
        "print(sorted({'yfinance', 'backtrader', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
