"""Leak checks of configurations and runs: all that ship are clean, and a cheat of a user's is not."""

from __future__ import annotations

import json

import pytest

import dltrader
from dltrader.errors import ConfigError, RunError
from dltrader.features import FEATURES
from dltrader.runs.experiment import shipped_configs
from dltrader.workflows.train import train
from small_runs import experiment

SHORT = {
    "data.start": "2008-04-01",
    "data.end": "2010-01-31",
    "data.validation_start": "2009-07-01",
    "data.test_start": "2010-01-01",
}
OTHERS = {
    "ppo_sine": {"data.bars": "synthetic:sine?n=400&seed=0"},
    "day_trading": {"data.end": "2024-01-12", "data.validation_start": 0.9, "data.test_start": 0.95},
    "ensemble": {
        "data.bars": "synthetic:sine?n=900&interval=1min&calendar=continuous&start=2024-01-01&period=40&noise=0.001",
        "data.validation_start": 0.7,
        "data.test_start": 0.96,
    },
    "lstm_forecast": {
        "data.bars": "synthetic:sine?n=600&period=30&noise=0.01",
        "data.validation_start": 0.8,
        "data.test_start": 0.95,
        "folds": None,
    },
    "lightgbm": {
        "data.start": "2004-01-01",
        "data.end": "2010-01-31",
        "data.validation_start": "2009-01-01",
        "data.test_start": "2010-01-01",
        "folds.folds": 2,
    },
}


@pytest.mark.parametrize("name", shipped_configs())
def test_no_shipped_configuration_leaks(name):
    report = dltrader.check_leaks(name, OTHERS.get(name, SHORT), sample=1)
    assert report.ok, (report.findings, report.skipped)
    stages = {each.stage for each in report.checked if each.bars}
    assert stages >= {"features", "observations", "warm-up", "cut", "rewards", "actions", "fills", "cache"}


def test_every_bar_of_a_small_configuration_is_looked_at():
    report = dltrader.check_leaks(experiment({"data.bars": "synthetic:gbm?n=200&seed=5"}))
    assert report.ok
    assert report.checked[0].bars == report.checked[0].of > 180
    assert report.seconds > 0
    assert json.loads(json.dumps(report.to_mapping()))["ok"] is True


TWO = {"A": "synthetic:gbm?n=200&seed=1", "B": "synthetic:gbm?n=200&seed=2"}
FEATURES_ELSEWHERE = ["log_return", {"name": "log_return", "market": "C"}, {"name": "log_return", "interval": "1W"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"data.bars": TWO},
        {"data.bars": TWO, "data.trade": "apart"},
        {"env.features": FEATURES_ELSEWHERE, "env.context": {"C": "synthetic:gbm?n=300&seed=3"}},
    ],
    ids=["together", "apart", "context and weeks"],
)
def test_several_markets_are_checked_together_apart_and_as_context(changes):
    report = dltrader.check_leaks(experiment(changes), sample=2)
    assert report.ok, (report.findings, report.skipped)
    if "data.trade" in changes:
        assert {each.what.rpartition("(")[2] for each in report.checked if each.stage == "features"} == {"A)", "B)"}


def test_cheating_feature_of_a_user_is_named_and_what_could_not_be_looked_at_is_told():
    def tomorrow(bars):
        return bars["close"].pct_change().shift(-1).fillna(0.0)

    FEATURES.register("tomorrow", tomorrow)
    try:
        report = dltrader.check_leaks(experiment({"env.features": ["log_return", "tomorrow"]}), sample=4)
    finally:
        del FEATURES._entries["tomorrow"]
    assert not report.ok
    leaks = [finding for finding in report.findings if finding.stage == "features"]
    assert [finding.feature for finding in leaks] == ["tomorrow"]
    assert "the pipeline refuses to be fitted: tomorrow looks ahead" in report.skipped[0]


def test_policy_of_a_run_is_checked(tmp_path):
    run = train(experiment(), out=tmp_path / "run", progress=False)
    report = dltrader.check_leaks(run.path, sample=1)
    assert report.ok, report.findings
    assert report.name == "small"


def test_folder_that_is_no_run_is_told(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        dltrader.check_leaks(tmp_path)
    with pytest.raises(ConfigError, match="--every or --sample"):
        dltrader.check_leaks(experiment(), every=2, sample=2)
