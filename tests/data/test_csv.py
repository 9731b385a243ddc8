import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.data import load_bars
from dltrader.data.csv import parse
from dltrader.errors import BarsError, SourceError

from .conftest import make_bars

DAILY = """Date,Open,High,Low,Close,Volume
2020-01-06,10,12,9,11,100
2020-01-07,11,13,10,12,200
2020-01-08,12,14,11,13,300
"""


@st.composite
def any_bars(draw: st.DrawFn) -> pd.DataFrame:
    """Daily bars, between 1980 and 2100, of any price."""
    n = draw(st.integers(1, 12))
    days = draw(st.lists(st.integers(3653, 47000), min_size=n, max_size=n, unique=True))
    price = st.floats(1e-4, 1e6)
    up = st.floats(1.0, 1.5)
    rows = []
    for _ in range(n):
        opened, closed = draw(price), draw(price)
        high, low = max(opened, closed) * draw(up), min(opened, closed) / draw(up)
        rows.append([opened, high, low, closed, draw(st.floats(0, 1e12))])
    index = pd.DatetimeIndex(pd.to_datetime(sorted(days), unit="D", utc=True), name="time")
    return pd.DataFrame(rows, index=index, columns=["open", "high", "low", "close", "volume"])


def table(
    bars: pd.DataFrame,
    header: str | None,
    row: Callable[[pd.Timestamp, list[str]], str],
    *,
    comma: bool = False,
    newline: str = "\n",
) -> str:
    lines = [] if header is None else [header]
    for time, values in zip(bars.index, bars.to_numpy().tolist(), strict=True):
        texts = [repr(value).replace(".", "," if comma else ".") for value in values]
        lines.append(row(time, texts))
    return newline.join([*lines, ""])


def yahoo(bars):
    return table(
        bars,
        "Date,Open,High,Low,Close,Adj Close,Volume",
        lambda t, v: f"{t:%Y-%m-%d},{','.join(v[:4])},{v[3]},{v[4]}",
    )


def old_yahoo_newest_first(bars):
    return table(
        bars[::-1],
        "Date,Open,High,Low,Close,Volume,Adj Close",
        lambda t, v: f"{t:%Y-%m-%d},{','.join(v)},{v[3]}",
    )


def stooq(bars):
    return table(
        bars,
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        lambda t, v: f"AAPL.US,D,{t:%Y%m%d},{t:%H%M%S},{','.join(v)},0",
        newline="\r\n",
    )


def backtrader_with_header(bars):
    return table(
        bars,
        "Date,Open,High,Low,Close,Volume,OpenInterest",
        lambda t, v: f"{t:%Y-%m-%d},{','.join(v)},0",
    )


def backtrader_without_header(bars):
    return table(bars, None, lambda t, v: f"{t:%Y-%m-%d},{','.join(v)},0.00")


def backtrader_minutes_with_a_header_that_names_no_time(bars):
    return table(
        bars,
        "Date,Open,High,Low,Close,Volume,OpenInterest",
        lambda t, v: f"{t:%Y-%m-%d},{t:%H:%M:%S},{','.join(v)},0",
    )


def metatrader_4(bars):
    return table(bars, None, lambda t, v: f"{t:%Y.%m.%d},{t:%H:%M},{','.join(v)}")


def metatrader_5(bars):
    return table(
        bars,
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        lambda t, v: "\t".join([f"{t:%Y.%m.%d}", f"{t:%H:%M:%S}", *v[:4], "7", v[4], "3"]),
    )


def german(bars):
    return table(
        bars,
        "Datum und Zeit;Date;Close;High;Low;Open;Volume",
        lambda t, v: ";".join(["-", f"{t:%d.%m.%Y}", v[3], v[1], v[2], v[0], v[4]]),
        comma=True,
    )


def pandas_utc(bars):
    return bars.to_csv()


def pandas_without_a_name_for_the_index(bars):
    return bars.rename_axis(None).tz_localize(None).to_csv()


def zone_with_daylight_saving(bars):
    return bars.tz_convert("America/New_York").rename_axis("Datetime").to_csv(sep="|")


def iso_z(bars):
    return table(bars, "TIMESTAMP,O,H,L,C,V", lambda t, v: f'"{t:%Y-%m-%dT%H:%M:%S}Z",{",".join(v)}')


def epoch_seconds(bars):
    return table(bars, "timestamp,open,high,low,close,volume", lambda t, v: f"{int(t.timestamp())},{','.join(v)}")


def epoch_milliseconds(bars):
    return table(
        bars,
        "open,high,low,close,volume,time",
        lambda t, v: f"{','.join(v)},{int(t.timestamp()) * 1000}",
    )


DIALECTS = (
    yahoo,
    old_yahoo_newest_first,
    stooq,
    backtrader_with_header,
    backtrader_without_header,
    backtrader_minutes_with_a_header_that_names_no_time,
    metatrader_4,
    metatrader_5,
    german,
    pandas_utc,
    pandas_without_a_name_for_the_index,
    zone_with_daylight_saving,
    iso_z,
    epoch_seconds,
    epoch_milliseconds,
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(bars=any_bars())
def test_bars_written_in_a_dialect_read_back_equal(dialect, bars):
    read = parse(dialect(bars), "prices.csv")
    pd.testing.assert_frame_equal(read, bars, check_exact=True, check_index_type=False)
    assert (read.index == bars.index).all()


@pytest.mark.parametrize(
    "dialect",
    [
        stooq,
        backtrader_minutes_with_a_header_that_names_no_time,
        metatrader_4,
        metatrader_5,
        pandas_utc,
        pandas_without_a_name_for_the_index,
        zone_with_daylight_saving,
        iso_z,
        epoch_seconds,
        epoch_milliseconds,
    ],
)
def test_minutes_read_back_equal(dialect):
    bars = make_bars(3000, start="2020-03-07 00:00", freq="min")
    read = parse(dialect(bars), "prices.csv")
    pd.testing.assert_frame_equal(read, bars, check_exact=True, check_freq=False, check_index_type=False)


@pytest.fixture
def write(tmp_path, monkeypatch) -> Callable[[str | bytes], str]:
    """Writes prices.csv into the current folder and gives its URI."""
    monkeypatch.chdir(tmp_path)

    def write_file(data: str | bytes, name: str = "prices.csv") -> str:
        Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
        return f"csv:{name}"

    return write_file


def test_files_plain_or_gzipped_with_or_without_a_byte_order_mark_are_equal(write):
    plain = load_bars(write(DAILY))
    assert plain["close"].tolist() == [11.0, 12.0, 13.0]
    assert plain.attrs["uri"] == "csv:prices.csv"
    for other in (
        load_bars(write(gzip.compress(DAILY.encode()), "prices.csv.gz")),
        load_bars(write("\ufeff" + DAILY)),
        load_bars(write(DAILY.replace("\n", "\r\n\r\n"))),
        load_bars(write(DAILY.replace("\n", ",\n"))),
    ):
        pd.testing.assert_frame_equal(other, plain)


def test_prices_are_adjusted_and_volume_with_them():
    bars = parse("Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-06,20,24,18,22,11,100\n", "p.csv")
    assert bars.iloc[0].tolist() == [10.0, 12.0, 9.0, 11.0, 200.0]


def test_a_file_without_volume_has_volumes_of_zero():
    bars = parse("time,open,high,low,close\n2020-01-06 10:00,1,1.2,0.9,1.1\n", "eurusd.csv")
    assert bars["volume"].tolist() == [0.0]


def test_offsets_that_follow_daylight_saving_are_one_zone():
    text = "time,open,high,low,close\n2020-03-06 16:00-05:00,1,1,1,1\n2020-03-09 16:00-04:00,1,1,1,1\n"
    assert [f"{time:%d %H:%M}" for time in parse(text, "p.csv").index] == ["06 21:00", "09 20:00"]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["01/13/2020", "01/14/2020"], "2020-01-13"),
        (["01/12/2020", "13/12/2020"], "2020-12-01"),
        (["2020/1/13", "2020/1/14"], "2020-01-13"),
        (["20200113", "20200114"], "2020-01-13"),
        (["202001131530", "202001131531"], "2020-01-13 15:30"),
        (["1578929400000000000", "1578929400000000001"], "2020-01-13 15:30"),
        (["1578929400.25", "1578929401"], "2020-01-13 15:30:00.25"),
        (["2020-01-13 15:30 UTC", "2020-01-13 15:31 UTC"], "2020-01-13 15:30"),
    ],
)
def test_notations_of_time(dates, expected):
    text = "time,open,high,low,close\n" + "".join(f"{date},1,1,1,1\n" for date in dates)
    bars = parse(text, "p.csv")
    assert bars.index[0] == pd.Timestamp(expected, tz="UTC")
    assert len(bars) == 2


def change(line: int, old: str, new: str) -> str:
    lines = DAILY.splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "prices.csv is empty"),
        (" \n\n", "prices.csv is empty"),
        (DAILY.splitlines()[0], "prices.csv has a header but no rows"),
        (DAILY.replace("Low", "Lower"), "prices.csv has no column low; found date, open, high, lower"),
        (DAILY.replace("Date", "When"), "prices.csv has no column date, datetime, timestamp or time"),
        (DAILY.replace("Low", "High"), "prices.csv has 2 columns high; keep one"),
        (DAILY.replace("Close", "Price"), "line 1 is neither a header with a column close nor a bar"),
        ("\n<!DOCTYPE html>\n<html></html>", "line 2 is neither a header with a column close nor a bar"),
        (change(3, "13", "n/a"), "prices.csv line 3: high 'n/a' is not a number"),
        (change(3, "13", ""), "prices.csv line 3: high is missing"),
        (change(3, "13", "nan"), "prices.csv line 3: high is missing"),
        (change(3, "13", "inf"), "prices.csv line 3: high inf is not finite"),
        (change(3, ",200", ""), "prices.csv line 3: 5 columns, where the first line has 6"),
        (change(3, ",200", ",1,200"), "prices.csv line 3: 7 columns, where the first line has 6"),
        (change(4, "01-08", "13-08"), "prices.csv line 4: '2020-13-08' is not a time like '2020-01-06'"),
        (change(2, "2020-01-06", "soon"), "prices.csv line 2: 'soon' is not a time; write it as"),
        (DAILY.replace("2020-01-06", "9" * 30), "prices.csv line 2: '9{30}' is not a time; write it as"),
        (change(3, "01-07", "01-06"), "prices.csv line 3: the time 2020-01-06 occurs twice"),
        (change(3, "01-07", "01-09"), "prices.csv line 4: the time 2020-01-08 is before 2020-01-09"),
        (change(4, "14", "10.5"), "prices.csv line 4: high 10.5 is below low 11"),
        (change(4, "14", "12.5"), r"prices.csv line 4: close 13 is outside \[low, high\] = \[11, 12.5\]"),
        (change(2, ",10,", ",8,"), r"prices.csv line 2: open 8 is outside \[low, high\] = \[9, 12\]"),
        (change(2, ",9,", ",0,"), "prices.csv line 2: low 0 is not above 0"),
        (change(2, ",9,", ",-9,"), "prices.csv line 2: low -9 is not above 0"),
        (change(4, "300", "-300"), "prices.csv line 4: volume -300 is negative"),
        (
            change(3, "01-07", "01-07 10:00+01:00"),
            "mixes times with and without a zone: '2020-01-07 10:00.01:00' in line 3, '2020-01-06' in line 2",
        ),
        (
            "Date,Open,High,Low,Close\n01/02/2020,1,1,1,1\n02/02/2020,1,1,1,1\n",
            "'01/02/2020', in which day and month look alike; write 2020-01-31",
        ),
    ],
)
def test_a_bad_file_is_answered_with_the_line(write, text, message):
    with pytest.raises(BarsError, match=message) as caught:
        load_bars(write(text))
    assert "\n" not in str(caught.value)


def test_lines_count_as_an_editor_counts_them(write):
    text = change(4, "14", "10.5").replace("\n", "\n\n\n")
    with pytest.raises(BarsError, match=r"prices.csv line 10: high 10.5 is below low 11"):
        load_bars(write(text))


def test_lines_are_right_in_a_file_with_the_newest_row_first(write):
    header, *rows = change(4, "14", "10.5").splitlines()
    with pytest.raises(BarsError, match=r"prices.csv line 2: high 10.5 is below low 11"):
        load_bars(write("\n".join([header, *rows[::-1]])))


@pytest.mark.parametrize("adjusted", ["0", "-1", "nan", "inf"])
def test_a_bad_adjusted_close_is_an_error(adjusted):
    with pytest.raises(BarsError, match=r"p.csv line 2: adj close .* is not above 0"):
        parse(f"Date,Open,High,Low,Close,Adj Close\n2020-01-06,2,2,2,2,{adjusted}\n", "p.csv")


def test_files_that_cannot_be_read_are_answered_in_one_line(write, tmp_path):
    with pytest.raises(SourceError, match=r"there is no file nowhere.csv; relative paths start in"):
        load_bars("csv:nowhere.csv")
    with pytest.raises(SourceError, match="is a folder; name a file in it"):
        load_bars(f"csv:{tmp_path}")
    with pytest.raises(SourceError, match=r"prices.csv is not text in UTF-8"):
        load_bars(write(DAILY.encode("utf-16")))
    packed = gzip.compress(DAILY.encode())
    for damaged in (packed[:-10], packed[:20] + bytes(20), packed[:10] + b"\xff" * 30):
        with pytest.raises(SourceError, match=r"prices.csv.gz is a damaged gzip file"):
            load_bars(write(damaged, "prices.csv.gz"))


def test_a_hundred_thousand_lines_are_read_in_seconds():
    bars = make_bars(100_000, start="2020-01-01", freq="min")
    read = parse(bars.to_csv(), "p.csv")
    np.testing.assert_array_equal(read.to_numpy(), bars.to_numpy())
