from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import dltrader
from dltrader.errors import BarsError, ConfigError, RunError
from dltrader.evaluation.monitoring.drift import feature_reference
from dltrader.forecast.labels import LabelsConfig, label_table
from dltrader.runs import Run
from dltrader.runs.ensemble_bundle import save_ensemble
from dltrader.workflows.monitor import beside, monitor
from dltrader.workflows.predict import EnsemblePredictor
from dltrader.workflows.predict_log import logged_by
from small_predictions import BARS, market_of, run_of, snapshot, voters

ROWS = range(60, 158)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An ensemble whose reference is known, and that has predicted nearly all bars, the first of them twice."""
    run = Run.open(run_of(tmp_path_factory.mktemp("runs") / "voters"))
    reference = feature_reference(market_of(voters()).features[20:], voters().pipeline.names)
    save_ensemble(voters(), run.path / "policy", reference=reference)
    predictor = EnsemblePredictor(run.policy())
    log = logged_by(predictor, [run])
    predictor.predict(snapshot(voters(), ROWS[0]))
    for row in ROWS:
        predictor.predict(snapshot(voters(), row))
    log.close()
    return run


@pytest.fixture(scope="module")
def found(run):
    return monitor(run.path, BARS, window=20)


def test_each_prediction_is_joined_with_the_label_of_its_bar(run, found):
    assert found.counts == {"known": 95, "pending": 3, "unmatched": 0}  # the last label needs the open of a sixth bar
    assert found.repeated == 1
    sides = label_table(BARS, LabelsConfig(), run.config.env.costs)["side"].iloc[60:155]
    words = np.array(["BUY", "SELL", "HOLD"])[sides.astype(int)]
    known = found.predictions.iloc[:95]
    assert list(known["side"]) == list(words)
    said = [EnsemblePredictor(voters()).predict(snapshot(voters(), row)) for row in (60,)]
    assert known["recommendation"].iloc[0] == said[0].ensemble_recommendation
    hits = (known["recommendation"] == words).astype(float)
    assert found.scores.iloc[0]["hit_rate"] == pytest.approx(hits.mean())
    assert found.rolling["hit_rate"].iloc[-1] == pytest.approx(hits.tail(20).mean())


def test_models_are_scored_on_the_sides(found):
    assert list(found.scores["model"]) == ["ensemble", "ppo", "memory"]
    known = found.predictions.iloc[:95]
    probabilities = known[["ppo_buy_prob", "ppo_sell_prob", "ppo_hold_prob"]].to_numpy()
    came = (known["side"].to_numpy()[:, np.newaxis] == np.array(["BUY", "SELL", "HOLD"])).astype(float)
    expected = ((probabilities - came) ** 2).sum(axis=1).mean()
    assert found.scores.set_index("model").loc["ppo", "brier"] == pytest.approx(expected)


def test_features_are_compared_with_those_of_training(run, found):
    assert set(found.drift["feature"]) == set(voters().pipeline.names)
    assert not found.drift["drifted"].any()
    lines = [json.loads(line) for line in (run.path / "predictions" / "log.jsonl").read_text().splitlines()]
    for line in lines:
        line["features"]["range"] += 3.0
    shifted = run.path.parent / "shifted.jsonl"
    shifted.write_text("\n".join(map(json.dumps, lines)))
    drift = monitor(shifted, BARS, run=run).drift.set_index("feature")
    assert bool(drift.loc["range", "drifted"])
    assert not drift.drop("range")["drifted"].any()
    assert monitor(shifted, BARS).drift is None


def test_the_horizon_may_be_another(run):
    found = monitor(run.path, BARS, horizon=1)
    assert found.labels.horizon_bars == 1
    assert found.counts["pending"] == 0


def test_what_is_written_can_be_read(run, tmp_path):
    found = dltrader.monitor(run.path / "predictions" / "log.jsonl", BARS, out=tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "monitoring.json",
        "monitoring.png",
        "predictions.csv",
    ]
    numbers = json.loads((tmp_path / "out" / "monitoring.json").read_text())
    assert numbers["verdict"] == [finding.sentence for finding in found.findings]
    assert numbers["predictions"] == {"known": 95, "pending": 3, "unmatched": 0, "repeated": 1}
    assert numbers["drift"] is None
    assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 98
    assert beside(run.path) == run.path / "predictions" / "monitoring"


def test_other_bars_are_refused(run):
    elsewhere = BARS.set_axis(BARS.index - pd.Timedelta(days=3_000))
    assert monitor(run.path, elsewhere).counts["pending"] == 98  # they have not come to the predictions yet
    with pytest.raises(BarsError, match="none of the 98 predictions on asset was made at one of these bars"):
        monitor(run.path, BARS.set_axis(BARS.index + pd.Timedelta(days=3_000)))


def test_the_instrument_is_chosen_where_there_are_several(run, tmp_path):
    text = (run.path / "predictions" / "log.jsonl").read_text()
    (tmp_path / "log.jsonl").write_text(text + text.replace('"symbol": "asset"', '"symbol": "other"'))
    assert monitor(tmp_path / "log.jsonl", BARS).symbol == "asset"
    assert monitor(tmp_path / "log.jsonl", BARS, symbol="other").symbol == "other"
    with pytest.raises(ConfigError, match="no prediction on 'oter'; did you mean 'other'"):
        monitor(tmp_path / "log.jsonl", BARS, symbol="oter")
    strange = BARS.copy()
    strange.attrs["uri"] = "csv:strange.csv"
    with pytest.raises(ConfigError, match="predictions on asset, other, and the bars are of strange; choose with"):
        monitor(tmp_path / "log.jsonl", strange)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"horizon": 0}])
def test_numbers_out_of_range_are_refused(run, wrong):
    with pytest.raises(ConfigError, match="count from 1 on"):
        monitor(run.path, BARS, **wrong)


def test_a_folder_that_is_no_run_is_said(tmp_path):
    with pytest.raises(RunError):
        monitor(tmp_path, BARS)


def test_bars_of_another_interval_are_refused(run):
    weekly = BARS.iloc[::7]
    with pytest.raises(BarsError, match="bars come every 7d, and predictions were made on bars of 1d"):
        monitor(run.path, weekly)


def test_a_folder_that_cannot_be_made_is_told_of(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make the folder .*file: File exists; choose another --out"):
        monitor(run.path, BARS, out=tmp_path / "file")
