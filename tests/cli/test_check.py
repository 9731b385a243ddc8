from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.cli.check import print_report
from dltrader.errors import ConfigError
from dltrader.evaluation.leaks import Checked, Finding, LeakReport
from dltrader.features import FEATURES
from dltrader.runs import ExperimentConfig
from small_runs import experiment


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A configuration's file."""
    monkeypatch.setenv("COLUMNS", "160")
    file = Path(tmp_path / "small.yaml")
    file.write_text(ExperimentConfig.load(experiment()).to_yaml())
    return str(file)


def test_clean_configuration_ends_with_0_and_the_seconds_it_took(small):
    result = CliRunner().invoke(app, ["check", small, "--sample", "2"])
    assert result.exit_code == 0, result.output
    assert "small, checked for leaks" in result.output
    assert "no leak; " in result.output
    assert "seconds" in result.output


def test_leak_ends_with_1_and_is_named_in_json(small):
    FEATURES.register("ahead", lambda bars: bars["close"].shift(-1).ffill())
    try:
        words = ["check", small, "env.features=[log_return, ahead]", "--sample", "2", "--json"]
        result = CliRunner().invoke(app, words)
    finally:
        del FEATURES._entries["ahead"]
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert ("features", "ahead") in {(each["stage"], each["feature"]) for each in report["findings"]}


def test_contradiction_is_a_configuration_error(small):
    with pytest.raises(ConfigError, match="give --every or --sample"):
        CliRunner().invoke(app, ["check", small, "--every", "2", "--sample", "2"], catch_exceptions=False)


def test_findings_are_printed_with_their_bar_and_size(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    time = pd.Timestamp("2001-02-03", tz="UTC")
    findings = (
        Finding("features", "rsi_14", time, 0.125, 0.5, "knows later bars"),
        Finding("cache", "start", None, float("nan"), float("nan"), "is not in the key"),
    )
    report = LeakReport("mine", findings, (Checked("features", "removed", 5, 10),), ("fills: none",), 1.25)
    print_report(report)
    printed = capsys.readouterr().out
    for text in ("2001-02-03", "0.125", "0.5", "rsi_14", "is not in the key", "not looked at: fills: none"):
        assert text in printed
    assert "2 leak(s), 1 part(s) not looked at; 1.2 seconds" in printed
    assert str(findings[0]) == "features: rsi_14 at 2001-02-03 knows later bars"
