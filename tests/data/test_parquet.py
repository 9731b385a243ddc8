import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dltrader.data import batches, expand, fingerprint, load_bars
from dltrader.data.parquet import exported
from dltrader.errors import BarsError, ConfigError, MissingExtraError, SourceError

from .conftest import make_bars


@pytest.fixture
def path(tmp_path):
    return tmp_path / "prices.parquet"


def minutes(n: int) -> pd.DataFrame:
    close = 100.0 + np.arange(n) % 97
    index = pd.date_range("2001-01-01", periods=n, freq="min", tz="UTC", name="time", unit="us")
    columns = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": np.ones(n)}
    return pd.DataFrame(columns, index=index)


def test_an_export_is_read_back_with_its_origin(path):
    bars = load_bars("synthetic:gbm?n=60&seed=2&interval=1h&calendar=continuous")
    bars.attrs |= {"provider": "stooq", "fetched_at": "2024-06-01T00:00:00+00:00", "adjusted": "splits"}
    path.write_bytes(exported(bars))
    read = load_bars(f"parquet:{path}")
    pd.testing.assert_frame_equal(read, bars, check_freq=False)
    assert read.attrs == {**bars.attrs, "uri": f"parquet:{path}"}


@pytest.mark.parametrize(
    "write",
    [
        lambda frame: frame,
        lambda frame: frame.rename_axis(None),
        lambda frame: frame.tz_localize(None),
        lambda frame: frame.tz_convert("America/New_York"),
        lambda frame: frame.reset_index().rename(columns=str.title),
        lambda frame: frame.reset_index().rename(columns={"time": "Timestamp", "close": "<CLOSE>", "volume": "Vol"}),
        lambda frame: frame.reset_index(names="date").assign(date=lambda table: table["date"].dt.date),
        lambda frame: frame.reset_index(names="date").assign(date=lambda table: table["date"].dt.strftime("%Y-%m-%d")),
        lambda frame: frame.reset_index(names="date").assign(date=lambda table: table["date"].dt.strftime("%Y%m%d")),
        lambda frame: frame.reset_index().assign(
            date=lambda table: table["time"].dt.strftime("%d.%m.%Y"), time=lambda table: table["time"].dt.time
        ),
        lambda frame: frame.set_axis(frame.index.strftime("%Y%m%d").astype(int)).rename_axis("date"),
        lambda frame: frame.set_axis(frame.index.as_unit("s").asi8).rename_axis("timestamp"),
        lambda frame: frame.set_axis(frame.index.as_unit("ns").asi8).rename_axis("timestamp"),
        lambda frame: frame[::-1],
        lambda frame: frame[["volume", "close", "low", "open", "high"]].assign(symbol="SPY", vwap=1.0),
        lambda frame: frame.astype({"volume": "int32", "close": "float64"}),
    ],
    ids=["own", "unnamed", "naive", "zoned", "titled", "aliases", "date32", "text", "compact", "date and time",
         "number", "seconds", "nanoseconds", "newest first", "shuffled", "integers"],
)  # fmt: skip
def test_common_layouts_are_read(path, write):
    write(make_bars(20)).to_parquet(path)
    bars = load_bars(f"parquet:{path}")
    pd.testing.assert_frame_equal(bars, make_bars(20), check_freq=False, check_index_type=False)


def test_decimals_and_single_precision_are_read(path):
    frame = make_bars(5)
    columns = {"date": pa.array(frame.index)}
    columns |= {name: pa.array(frame[name]).cast(pa.decimal128(12, 4)) for name in ("open", "high", "low")}
    columns["close"] = pa.array(frame["close"]).cast(pa.float32())
    pq.write_table(pa.table(columns), path)
    bars = load_bars(f"parquet:{path}")
    np.testing.assert_array_equal(bars["open"], frame["open"])
    np.testing.assert_array_equal(bars["close"], frame["close"])
    assert bars["volume"].tolist() == [0.0] * 5  # a file without volumes


def test_adjusted_closes_adjust_as_in_csv(path, tmp_path):
    frame = make_bars(4).assign(**{"Adj Close": lambda table: table["close"] * [0.5, 0.5, 1, 1]})
    frame.to_parquet(path)
    frame.to_csv(tmp_path / "prices.csv")
    bars = load_bars(f"parquet:{path}")
    np.testing.assert_allclose(bars["volume"], frame["volume"] * [2, 2, 1, 1])
    assert fingerprint(bars) == fingerprint(load_bars(f"csv:{tmp_path / 'prices.csv'}"))


def test_the_time_column_can_be_named(path):
    frame = make_bars(5).reset_index(names="stamp")
    frame.to_parquet(path, index=False)
    with pytest.raises(BarsError, match="has no column date, datetime, timestamp or time; found stamp, open"):
        load_bars(f"parquet:{path}")
    pd.testing.assert_frame_equal(load_bars(f"parquet:{path}?time=stamp"), make_bars(5), check_freq=False)
    with pytest.raises(BarsError, match="has no column stomp; found stamp, open"):
        load_bars(f"parquet:{path}?time=stomp")
    with pytest.raises(ConfigError, match="unknown key 'tyme'; did you mean 'time'"):
        load_bars(f"parquet:{path}?tyme=stamp")


def test_many_bars_are_read_in_batches_within_the_memory_of_the_result(path):
    n = 600_000
    expected = minutes(n)
    pq.write_table(pa.Table.from_pandas(expected), path, row_group_size=200_000)
    load_bars(f"parquet:{path}", end="2001-01-01")  # what is imported and opened on the way is not the bars'
    pool = pa.default_memory_pool()
    tracemalloc.start()
    bars = load_bars(f"parquet:{path}")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    result = n * 6 * 8
    assert kept < 1.25 * result
    assert peak < 1.6 * result
    assert pool.max_memory() < 40e6  # what arrow decodes at a time, however many bars there are
    np.testing.assert_array_equal(bars.to_numpy(), expected.to_numpy())
    assert (bars.index == expected.index).all()


def test_a_span_is_read_without_the_row_groups_outside_it(path, monkeypatch):
    pq.write_table(pa.Table.from_pandas(minutes(100_000)), path, row_group_size=10_000)
    read = []
    original = batches._batches

    def spy(file, groups, columns):
        for row, batch in original(file, groups, columns):
            read.append((row, batch.num_rows))
            yield row, batch

    monkeypatch.setattr(batches, "_batches", spy)
    monkeypatch.setattr(batches, "BATCH", 4_000)
    whole = minutes(100_000)
    part = load_bars(f"parquet:{path}", start=whole.index[39_990], end=whole.index[50_000])
    pd.testing.assert_frame_equal(part, whole.iloc[39_990:50_001], check_freq=False)
    # Three of ten row groups, each in batches of 4000.
    assert read == [(row + offset, size) for row in (30_000, 40_000, 50_000)
                    for offset, size in ((0, 4_000), (4_000, 4_000), (8_000, 2_000))]  # fmt: skip
    with pytest.raises(BarsError, match="none in that span"):
        load_bars(f"parquet:{path}", start="2005")
    assert len(read) == 9


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("close", 3, np.nan, "row 3 (2020-01-09): close is missing"),
        ("close", 3, 900.0, "row 3 (2020-01-09): close 900 is outside [low, high]"),
        ("time", 2, pd.NaT, "row 2: the time is missing; drop the row"),
        ("time", 2, pd.Timestamp("2020-01-07", tz="UTC"), "row 2 (2020-01-07): the time 2020-01-07 occurs twice"),
        ("time", 2, pd.Timestamp("2019-01-07", tz="UTC"), "is before 2020-01-07 of the row above; sort the bars"),
    ],
)
def test_a_fault_is_named_with_its_row(path, column, row, value, words):
    frame = make_bars(6).reset_index()
    frame.loc[row, column] = value
    frame.to_parquet(path)
    with pytest.raises(BarsError) as caught:
        load_bars(f"parquet:{path}")
    assert words in str(caught.value)


def test_a_missing_time_is_named_where_only_a_span_is_read_too(path):
    frame = make_bars(6).reset_index()
    frame.loc[2, "time"] = pd.NaT
    frame.to_parquet(path)
    with pytest.raises(BarsError, match="row 2: the time is missing"):
        load_bars(f"parquet:{path}", start="2020-01-07")


def test_what_is_no_bar_is_refused(path, tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*prices.parquet; relative paths start in"):
        load_bars(f"parquet:{path}")
    with pytest.raises(SourceError, match=r"is a folder; name a file in it, or all of them as .*\*.parquet"):
        load_bars(f"parquet:{tmp_path}")
    path.write_text("no parquet")
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        load_bars(f"parquet:{path}")
    make_bars(5).assign(close="dear").to_parquet(path)
    with pytest.raises(BarsError, match=r"column close of .* is not numeric \((large_)?string\); write it as a number"):
        load_bars(f"parquet:{path}")
    make_bars(5).drop(columns="low").to_parquet(path)
    with pytest.raises(BarsError, match="has no column low; found open, high, close, volume, time"):
        load_bars(f"parquet:{path}")
    make_bars(5).iloc[:0].to_parquet(path)
    with pytest.raises(BarsError, match="there are no bars in it"):
        load_bars(f"parquet:{path}")
    make_bars(5).reset_index().assign(time="soon").to_parquet(path)
    with pytest.raises(BarsError, match="row 0: 'soon' is not a time"):
        load_bars(f"parquet:{path}")


def test_truncated_files_are_refused(path):
    make_bars(500).to_parquet(path)
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) - 3, 10):
        path.write_bytes(whole[:size])
        with pytest.raises(SourceError, match="cannot be read as parquet") as caught:
            load_bars(f"parquet:{path}")
        assert "\n" not in str(caught.value)


def test_a_wildcard_stands_for_files_and_keeps_the_parameters(path, tmp_path):
    for name in ("b", "a"):
        make_bars(5).reset_index(names="stamp").to_parquet(tmp_path / f"{name}.parquet")
    found = expand(f"parquet:{tmp_path}/*.parquet?time=stamp")
    assert found == [f"parquet:{tmp_path}/{name}.parquet?time=stamp" for name in ("a", "b")]
    assert [len(load_bars(uri)) for uri in found] == [5, 5]


def test_a_missing_pyarrow_names_the_extra(path, monkeypatch):
    make_bars(5).to_parquet(path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "dltrader\[parquet\]"'):
        load_bars(f"parquet:{path}")
