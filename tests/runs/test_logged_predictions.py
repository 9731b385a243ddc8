from __future__ import annotations

import json

import numpy as np
import pytest

from dltrader.errors import RunError
from dltrader.runs.logged_predictions import read_predictions
from dltrader.runs.prediction_log import PredictionLogConfig
from small_logs import log_to
from small_predictions import BARS, market_of, voters


def test_a_log_is_read_as_it_was_written_the_rotated_files_first(tmp_path):
    log_to(tmp_path / "log.jsonl", range(60, 100), config=PredictionLogConfig(max_bytes=10_000)).close()
    assert (tmp_path / "log.jsonl.2").is_file()
    read = read_predictions(tmp_path / "log.jsonl")
    assert list(read.table["bar"]) == list(BARS.index[60:100])
    assert set(read.table["models"]) == {"ppo memory"}
    np.testing.assert_array_equal(read.features.to_numpy(np.float32), market_of(voters()).features[60:100])
    sides = read.table[["ppo_buy_prob", "ppo_sell_prob", "ppo_hold_prob"]].sum(axis=1)
    np.testing.assert_allclose(sides, 1.0, atol=1e-6)
    assert read.origin["interval"] == "P1DT0H0M0S"
    assert read.unreadable == 0


def spoiled(line, **changes):
    return json.dumps(json.loads(line) | changes)


def test_lines_that_are_no_predictions_are_counted_and_passed_over(tmp_path):
    path = tmp_path / "log.jsonl"
    log_to(path, range(60, 62)).close()
    first, second = path.read_text().splitlines()
    answer = json.loads(first)["answer"]
    bad = [
        '{"torn',
        "[1]",
        spoiled(first, format=2),
        spoiled(first, features=[1.0]),
        spoiled(first, features={"x": "y"}),
        spoiled(first, answer={key: value for key, value in answer.items() if key != "symbol"}),
        spoiled(first, answer=answer | {"confidence_score": "much"}),
        spoiled(first, answer=answer | {"ensemble_recommendation": "KEEP"}),
        spoiled(first, answer=answer | {"ppo_buy_prob": 10**400}, interval="P9D"),
        spoiled(first, latency_ms="long"),
        spoiled(first, features={"x": 10**400}),
        spoiled(first, answer=answer | {"models_missing": 3}),
    ]
    path.write_text("\n".join([first, *bad[:3], "", second, *bad[3:]]))
    read = read_predictions(path)
    assert len(read.table) == len(read.features) == 2
    assert read.unreadable == 12
    assert read.origin["interval"] == "P1DT0H0M0S"
    assert read.problems == (
        "log.jsonl line 2: no JSON",
        "log.jsonl line 3: format None, this version of dltrader reads 1",
        "log.jsonl line 4: format 2, this version of dltrader reads 1",
    )


def test_no_log_and_an_empty_one_are_said(tmp_path):
    with pytest.raises(RunError, match=r"there is no prediction log .*; dltrader predict RUN --log"):
        read_predictions(tmp_path / "log.jsonl")
    (tmp_path / "log.jsonl").write_text("x\n")
    with pytest.raises(RunError, match=r"holds no prediction \(log.jsonl line 1: no JSON\)"):
        read_predictions(tmp_path / "log.jsonl")


def test_a_bar_without_a_time_is_said(tmp_path):
    path = tmp_path / "log.jsonl"
    log_to(path, range(60, 61)).close()
    path.write_text(spoiled(path.read_text(), bar="yesterday"))
    with pytest.raises(RunError, match="must be a time with its zone"):
        read_predictions(path)
