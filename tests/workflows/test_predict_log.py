from __future__ import annotations

import json
import shutil

import pytest

from dltrader.config import override
from dltrader.errors import RunError
from dltrader.files import sha256_of
from dltrader.runs import Run
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.trial import config_id
from dltrader.workflows.predict import EnsemblePredictor
from dltrader.workflows.predict_log import log_file, logged_by
from small_ensembles import ENSEMBLE
from small_predictions import run_of, snapshot, voters


@pytest.fixture
def run(tmp_path):
    return Run.open(run_of(tmp_path / "voters"))


def with_predictions(run, **values):
    """The run as if it had been trained with another log."""
    config = EnsembleConfig.from_yaml(run.path / "config.yaml").with_overrides({"predictions": values})
    (run.path / "config.yaml").write_text(config.to_yaml())
    return Run.open(run.path)


def test_predictions_are_logged_in_the_run_with_its_labels_and_the_checksum_of_its_bundle(run):
    predictor = EnsemblePredictor(run.policy())
    log = logged_by(predictor, [run])
    predictor.predict(snapshot(voters(), 60))
    log.close()
    [line] = (run.path / "predictions" / "log.jsonl").read_text().splitlines()
    written = json.loads(line)
    assert written["labels"] == {"horizon_bars": 5, "rule": {"name": "threshold", "margin": 0.0}}
    assert written["bundles"] == {str(run.path): sha256_of(run.path / "policy" / "ensemble.json")}


def test_the_path_comes_from_the_configuration(run, tmp_path):
    assert log_file(with_predictions(run, path="elsewhere.jsonl")) == run.path / "elsewhere.jsonl"
    elsewhere = with_predictions(run, path=str(tmp_path / "x.jsonl"))
    assert log_file(elsewhere) == tmp_path / "x.jsonl"
    none = with_predictions(run, path=None)
    assert log_file(none) is None
    predictor = EnsemblePredictor(run.policy())
    assert logged_by(predictor, [none]) is None
    assert logged_by(predictor, [none], tmp_path / "asked.jsonl").path == tmp_path / "asked.jsonl"


def test_a_log_that_cannot_be_written_is_said(run):
    (run.path / "predictions").write_text("in the way")
    with pytest.raises(RunError, match="cannot write the prediction log"):
        logged_by(EnsemblePredictor(run.policy()), [run])
    shutil.rmtree(run.path)


def test_where_predictions_are_logged_makes_no_other_trial():
    one, other = (
        EnsembleConfig.from_mapping(override(ENSEMBLE, changes)) for changes in ({}, {"predictions.path": "x.jsonl"})
    )
    assert one != other
    assert config_id(one) == config_id(other)
