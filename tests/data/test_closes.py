import pandas as pd
import pytest

from dltrader.data.closes import closes

NEW_YORK = "America/New_York"


def test_bars_within_a_day_end_one_length_later():
    starts = pd.date_range("2024-03-08 15:00", periods=3, freq="h", tz=NEW_YORK)
    stamps, closed = closes(starts, pd.Timedelta(hours=1), pd.Timestamp("2024-03-08 22:30", tz="UTC"))
    assert [str(time) for time in stamps.strftime("%H:%M")] == ["21:00", "22:00", "23:00"]
    assert closed.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("length", "last"),
    [
        (pd.DateOffset(days=1), "2024-02-01"),
        (pd.DateOffset(weeks=1), "2024-02-07"),
        (pd.DateOffset(months=1), "2024-02-29"),
        (pd.DateOffset(months=3), "2024-04-30"),
    ],
)
def test_longer_bars_stand_at_their_last_date_and_close_at_midnight_there(length, last):
    starts = pd.DatetimeIndex(["2024-02-01 09:30"], tz=NEW_YORK)
    midnight = pd.Timestamp(last, tz=NEW_YORK) + pd.DateOffset(days=1)
    for now, is_closed in ((midnight - pd.Timedelta("1s"), False), (midnight, True)):
        stamps, closed = closes(starts, length, now.tz_convert("UTC"))
        assert stamps[0] == pd.Timestamp(last, tz="UTC")
        assert closed.tolist() == [is_closed]
