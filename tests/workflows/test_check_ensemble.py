"""Leak checks of ensembles: a clean one passes, and what is planted at borders, in labels and in members is found."""

from __future__ import annotations

import numpy as np
import pytest

import dltrader
from dltrader.features import FEATURES
from dltrader.forecast.labels import RULES, Threshold
from dltrader.workflows import lesson

SMALL = {
    "name": "small",
    "data": {"bars": "synthetic:gbm?n=560&seed=5", "validation_start": 0.6, "test_start": 0.9},
    "env": {"window_bars": 8, "features": ["log_return"], "scaling": "none"},
    "labels": {"horizon_bars": 5},
    "members": {
        "lgb": {"name": "lightgbm", "horizons": [3, 8], "window_bars": 1},
        "lstm": {"name": "lstm", "window_bars": 8, "encoder": {"name": "gru", "hidden": 4}},
    },
}
POLICY = {"agent": {"name": "ppo", "extractor": {"name": "mlp"}}}


def checked(overrides=None, **options):
    return dltrader.check_leaks(SMALL, overrides, sample=2, **options)


def test_an_ensemble_is_checked_at_every_stage_and_does_not_leak():
    report = checked({"members.ppo": POLICY, "folds": {"folds": 2, "train": 0.7, "validation": 0.3}})
    assert report.ok, (report.findings, report.skipped)
    looked = {each.stage for each in report.checked if each.bars}
    assert looked >= {
        "features", "observations", "cut", "rewards", "labels over 5 bars", "labels of wins over 3 bars",
        "labels of wins over 8 bars", "folds", "votes", "actions", "fills",
    }  # fmt: skip
    folds = [each.what for each in report.checked if each.stage == "folds"]
    assert folds == [f"labels at 3 borders ({name})" for name in ("training", "fold 1", "fold 2")]


def test_the_members_of_a_run_are_checked_as_they_were_trained(tmp_path):
    members = {"lgb": {"name": "lightgbm", "horizons": [3], "window_bars": 1, "rounds": 20}}
    run = dltrader.train({**SMALL, "members": members}, out=tmp_path / "run", jobs=1)
    report = dltrader.check_leaks(run.path, sample=2)
    assert report.ok, (report.findings, report.skipped)
    assert report.name == "small"
    assert (
        next(each.of for each in report.checked if each.stage == "votes") == 560 - 27
    )  # 20 bars of volatility, window 8


def test_markets_of_their_own_are_checked_one_by_one():
    bars = {"A": "synthetic:gbm?n=560&seed=5", "B": "synthetic:gbm?n=500&seed=6"}
    report = checked({"data.bars": bars, "data.trade": "apart"})
    assert report.ok, (report.findings, report.skipped)
    votes = [each.what for each in report.checked if each.stage == "votes"]
    assert [what.rpartition(" ")[2] for what in votes] == ["(A)", "(B)"]
    rows = [each.bars for each in report.checked if each.stage == "folds"]
    assert rows[0] > rows[1] > 100


def test_triple_barriers_do_not_leak_either():
    report = checked({"labels.rule": "triple_barrier"})
    assert report.ok, (report.findings, report.skipped)


def test_samples_that_are_not_purged_are_found(monkeypatch):
    def unpurged(samples, spans):
        cut = purged(samples, spans)
        inside = (samples.times >= spans.train[0].first) & (samples.times <= spans.train[-1].last)
        return type(cut)(samples.take(np.asarray(inside)), cut.validation, cut.test, 0)

    purged = lesson.cut_samples
    monkeypatch.setattr(lesson, "cut_samples", unpurged)
    report = checked()
    assert not report.ok
    found = {finding.stage for finding in report.findings}
    assert found == {"folds", "cut"}  # the same rows are also learned from, and a fit on altered bars shows it
    reasons = [finding.reason for finding in report.findings if finding.stage == "folds"]
    assert all("which are its validation" in reason for reason in reasons)


def test_labels_that_stand_too_early_are_found():
    class Ahead(Threshold):
        name: str = "ahead"

        def sides(self, bars, horizon, costs):
            return np.append(super().sides(bars, horizon, costs)[1:], np.nan)

    RULES.register("ahead", Ahead)
    try:
        report = checked({"labels.rule": "ahead"})
    finally:
        del RULES._entries["ahead"]
    beyond = [finding for finding in report.findings if finding.stage == "labels over 5 bars"]
    assert [finding.feature for finding in beyond] == ["side"]
    assert "tells of bars beyond its horizon of 5" in beyond[0].reason


def test_a_cheating_feature_is_named_and_nothing_is_learned_from_it():
    FEATURES.register("tomorrow", lambda bars: bars["close"].pct_change().shift(-1).fillna(0.0))
    try:
        report = checked({"env.features": ["log_return", "tomorrow"]})
    finally:
        del FEATURES._entries["tomorrow"]
    assert not report.ok
    assert {(finding.stage, finding.feature) for finding in report.findings} == {("features", "tomorrow")}
    assert "the pipeline refuses to be fitted: tomorrow looks ahead" in report.skipped[0]


def test_a_purge_that_is_shorter_than_the_labels_is_refused():
    with pytest.raises(dltrader.errors.ConfigError, match="horizon_bars 8 is longer than purge_bars 4"):
        checked({"folds": {"folds": 2, "purge_bars": 4}})
