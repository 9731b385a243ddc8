from __future__ import annotations

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.errors import ConfigError
from dltrader.evaluation.evaluation import Evaluation
from small_evaluations import small_evaluation


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with two evaluations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    for name, seeds, cost in (("one", 2, 0.001), ("two", 3, 0.002)):
        (tmp_path / name).mkdir()
        small_evaluation(name=name, seeds=seeds, costs={"commission": cost}).keep(tmp_path / name)
    return tmp_path


def invoke(*words):
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_report_says_what_it_wrote(here):
    lines = invoke("report", "one").splitlines()
    assert lines[:-3] == list(Evaluation.open("one").verdict)
    assert lines[-3:] == [
        "one/report/report.html",
        "one/report/report.md",
        "one/report/metrics.json",
    ]
    assert (here / "one" / "report" / "report.html").stat().st_size > 100_000


def test_compare_prints_a_table_and_flags_what_is_not_alike(here):
    shown = invoke("compare", "one", "two", "--out", "both.html")
    assert "sharpe ratio" in shown
    assert "[" in shown
    assert "two was tested with other costs than one" in shown
    assert shown.split()[-1] == "both.html"
    assert (here / "both.html").is_file()


def test_a_wrong_file_is_one_line(here):
    with pytest.raises(ConfigError, match=r"--out must name a file that ends in \.html, was x\.txt"):
        invoke("report", "one", "--out", "x.txt")
