from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.runs import ExperimentConfig
from dltrader.runs.trial import DataSet, Scores, Span, config_id, entry_of, market_of, row_of, trial_id, written
from ledger_rows import entry_of as an_entry
from ledger_rows import look_of
from small_runs import experiment

SMALL = ExperimentConfig.load(experiment())


def shuffled(values, draw):
    """The same nested values with their keys in another order."""
    if not isinstance(values, dict):
        return values
    keys = draw(st.permutations(list(values)))
    return {key: shuffled(values[key], draw) for key in keys}


@given(st.data())
def test_configurations_that_are_equal_up_to_the_order_of_keys_have_one_id(data):
    other = ExperimentConfig.from_mapping(shuffled(SMALL.to_mapping(), data.draw))
    assert config_id(other) == config_id(SMALL)


def test_defaults_that_are_written_down_change_no_id():
    assert config_id(ExperimentConfig.from_mapping(SMALL.to_mapping())) == config_id(SMALL)
    assert len(config_id(SMALL)) == 64


@pytest.mark.parametrize(
    ("key", "value", "changes"),
    [
        ("name", "other", False),
        ("seed", 7, False),
        ("train.keep_state", False, False),
        ("walk_forward", {}, False),
        ("train.total_timesteps", 512, True),
        ("train.evaluate_every", 64, True),
        ("train.device", "cuda", True),
        ("env.costs.commission", 0.002, True),
        ("agent.learning_rate", 1e-5, True),
        ("data.test_start", 0.9, True),
        ("data.bars", "sample:AAPL", True),
    ],
)
def test_whatever_changes_a_result_changes_the_id(key, value, changes):
    other = SMALL.with_overrides({key: value})
    assert other != SMALL
    assert (config_id(other) != config_id(SMALL)) == changes


def test_a_fold_has_an_id_of_its_own_and_a_walk_forward_is_told_from_another():
    spans = {
        "train": [["2000-01-03", "2000-05-01"]],
        "validation": ["2000-05-02", "2000-06-01"],
        "test": [["2000-06-02", "2000-07-03"]],
    }
    fold = SMALL.with_overrides({"data.spans": spans})
    assert config_id(fold) != config_id(SMALL)
    schemes = [SMALL.with_overrides({"walk_forward": walk}) for walk in ({"folds": 3}, {"folds": 4})]
    assert len({config_id(one, whole=True) for one in schemes}) == 2
    assert len({config_id(one) for one in [*schemes, SMALL]}) == 1


def test_a_trial_is_its_configuration_seed_data_and_variant():
    ids = {trial_id("c", 0, "d"), trial_id("c", 1, "d"), trial_id("c", 0, "e"), trial_id("c", 0, "d", variant="hook")}
    assert len(ids) == 4
    assert trial_id("c", 0, "d") == trial_id("c", 0, "d")


@pytest.mark.parametrize(
    ("uri", "market"),
    [
        ("yahoo:SPY?interval=1h", "yahoo:SPY"),
        ("yahoo:SPY", "yahoo:SPY"),
        ("synthetic:gbm?n=300&seed=5", "synthetic:gbm?n=300&seed=5"),
        ("synthetic:gbm?seed=5&n=300", "synthetic:gbm?n=300&seed=5"),
        ("mine:a?b", "mine:a?b"),
        ("memory:asset", "memory:asset"),
        ("csv:/data/../data/eurusd.csv", "csv:/data/eurusd.csv"),
    ],
)
def test_a_market_is_named_whatever_way_its_bars_are_asked_for(uri, market):
    assert market_of(uri) == market


def test_files_are_told_apart_by_their_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert market_of("csv:a.csv") == market_of(f"csv:{tmp_path / 'a.csv'}") == f"csv:{Path.cwd() / 'a.csv'}"


def test_an_entry_survives_its_row():
    for entry in (an_entry(), look_of(seed=3, seconds=1.5, run="/runs/one", time="2026-01-01T00:00:00Z")):
        assert entry_of(row_of(entry)) == entry


def test_what_is_not_finite_was_not_measured():
    assert Scores(sharpe=float("nan"), growth=float("-inf"), returns=3).to_mapping() == {"returns": 3}


def test_only_what_could_have_been_chosen_counts():
    assert an_entry().counts
    assert look_of().counts
    assert an_entry(status="pruned").counts
    assert not an_entry(scores=Scores(), status="failed").counts
    assert not an_entry(kind="benchmark").counts
    assert not an_entry(kind="walk-forward fold").counts
    assert look_of(kind="walk-forward").counts


def test_times_are_written_in_utc_at_one_length():
    stamp = pd.Timestamp("2020-01-31 23:30:00.123456", tz="America/New_York")
    assert written(stamp) == "2020-02-01T04:30:00Z"


def test_the_data_of_a_training_are_its_slices():
    config = SMALL.data
    frames = config.load()
    slices = config.cut(frames)
    data = DataSet.of("a", config.uris(), slices)
    index = frames["gbm"].index
    assert data.train == Span(index[0], slices.train["gbm"].index[-1])
    assert data.validation.first == slices.validation[1]
    assert data.test == Span(slices.test[1], index[-1])
    assert data.train.last < data.validation.first <= data.validation.last < data.test.first
    assert data.markets == ["synthetic:gbm?n=300&seed=5&sigma=0.3"]
