import sys

import pandas as pd
import pytest

from dltrader.data.calendars import calendar_names, schedule_of
from dltrader.errors import ConfigError, MissingExtraError, UnknownNameError


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_sessions_of_new_york_know_holidays_and_summer_time():
    found = schedule_of("XNYS", day("2024-03-07 21:00"), day("2024-04-01"))
    dates = [str(date.date()) for date in found.dates]
    assert len(dates) == 17
    assert "2024-03-29" not in dates  # Good Friday
    assert found.opens[0] == day("2024-03-07 14:30")
    assert found.opens[-1] == day("2024-04-01 13:30")
    assert found.closes[-1] == day("2024-04-01 20:00")
    assert found.calendar == "XNYS"


def test_a_span_without_sessions_has_none():
    assert len(schedule_of("XNYS", day("2024-03-30"), day("2024-03-31")).dates) == 0


@pytest.mark.parametrize(
    ("name", "words"), [("xnys", "did you mean 'XNYS'"), ("XNYZ", "'XNYS'"), ("moon", "did you mean 'XNYS' or 'XLON'")]
)
def test_an_unknown_calendar_is_answered_with_a_hint(name, words):
    with pytest.raises(UnknownNameError, match=f"unknown calendar '{name}'.*{words}"):
        schedule_of(name, day("2024-01-01"), day("2024-02-01"))


def test_names_include_what_exchanges_are_also_called():
    assert {"XNYS", "NYSE", "XLON", "24/7"} <= set(calendar_names())


def test_a_span_that_the_calendar_does_not_cover_is_refused():
    with pytest.raises(ConfigError, match=r"the calendar XKRX does not cover 1950-01-01 to 1950-02-01"):
        schedule_of("XKRX", day("1950-01-01"), day("1950-02-01"))


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(MissingExtraError, match=r'pip install "dltrader\[calendars\]"'):
        schedule_of("XNYS", day("2024-01-01"), day("2024-02-01"))
