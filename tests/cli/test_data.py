"""`dltrader data`: checks, parquet, and providers whose bars are kept. The rest stands in test_cli.py."""

import pytest
from typer.testing import CliRunner

from data import servers
from data.conftest import make_bars
from dltrader.cli.app import app
from dltrader.data import fingerprint, load_bars
from dltrader.data import stooq as stooq_source
from dltrader.errors import ConfigError, SourceError, UnknownNameError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("DLTRADER_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def stooq(monkeypatch):
    """Stooq on this machine, with 20 daily bars."""
    with servers.Server().running() as server:
        server.answer = servers.stooq(make_bars(20, "2024-01-02"))
        monkeypatch.setattr(stooq_source, "URL", f"{server.url}/q/d/l/")
        monkeypatch.setenv("STOOQ_API_KEY", servers.STOOQ_SECRET)
        monkeypatch.setenv("NO_PROXY", "*")
        yield server


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, ["data", *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return [line.rstrip() for line in result.output.splitlines()]


def test_check_of_clean_bars_prints_what_is_worth_a_look_and_ends_with_0():
    lines = invoke("check", "sample:AAPL", "--calendar", "XNYS")
    (crash,) = [line for line in lines if "2000-09-29" in line]
    assert "look" in crash
    assert "-51.9% from close to close" in crash
    assert lines[-1] == "sample:AAPL: 3,270 bars, checked against XNYS: no problems and 2 things to look at"


def test_check_ends_with_1_where_there_is_a_problem():
    bars = make_bars(60)
    bars.iloc[:30, :4] *= 2.0
    bars.drop(bars.index[40:46]).to_csv("prices.csv")
    lines = invoke("check", "csv:prices.csv", code=1)
    assert [line.split("│")[2].strip() for line in lines if "problem │" in line] == ["possible split", "missing bars"]
    assert lines[-1] == "csv:prices.csv: 54 bars, checked without a calendar: 2 problems and no things to look at"
    lines = invoke("check", "csv:prices.csv", "--rows", "1", code=1)
    assert lines[-1].endswith("; 1 not shown, --rows shows more")


def test_check_of_many_files_ends_with_1_if_one_has_a_problem(here):
    make_bars(60).to_csv("a.csv")
    make_bars(60).iloc[[*range(20), *range(30, 60)]].to_csv("b.csv")
    lines = invoke("check", "csv:*.csv", code=1)
    assert [line.split(": ")[1] for line in lines if "checked without" in line] == [
        "60 bars, checked without a calendar",
        "50 bars, checked without a calendar",
    ]


def test_check_refuses_an_unknown_calendar():
    with pytest.raises(UnknownNameError, match="unknown calendar 'xnys'; did you mean 'XNYS'"):
        invoke("check", "sample:AAPL", "--calendar", "xnys")


def test_a_parquet_export_is_read_back():
    uri = "synthetic:gbm?n=60&seed=2&interval=1h&calendar=continuous"
    assert invoke("export", uri, "--out", "bars.parquet") == ["60 bars written to bars.parquet"]
    assert fingerprint(load_bars("parquet:bars.parquet")) == fingerprint(load_bars(uri))
    with pytest.raises(ConfigError, match=r"bars\.parquet already exists"):
        invoke("export", uri, "--out", "bars.parquet")


def test_show_names_the_origin_of_a_providers_bars_and_an_export_keeps_it(stooq):
    first = invoke("show", "stooq:aapl.us")
    assert first[-1].startswith("from stooq, fetched 20")
    assert first[-1].endswith("+00:00, adjusted for splits and dividends")
    invoke("export", "stooq:aapl.us", "--out", "aapl.parquet")
    assert invoke("show", "parquet:aapl.parquet")[-1] == first[-1]
    assert len(stooq.asked) == 1
    assert not any("fetched" in line for line in invoke("show", "synthetic:ou?n=5"))


@pytest.mark.parametrize("verb", [("show",), ("check",), ("export", "--out", "a.csv")], ids=lambda words: words[0])
def test_refresh_asks_again_and_offline_asks_nobody(stooq, verb):
    command, *options = verb
    with pytest.raises(SourceError, match=r"are not kept in .*; fetch them once without --offline"):
        invoke(command, "stooq:aapl.us", "--offline", *options)
    assert stooq.asked == []
    load_bars("stooq:aapl.us")
    invoke(command, "stooq:aapl.us", "--offline", *options)
    assert len(stooq.asked) == 1
    with pytest.raises(ConfigError, match="cannot be refreshed offline"):
        invoke(command, "stooq:aapl.us", "--offline", "--refresh", *[one.replace("a.csv", "b.csv") for one in options])
    invoke(command, "stooq:aapl.us", "--refresh", *[one.replace("a.csv", "b.csv") for one in options])
    assert len(stooq.asked) == 2
