from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from dltrader.agents.config import AGENTS
from dltrader.agents.q_table import LARGEST
from dltrader.errors import ConfigError
from dltrader.runs import Run
from dltrader.workflows.train import train
from market_bars import random_walk
from small_runs import agent_of, experiment_of, untrained


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
def test_the_bundle_holds_the_table_and_the_edges_of_the_features_that_were_named(tmp_path, engine):
    changes = {"env.features": ["log_return", "gap", "range"], "agent.features": ["range"], "agent.bins": 4}
    run = train(experiment_of("q_table", changes | {"train.engine": engine}), out=tmp_path / "run")
    (weights,) = (run.path / "policy").glob("*.safetensors")
    found = load_file(weights)
    assert found["table"].shape == (1, 4 * 3, 3)
    assert found["columns"].tolist() == [2]
    assert (np.diff(found["edges"]) > 0).all()
    described = json.loads((run.path / "policy" / "policy.json").read_text())
    assert described["agent"]["features"] == ["range"]
    assert Run.open(run.path).policy().name == "q_table"


def test_engines_cut_the_same_bins(tmp_path):
    edges = [
        train(experiment_of("q_table", {"train.engine": engine}), out=tmp_path / engine).policy().network.edges
        for engine in ("vector", "cerebro")
    ]
    assert edges[0].tolist() == edges[1].tolist()


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"env.features": ["log_return", "volume_change"]},
            "agent.bins: the feature volume_change_1 cannot be cut into 2 bins, for it is constant: 0 on all ",
        ),
        (
            {"agent.features": ["log_retrun_1"]},
            "unknown feature 'log_retrun_1' in agent.features; did you mean 'log_return_1'?",
        ),
        ({"agent.bins": [2, 3, 4]}, "agent.bins must be one number, or one for each of 2 features, was [2, 3, 4]"),
        (
            {"agent.bins": 1000, "agent.positions": 5},
            (
                "agent q_table would have 15,000,000 values: 1000 x 1000 bins x 5 positions x 3 choices, and 4,194,304 "
                "are allowed; name a few of env.features in agent.features, or lower agent.bins"
            ),
        ),
        (
            {"agent.bins": 1000, "env.features": ["rsi", "gap", "macd", "atr", "log_return", "body"]},
            "agent q_table would have 9,000,000,000,000,000,000,000 values: 1000 x 1000 x 1000 x 1000 x 1000 x 1000 x ",
        ),
        (
            {"agent.bins": 300},
            "agent.bins: the feature log_return_1 cannot be cut into 300 bins of equal number, for it has 206 diff",
        ),
        ({"agent.learning_starts": 256}, "agent.learning_starts must be below the 256 bars of train.total_timesteps"),
        ({"agent.bins": 1}, "agent.bins must be greater than or equal to 2, was 1"),
        ({"agent.extractor": "lstm"}, "unknown key 'agent.extractor'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path, change, message, engine):
    bars = random_walk(300, 1).assign(volume=1000.0)
    with pytest.raises(ConfigError) as caught:
        train(experiment_of("q_table", change | {"train.engine": engine}), bars=bars, out=tmp_path / "run")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"positions": [1, 0]}, "positions must be numbers in ascending order, was [1.0, 0.0]"),
        ({"positions": []}, "positions must be numbers in ascending order, was []"),
        ({"features": ["gap", "gap"]}, "features must be different ones, was ['gap', 'gap']"),
        ({"features": ["gap"], "bins": [2, 3]}, "bins must be one number, or one for each of 1 features, was [2, 3]"),
        (
            {"epsilon_start": 0.1, "epsilon_end": 0.2},
            "epsilon_end must not be above epsilon_start 0.1, was 0.2",
        ),
        (
            {"learning_rate": 0.001, "schedule": "constant"},
            "learning_rate_end must not be above learning_rate 0.001, was 0.01",
        ),
    ],
)
def test_contradictions_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        agent_of(name="q_table", **values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("positions", "levels"),
    [(3, (-1.0, 0.0, 1.0)), (1, (0.0,)), (5, (-1.0, -0.5, 0.0, 0.5, 1.0)), ([0, 0.25, 2], (0.0, 0.25, 2.0))],
)
def test_positions_are_so_many_levels_or_the_levels_themselves(positions, levels):
    assert agent_of(name="q_table", positions=positions).levels == levels


def test_epsilon_falls_to_its_end_and_stays_there():
    agent = agent_of(name="q_table", epsilon_start=0.9, epsilon_end=0.1, epsilon_fraction=0.5)
    found = [agent.epsilon(progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert found == pytest.approx([0.9, 0.5, 0.1, 0.1])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("linear", [0.5, 0.3, 0.1]), ("constant", [0.5, 0.5, 0.5]), ("visits", [0.5, 0.25, 0.1])],
)
def test_steps_become_smaller_as_the_schedule_says(schedule, expected):
    agent = agent_of(
        name="q_table", schedule=schedule, learning_rate=0.5, learning_rate_end=0.1, visits_power=0.5, bins=2
    )
    found = [agent.step_size(progress, np.array([visits])) for progress, visits in ((0.0, 1), (0.5, 4), (1.0, 10_000))]
    np.testing.assert_allclose(np.ravel(found), expected)


def test_a_table_just_small_enough_can_be_had():
    agent = {"name": "q_table", "features": ["log_return_1"], "positions": 1000}
    assert untrained(agent=agent | {"bins": 999}).network.table.numel() == 999 * 1000 * 3 < LARGEST


def test_it_has_no_extractor_and_the_others_have():
    labels = {name: AGENTS[name]().label for name in AGENTS if name in {"ppo", "sac", "q_table"}}
    assert labels == {"ppo": "ppo (mlp)", "sac": "sac (mlp)", "q_table": "q_table"}
    assert agent_of(name="q_table").extractor_name is None
