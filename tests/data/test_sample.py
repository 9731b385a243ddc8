import hashlib

import numpy as np
import pandas as pd
import pytest

from dltrader.data import load_bars, periods_per_year, sample
from dltrader.errors import SourceError, UnknownNameError


@pytest.mark.parametrize(
    ("symbol", "n", "first"),
    [
        ("AAPL", 3270, "2000-03-01"),
        ("GOOG", 2148, "2004-08-19"),
        ("IBM", 3270, "2000-03-01"),
        ("MSFT", 3270, "2000-03-01"),
    ],
)
def test_samples_are_daily_bars_up_to_2013(symbol, n, first):
    bars = load_bars(f"sample:{symbol}")
    assert len(bars) == n
    assert bars.index[0] == pd.Timestamp(first, tz="UTC")
    assert bars.index[-1] == pd.Timestamp("2013-03-01", tz="UTC")
    assert periods_per_year(bars) == 252
    assert (bars["volume"] > 0).all()


def test_a_split_is_no_crash_and_a_crash_stays_one():
    returns = np.log(load_bars("sample:AAPL")["close"]).diff()
    assert returns["2005-02-28"] == pytest.approx(0.00817, abs=1e-5)  # 2 for 1, -0.685 unadjusted
    assert returns["2000-06-21"] == pytest.approx(0.09428, abs=1e-5)  # 2 for 1 too
    assert returns["2000-09-29"] == pytest.approx(-0.73125, abs=1e-5)  # a profit warning


@pytest.mark.parametrize("symbol", ["GOOG", "IBM", "MSFT"])
def test_no_other_sample_halves_or_doubles_overnight(symbol):
    assert np.log(load_bars(f"sample:{symbol}")["close"]).diff().abs().max() < 0.2


def test_known_prices():
    first = load_bars("sample:AAPL").iloc[0]
    assert first.to_dict() == {
        "open": 3.809153,
        "high": 4.242888,
        "low": 3.807225,
        "close": 4.186663,
        "volume": 299301389.0,
    }


def test_the_provenance_names_every_file_with_its_hash():
    assert sample.symbols() == ("AAPL", "GOOG", "IBM", "MSFT")
    found = sample.provenance()
    assert "Public domain" in found["licence"]
    for entry in found["files"].values():
        packed = (sample._folder() / entry["file"]).read_bytes()
        assert hashlib.sha256(packed).hexdigest() == entry["sha256"]
        assert packed[4:8] == b"\0\0\0\0"  # gzip's time of writing: none
        assert len(packed) < 150_000


def test_an_altered_file_is_refused(tmp_path, monkeypatch):
    for file in sample._folder().iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    altered = bytearray((tmp_path / "IBM.csv.gz").read_bytes())
    altered[1000] ^= 1
    (tmp_path / "IBM.csv.gz").write_bytes(altered)
    monkeypatch.setattr(sample, "_folder", lambda: tmp_path)
    assert len(load_bars("sample:AAPL")) == 3270
    with pytest.raises(SourceError, match=r"IBM.csv.gz is not the published one"):
        load_bars("sample:IBM")


def test_an_unknown_symbol_is_answered_with_a_hint():
    with pytest.raises(UnknownNameError, match="unknown sample symbol 'AAPLE'; did you mean 'AAPL'"):
        load_bars("sample:AAPLE")
    with pytest.raises(UnknownNameError, match="known: AAPL, GOOG, IBM, MSFT"):
        load_bars("sample:XYZ")
