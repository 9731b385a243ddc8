from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dltrader.cli import main
from dltrader.cli.app import app
from dltrader.cli.tables import standing_lines
from dltrader.runs.ledger import Ledger
from ledger_rows import data_of, entry_of, look_of


@pytest.fixture(autouse=True)
def recorded(ledger, monkeypatch):
    """A ledger with three rows and two trials, on two sets of data."""
    monkeypatch.setenv("COLUMNS", "160")
    opened = Ledger.open()
    opened.record(entry_of("a", time="2026-01-01T08:00:00Z", run="/runs/one"))
    opened.record(look_of("a", time="2026-01-02T08:00:00Z"))
    opened.record(entry_of("b", 4, data_of("b" * 64, "sample:IBM"), time="2026-01-03T08:00:00Z", status="pruned"))


def invoke(*arguments):
    result = CliRunner().invoke(app, ["trials", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def rows(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]


def test_every_row_is_shown_and_the_trials_are_counted(ledger):
    text = invoke()
    assert rows(text) == [
        ["2026-01-01", "train", "small", "a", "0", "sample:AAPL", "+0.100", "", ""],
        # 0.1 a bar is 0.1 times the root of 252 a year.
        ["2026-01-02", "backtest, a look", "small", "a", "0", "sample:AAPL", "", "+0.200", "+1.587"],
        ["2026-01-03", "train, pruned", "small", "b", "4", "sample:IBM", "+0.100", "", ""],
    ]
    assert text.splitlines()[-1] == f"2 distinct trial(s); 3 row(s) shown, of {ledger}"


@pytest.mark.parametrize(
    ("options", "shown", "said"),
    [
        (["--data", "sample:AAPL"], 2, "1 distinct trial(s) behind sample:AAPL"),
        (["--data", "bbbbbb"], 1, "1 distinct trial(s) behind bbbbbb"),
        (["--data", "sample:KO"], 0, "0 distinct trial(s) behind sample:KO"),
        (["--since", "2026-01-02"], 2, "2 distinct trial(s)"),
        (["--limit", "1"], 1, "2 distinct trial(s)"),
    ],
)
def test_what_is_shown_is_bounded(options, shown, said):
    text = invoke(*options)
    assert len(rows(text)) == shown
    assert said in text


def test_json_has_everything():
    found = json.loads(invoke("--json", "--data", "sample:AAPL"))
    assert (found["trials"], found["trials_unknown"]) == (1, None)
    first, second = found["entries"]
    assert (first["run"], first["data_sha256"], first["uris"]) == ("/runs/one", "a" * 64, {"asset": "sample:AAPL"})
    assert second["scores"] == {"growth": 0.2, "sharpe": 0.1, "returns": 250, "periods_per_year": 252.0}
    assert (second["test_first"], second["tested_first"]) == ("2010-01-01T00:00:00Z",) * 2


def test_what_is_wrong_is_one_line_and_exit_code_two(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    for arguments, message in (
        (["--data", "abc"], "ConfigError: 'abc' is neither a source URI such as sample:AAPL nor a fingerprint"),
        (["--since", "soon"], "ConfigError: since must be a date or time such as '2010-01-31', was 'soon'"),
        ([], "LedgerError: the trial ledger"),
    ):
        if not arguments:
            monkeypatch.setenv("DLTRADER_LEDGER", str(tmp_path / "file" / "trials.db"))
        monkeypatch.setattr("sys.argv", ["dltrader", "trials", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith(message)
        assert said.count("\n") == 1


def test_off_is_said(monkeypatch):
    monkeypatch.setenv("DLTRADER_LEDGER", "off")
    assert invoke() == "trials: unknown, the trial ledger is switched off (DLTRADER_LEDGER=off)\n"
    assert json.loads(invoke("--json"))["trials"] is None


def test_the_standing_of_a_backtest_in_words():
    known = {"trials": 1234, "trials_unknown": None, "test_looked_before": 1}
    assert standing_lines([known]) == ["test bars looked at 1 time before", "trials behind these data: 1,234"]
    more = known | {"test_looked_before": 3}
    assert standing_lines([known, more])[0] == "test bars looked at 3 times before"
    unknown = {"trials": None, "trials_unknown": "it is locked", "test_looked_before": None}
    assert standing_lines([known, unknown]) == ["trials behind these data: unknown, it is locked"]
    assert standing_lines([{"metrics": {}}]) == []
