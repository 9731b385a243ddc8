from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dltrader.errors import ConfigError, RunError
from dltrader.runs import prediction_log
from dltrader.runs.prediction_log import Origin, PredictionLog, PredictionLogConfig, inputs_sha256
from dltrader.workflows.predict import EnsemblePredictor
from small_logs import log_to
from small_predictions import market_of, snapshot, voters


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_holds_all_that_it_takes_to_judge_the_prediction(tmp_path):
    log_to(tmp_path / "log.jsonl", range(60, 62)).close()
    first, second = lines_of(tmp_path / "log.jsonl")
    answer = EnsemblePredictor(voters()).predict(snapshot(voters(), 60, form="features"))
    assert first["answer"] == answer.to_mapping()
    assert first["models"] == ["ppo", "memory"]
    assert first["bundles"] == {"voters": "ab" * 32}
    assert first["bar"] == "2001-03-02T00:00:00Z"
    assert first["costs"]["commission"] == 0.001
    assert first["interval"] == "P1DT0H0M0S"
    assert 0.0 < first["latency_ms"] < 5_000
    assert first["inputs_sha256"] != second["inputs_sha256"]


def test_features_are_those_that_were_seen_to_the_bit(tmp_path):
    log_to(tmp_path / "log.jsonl", range(60, 61)).close()
    [line] = lines_of(tmp_path / "log.jsonl")
    seen = market_of(voters()).features[60]
    np.testing.assert_array_equal(np.array(list(line["features"].values()), np.float32), seen)
    assert tuple(line["features"]) == voters().pipeline.names
    window = np.ascontiguousarray(market_of(voters()).features[57:61])
    assert line["inputs_sha256"] == inputs_sha256(voters().pipeline.names, window, np.zeros(2, np.float32))


def test_a_full_file_is_put_aside_and_so_many_are_kept(tmp_path):
    path = tmp_path / "log.jsonl"
    log = log_to(path, range(60, 61))
    size = path.stat().st_size
    log.close()
    path.unlink()
    config = PredictionLogConfig(max_bytes=10_000, keep=2)
    log_to(path, range(60, 140), config=config).close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    parts = [lines_of(tmp_path / name) for name in ("log.jsonl.2", "log.jsonl.1", "log.jsonl")]
    bars = [line["bar"] for part in parts for line in part]
    assert bars == sorted(bars)
    assert bars[-1] == "2001-05-20T00:00:00Z"
    for name in ("log.jsonl.1", "log.jsonl.2"):
        assert 10_000 - 1.1 * size < (tmp_path / name).stat().st_size <= 10_000


def test_none_is_kept_where_none_is_asked_for(tmp_path):
    config = PredictionLogConfig(max_bytes=10_000, keep=0)
    log_to(tmp_path / "log.jsonl", range(60, 90), config=config).close()
    assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_what_was_left_of_a_line_spoils_no_other(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"torn')
    log_to(path, range(60, 61)).close()
    torn, whole = path.read_text().splitlines()
    assert torn == '{"torn'
    assert json.loads(whole)["format"] == 1


def test_a_file_that_another_has_rotated_is_left_to_it(tmp_path):
    path = tmp_path / "log.jsonl"
    one, other = log_to(path, range(60, 61)), log_to(path, range(61, 62))
    path.rename(tmp_path / "log.jsonl.1")
    predictor = EnsemblePredictor(voters(), watch=other)
    predictor.predict(snapshot(voters(), 62, form="features"))
    assert [len(lines_of(file)) for file in (tmp_path / "log.jsonl.1", path)] == [2, 1]
    one.close()
    other.close()


def test_two_logs_of_one_file_lose_no_line_of_each_other(tmp_path):
    path = tmp_path / "log.jsonl"
    config = PredictionLogConfig(max_bytes=10_000, keep=99)
    # A lock belongs to an opened file, whether two processes have opened it or two threads.
    with ThreadPoolExecutor(2) as threads:
        for log in [threads.submit(log_to, path, range(60, 120), config=config) for _ in range(2)]:
            log.result().close()
    bars = [line["bar"] for file in tmp_path.iterdir() for line in lines_of(file)]
    assert len(bars) == 120
    assert len(set(bars)) == 60


def test_a_full_disk_loses_the_line_and_not_the_answer(tmp_path, monkeypatch):
    told = []
    log = log_to(tmp_path / "log.jsonl", range(60, 61), tell=told.append)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prediction_log.os, "write", full)
    predictor = EnsemblePredictor(voters(), watch=log)
    answers = [predictor.predict(snapshot(voters(), row, form="features")) for row in (61, 62)]
    monkeypatch.undo()
    assert [answer.symbol for answer in answers] == ["asset", "asset"]
    assert log.lost == 2
    assert told == [f"predictions are not logged: {tmp_path / 'log.jsonl'}: No space left on device"]
    log.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be renamed there")
def test_a_log_whose_folder_is_away_for_a_while_goes_on_when_it_is_back(tmp_path):
    path = tmp_path / "logs" / "log.jsonl"
    log = log_to(path, range(60, 61))
    predictor = EnsemblePredictor(voters(), watch=log)
    path.parent.rename(tmp_path / "away")
    for row in (61, 62):
        predictor.predict(snapshot(voters(), row, form="features"))
    assert log.lost == 2
    (tmp_path / "away").rename(path.parent)
    predictor.predict(snapshot(voters(), 63, form="features"))
    log.close()
    assert [line["bar"][:10] for line in lines_of(path)] == ["2001-03-02", "2001-03-05"]


@pytest.mark.skipif(os.name == "nt", reason="folders are opened otherwise there")
def test_a_file_that_cannot_be_opened_is_said_at_once(tmp_path):
    with pytest.raises(RunError, match=r"cannot write the prediction log .*; name another with --log FILE"):
        PredictionLog(tmp_path, Origin.of(voters()))


@pytest.mark.parametrize("changes", [{"path": ""}, {"max_bytes": 5}, {"keep": -1}, {"files": 3}])
def test_configurations_that_cannot_be(changes):
    with pytest.raises(ConfigError):
        PredictionLogConfig.from_mapping(changes)
