import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.data import cache as cache_module
from dltrader.data import fingerprint, load_bars
from dltrader.data.bars import limits, validate_bars
from dltrader.data.batches import packed, read_bars
from dltrader.data.cache import cache_folder, cache_key, is_fresh, kept
from dltrader.errors import ConfigError, MissingExtraError, SourceError

from .conftest import make_bars
from .servers import Answer, Server

URI = "stooq:aapl.us"
SPAN = limits("2024-01-02", "2024-01-31")
LATER = pd.Timestamp("2024-06-01 12:00", tz="UTC")

times = st.datetimes(min_value=pd.Timestamp("1980-01-01"), max_value=pd.Timestamp("2100-01-01")).map(
    lambda time: pd.Timestamp(time, tz="UTC")
)
asked = st.tuples(st.text(min_size=1, max_size=20), st.none() | times, st.none() | times)


def fetched(n: int = 20):
    """A provider that counts how often it is asked."""
    calls = []

    def fetch():
        calls.append(1)
        return make_bars(n, "2024-01-02")

    return fetch, calls


def entry(folder: Path) -> Path:
    (file,) = folder.rglob("*.parquet")
    return file


@given(first=asked, second=asked)
def test_different_questions_have_different_keys_and_equal_ones_equal_keys(first, second):
    assert (cache_key(*first) == cache_key(*second)) == (first == second)
    assert len(cache_key(*first)) == 32


def test_the_key_tells_dates_and_intervals_apart():
    uris = ["yahoo:SPY", "yahoo:SPY?interval=1h", "yahoo:QQQ", "stooq:SPY"]
    spans = [(None, None), (SPAN[0], None), (None, SPAN[0]), SPAN, limits("2024-01-02", "2024-01-30")]
    keys = {cache_key(uri, *span) for uri in uris for span in spans}
    assert len(keys) == len(uris) * len(spans)


@settings(max_examples=30)
@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 1000),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_what_is_packed_is_read_back_bit_for_bit(tmp_path_factory, n, seed, unit):
    generator = np.random.default_rng(seed)
    price = np.exp(generator.normal(0, 5, n))
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), price))
    frame["volume"] = generator.exponential(1e6, n)
    bars = validate_bars(frame.set_axis(pd.date_range("2001-01-01", periods=n, freq="37min", tz="UTC", unit=unit)))
    path = tmp_path_factory.mktemp("packed") / "bars.parquet"
    path.write_bytes(packed(bars, {"uri": "x", "more": [None, 1]}))
    read, notes = read_bars(path, "x")
    pd.testing.assert_frame_equal(read, bars, check_freq=False, check_exact=True)
    assert read.index.unit == unit
    assert notes == {"uri": "x", "more": [None, 1], "unit": unit}


def test_bars_are_fetched_once_and_say_where_they_come_from(cache):
    fetch, calls = fetched()
    first = kept(URI, *SPAN, fetch, now=LATER)
    second = kept(URI, *SPAN, fetch, now=LATER + pd.Timedelta(days=900))
    assert len(calls) == 1
    pd.testing.assert_frame_equal(first, second, check_freq=False)
    for bars in (first, second):
        assert bars.attrs == {
            "provider": "stooq",
            "fetched_at": "2024-06-01T12:00:00+00:00",
            "adjusted": "unknown",
            "sha256": fingerprint(make_bars(20, "2024-01-02")),
        }
    assert entry(cache).parent == cache / "bars" / "stooq"
    assert entry(cache).name.startswith("aapl.us-")


@pytest.mark.parametrize(
    ("last", "now", "fresh"),
    [
        ("2024-01-31", "2024-01-31 12:00", True),  # over tomorrow at the earliest, but of today
        ("2024-01-31", "2024-02-01 00:00", False),
        ("2024-01-29 12:00", "2029-01-01 00:00", True),  # was over two days before the fetch
        ("2024-01-29 12:01", "2029-01-01 00:00", False),
        (None, "2024-01-31 23:59", True),
        (None, "2024-02-01 00:00", False),
        (None, "2024-01-30 00:00", False),  # fetched in the future: a clock was wrong
    ],
)
def test_an_entry_is_fresh_for_a_day_and_for_good_once_its_span_was_over(last, now, fresh):
    end = None if last is None else pd.Timestamp(last, tz="UTC")
    moment = pd.Timestamp("2024-01-31 12:00", tz="UTC")
    assert is_fresh(end, moment, pd.Timestamp(now, tz="UTC")) is fresh


def test_an_open_span_is_fetched_again_the_next_day_and_replaces_the_old_entry(cache):
    fetch, calls = fetched()
    for day in (1, 1, 2):
        kept(URI, None, None, fetch, now=pd.Timestamp(f"2024-06-0{day}", tz="UTC"))
    assert len(calls) == 2
    assert read_bars(entry(cache), "x")[1]["fetched_at"] == "2024-06-02T00:00:00+00:00"


def test_refresh_asks_again(stooq: Server):
    load_bars(URI, end="2024-01-20")
    load_bars(URI, end="2024-01-20", refresh=True)
    assert len(stooq.asked) == 2


def test_offline_takes_what_is_kept_however_old_and_asks_nobody(stooq: Server, monkeypatch):
    bars = load_bars(URI)
    stooq.asked.clear()
    pd.testing.assert_frame_equal(load_bars(URI, offline=True), bars)
    monkeypatch.setenv("DLTRADER_OFFLINE", "1")
    monkeypatch.delenv("STOOQ_API_KEY")
    monkeypatch.setattr(cache_module, "is_fresh", lambda *args: False)
    pd.testing.assert_frame_equal(load_bars(URI), bars)
    assert stooq.asked == []


def test_offline_says_what_is_missing_and_what_there_is(stooq: Server, cache):
    load_bars(URI, end="2024-01-20")
    load_bars(URI, start="2024-01-03")
    load_bars("stooq:aapl.us.b")
    stooq.asked.clear()
    with pytest.raises(SourceError, match="are not kept") as caught:
        load_bars(URI, start="2024-01-05", end="2024-01-12", offline=True)
    message = str(caught.value)
    assert message.startswith(f"the bars of {URI} from 2024-01-05 to 2024-01-12 23:59:59 are not kept in {cache}; kept")
    assert "from 2024-01-03" in message
    assert "to 2024-01-20 23:59:59" in message
    assert "of all times" not in message  # that one is of another symbol
    assert "\n" not in message
    assert stooq.asked == []


def test_offline_does_not_concern_sources_of_this_machine(monkeypatch):
    monkeypatch.setenv("DLTRADER_OFFLINE", "yes")
    assert len(load_bars("synthetic:ou?n=7")) == 7
    assert len(load_bars("sample:AAPL", offline=True)) == 3270


def test_contradictions_and_unclear_settings_are_refused(stooq: Server, monkeypatch):
    with pytest.raises(ConfigError, match="cannot be refreshed offline"):
        load_bars(URI, refresh=True, offline=True)
    monkeypatch.setenv("DLTRADER_OFFLINE", "maybe")
    with pytest.raises(ConfigError, match="DLTRADER_OFFLINE must be 1 or 0, was 'maybe'"):
        load_bars(URI)
    assert len(load_bars(URI, offline=False)) == 20


def test_a_failed_fetch_never_falls_back_by_itself_but_names_what_is_kept(stooq: Server, monkeypatch):
    load_bars(URI)
    monkeypatch.setattr(cache_module, "is_fresh", lambda *args: False)
    stooq.answer = lambda asked: Answer("", 503)
    with pytest.raises(SourceError, match=r"out of order .* \(bars fetched 2.* are kept: --offline takes them\)"):
        load_bars(URI)
    assert len(load_bars(URI, offline=True)) == 20


def spoil_bars(path: Path) -> None:
    bars, notes = read_bars(path, "x")
    bars.iloc[3, 4] += 1.0
    path.write_bytes(packed(bars, notes))


def spoil_notes(**changes):
    def spoil(path: Path) -> None:
        bars, notes = read_bars(path, "x")
        path.write_bytes(packed(bars, {name: one for name, one in {**notes, **changes}.items() if one is not None}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read as parquet"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "cannot be read as parquet"),
        (lambda path: path.write_bytes(path.read_bytes()[:100] + path.read_bytes()[140:]), "stooq:aapl.us"),
        (lambda path: path.write_text("<html>"), "cannot be read as parquet"),
        (spoil_bars, "do not have the sha256"),
        (spoil_notes(uri="stooq:msft.us"), "another URI or span"),
        (spoil_notes(span=[None, None]), "another URI or span"),
        (spoil_notes(fetched_at="yesterday"), "does not say when"),
        (spoil_notes(sha256=None), "lacks sha256"),
        (lambda path: make_bars().to_parquet(path), "lacks provider"),
    ],
    ids=["empty", "truncated", "hole", "text", "value", "uri", "span", "time", "lacking", "foreign"],
)
def test_a_damaged_entry_is_fetched_again_and_the_log_says_so(stooq: Server, cache, caplog, spoil, words):
    whole = load_bars(URI, end="2024-01-20")
    spoil(entry(cache))
    with caplog.at_level(logging.WARNING, "dltrader"):
        again = load_bars(URI, end="2024-01-20")
    pd.testing.assert_frame_equal(again, whole)
    (record,) = caplog.records
    assert "is damaged and is not used" in record.getMessage()
    assert words in record.getMessage()
    assert "\n" not in record.getMessage()
    caplog.clear()
    assert len(load_bars(URI, end="2024-01-20", offline=True)) == len(whole)
    assert not caplog.records


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(stooq: Server, cache, caplog):
    cache.write_text("a file in the way")
    assert len(load_bars(URI)) == 20
    assert "cannot keep the bars of stooq:aapl.us in" in caplog.text


FILL = """
import sys
from dltrader.data import fingerprint, load_bars
from dltrader.data import stooq as source
source.URL = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
for i in range(16):
    print(fingerprint(load_bars("stooq:aapl.us", end="2024-01-20", refresh=i < 8)))
"""


def test_two_processes_may_fill_the_same_entry_at_once(stooq: Server, cache):
    command = [sys.executable, "-c", FILL, f"{stooq.url}/q/d/l/"]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    expected = fingerprint(make_bars(20, "2024-01-02").loc[:"2024-01-20"])
    for worker in workers:
        printed, complaints = worker.communicate(timeout=60)
        assert complaints == ""  # no entry was ever found damaged
        assert printed.split() == [expected] * 16
    assert len(stooq.asked) == 16  # eight refreshes each, and all other loads from the entry
    assert [file.name for file in cache.rglob("*") if file.is_file()] == [entry(cache).name]


def test_the_folder_is_the_users_unless_it_is_named(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("DLTRADER_CACHE", " ")
    assert cache_folder().name == "dltrader"
    monkeypatch.setenv("DLTRADER_CACHE", "~/bars")
    assert cache_folder() == Path.home() / "bars"


def test_a_missing_pyarrow_names_the_extra_before_anybody_is_asked(stooq: Server, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pyarrow is not installed; run: pip install "dltrader\[stooq\]"'):
        load_bars(URI)
    assert stooq.asked == []
