import pandas as pd
import pytest

from dltrader.data import SOURCES, fingerprint, load_bars, sources, validate_bars
from dltrader.errors import BarsError, ConfigError, SourceError, UnknownNameError

from .conftest import Yahoo, make_bars
from .servers import Server


@pytest.fixture
def uris(tmp_path, yahoo: Yahoo, stooq: Server, alpaca: Server) -> dict[str, str]:
    """A URI for every source."""
    path = tmp_path / "prices.csv"
    make_bars(20).to_csv(path)
    make_bars(20).to_parquet(path.with_suffix(".parquet"))
    return {
        "sample": "sample:AAPL",
        "csv": f"csv:{path}",
        "parquet": f"parquet:{path.with_suffix('.parquet')}",
        "yahoo": "yahoo:SPY",
        "stooq": "stooq:aapl.us",
        "alpaca": "alpaca:AAPL",
        "synthetic": "synthetic:ou?n=50",
    }


def test_every_source_has_a_uri_to_be_tested_with(uris):
    assert set(uris) == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
class TestEverySource:
    def test_delivers_valid_bars(self, uris, name):
        bars = load_bars(uris[name])
        assert len(bars) >= 20
        pd.testing.assert_frame_equal(validate_bars(bars), bars)
        assert bars.index.name == "time"
        assert str(bars.index.tz) == "UTC"
        assert bars.attrs["uri"] == uris[name]

    def test_delivers_the_same_twice(self, uris, name):
        assert fingerprint(load_bars(uris[name])) == fingerprint(load_bars(uris[name]))

    def test_delivers_the_span_asked_for(self, uris, name):
        whole = load_bars(uris[name])
        start, end = whole.index[5], whole.index[9]
        part = load_bars(uris[name], start=start, end=end)
        pd.testing.assert_frame_equal(part, whole.iloc[5:10])

    def test_says_what_there_is_where_nothing_lies_in_the_span(self, uris, name):
        with pytest.raises((BarsError, SourceError), match=r"there are no bars|(Yahoo|Stooq|Alpaca) has no bars"):
            load_bars(uris[name], start="2150-01-01")

    def test_refuses_a_contradictory_span_before_it_works(self, uris, name):
        with pytest.raises(ConfigError, match="start 2012-01-01 is after end 2010-12-31"):
            load_bars(uris[name], start="2012-01-01", end="2010")


@pytest.mark.parametrize("uri", ["prices.csv", "", ":", "sample:", ":AAPL"])
def test_a_uri_without_a_source_is_answered_with_an_example(uri):
    with pytest.raises(
        SourceError, match="sample:AAPL is what a URI looks like, and the sources are sample, csv, parquet, yahoo"
    ):
        load_bars(uri)


def test_an_unknown_source_is_answered_with_a_hint():
    with pytest.raises(UnknownNameError, match="unknown source 'sampel'; did you mean 'sample'"):
        load_bars("sampel:AAPL")


def test_a_source_can_be_registered(monkeypatch):
    registry = type(SOURCES)("source", {})
    registry.register("mine", lambda address, start, end: make_bars(int(address)))
    monkeypatch.setattr(sources, "SOURCES", registry)
    assert len(load_bars("mine:7")) == 7


def test_what_a_source_delivers_is_validated(monkeypatch):
    registry = type(SOURCES)("source", {})
    registry.register("mine", lambda address, start, end: -make_bars())
    monkeypatch.setattr(sources, "SOURCES", registry)
    with pytest.raises(BarsError, match=r"mine:x row 0 \(2020-01-06\): open -99.5 is not above 0"):
        load_bars("mine:x")


def test_parameters_are_parsed():
    assert sources.parameters("ou") == ("ou", {})
    assert sources.parameters("ou?n=5&start=2000-01-03") == ("ou", {"n": "5", "start": "2000-01-03"})
    with pytest.raises(ConfigError, match="cannot read the parameters 'n'"):
        sources.parameters("ou?n")
    with pytest.raises(ConfigError, match="parameter 'n' is given twice"):
        sources.parameters("ou?n=5&n=6")
