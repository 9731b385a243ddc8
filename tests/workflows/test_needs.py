from __future__ import annotations

import pytest

from dltrader.runs import ExperimentConfig
from dltrader.workflows.needs import NUMBER_BYTES, PRICES, PROCESS_BYTES, Needs, on_gpu
from small_runs import experiment, experiment_of

N_BARS, FEATURES, WINDOW = 300, 2, 4


def needed(config):
    return Needs().bytes_of(ExperimentConfig.load(config))


def test_a_training_needs_its_process_and_its_bars():
    assert needed(experiment()) == PROCESS_BYTES + NUMBER_BYTES * (PRICES + FEATURES) * N_BARS


@pytest.mark.parametrize("name", ["sac", "dqn", "qrdqn"])
@pytest.mark.parametrize("engine", ["vector", "cerebro"])
def test_a_replay_is_counted(name, engine):
    few, many = (
        needed(experiment_of(name, {"agent.replay_bars": bars, "train.engine": engine})) for bars in (1000, 1_001_000)
    )
    market = 2 if engine == "vector" else WINDOW * FEATURES  # a bar by name, or its window
    action = 4 if name == "sac" else 8
    assert (many - few) / 1e6 == 2 * 4 * (market + 2) + action + 12


def test_bars_that_several_have_in_common_are_loaded_once(monkeypatch):
    needs, config = Needs(), ExperimentConfig.load(experiment())
    first = needs.bytes_of(config)
    monkeypatch.setattr(type(config.data), "load", lambda self: pytest.fail("loaded again"))
    assert needs.bytes_of(config.with_overrides({"seed": 7})) == first


def test_a_gpu_is_needed_where_one_is_named():
    named = [ExperimentConfig.load(experiment({"train.device": device})) for device in ("cpu", "cuda", "auto")]
    assert [on_gpu(config) for config in named] == [False, True, False]
