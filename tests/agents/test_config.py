"""What every registered agent keeps to, with every extractor and on both engines."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dltrader.agents import AGENTS
from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.agents.trained import TrainedPolicy
from dltrader.errors import ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.nn import EXTRACTORS
from dltrader.runs import Run
from dltrader.workflows.train import train
from market_bars import random_walk
from small_runs import (
    action_of,
    agent_of,
    agents_with,
    experiment_of,
    makers,
    market_of,
    observations,
    reading,
    untrained,
)

SMALL = {
    "mlp": {"hidden": [8]},
    "cnn": {"channels": 8},
    "lstm": {"hidden": 8},
    "gru": {"hidden": 8},
    "bilstm_attention": {"hidden": 8},
    "attention": {"width": 8, "heads": 2},
}


def tensors(network):
    return {key: tensor.clone() for key, tensor in network.state_dict().items()}


def learned_in_lanes(name, *, windows=False, steps=256, seed=0, **changes):
    market, config = market_of(random_start=True, episode_bars=20, action=action_of(name))
    agent = agent_of(name=name, **changes)
    return learn(agent, LanesVecEnv(market, config, 4, windows=windows), total_timesteps=steps, seed=seed)


@pytest.mark.parametrize(("name", "extractor"), agents_with(EXTRACTORS))
def test_every_agent_learns_on_every_extractor(name, extractor):
    fresh, seen = [], []
    reads = reading(name, extractor, **SMALL.get(extractor, {}))
    network = learn(
        agent_of(name=name, **reads),
        makers(2, action=action_of(name)),
        total_timesteps=128,
        seed=3,
        on_start=lambda network: fresh.append(tensors(network)),
        on_rollout=seen.append,
    )
    after = tensors(network)
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert any(not torch.equal(fresh[0][key], after[key]) for key in after if "extractor" in key or not reads)
    assert seen[-1].steps >= 128
    assert math.isfinite(seen[-1].value_loss)
    # What is loaded from a bundle is made without a learner.
    market, config = market_of(action=action_of(name))
    agent = agent_of(name=name, **reads)
    empty = TrainedPolicy.network_for(agent, config, market.pipeline, 1).state_dict()
    assert {key: tensor.shape for key, tensor in after.items()} == {key: tensor.shape for key, tensor in empty.items()}


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_is_trained_kept_and_backtested_on_both_engines(tmp_path, name, engine):
    run = train(experiment_of(name, {"train.engine": engine}), out=tmp_path / "run")
    opened = Run.open(run.path)
    assert opened.manifest["status"] == "finished"
    assert opened.curve["steps"].tolist()[-1] >= 256
    assert opened.config.agent == run.config.agent
    policy, loaded = run.policy(), opened.policy()
    assert policy.observation_space["market"].shape == (4, 2)
    bars = random_walk(120, 9)
    one, other = backtest(policy, bars), backtest(loaded, bars)
    assert one.equity.equals(other.equity)
    assert np.isfinite(one.equity).all()


@pytest.mark.parametrize("name", AGENTS)
def test_equal_seeds_give_equal_weights(name):
    first, second, other = (tensors(learned_in_lanes(name, seed=seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", AGENTS)
def test_named_bars_teach_what_windows_teach(name):
    # Few updates: rounding differs, and one choice that it turns makes two trainings of one.
    expected, found = (
        learned_in_lanes(name, windows=windows, steps=128, **reading(name, "gru", hidden=8)).state_dict()
        for windows in (True, False)
    )
    assert expected.keys() == found.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("name", "extractor"), agents_with(["mlp", "lstm", "attention"]))
@pytest.mark.parametrize("action", ["target_position", "buy_sell_hold", "target_weight"])
@pytest.mark.parametrize("n_instruments", [1, 2])
def test_one_observation_and_a_batch_of_them(name, extractor, action, n_instruments):
    _, config = market_of(action=action)
    if not AGENTS[name].takes(config.action_space(n_instruments)):
        with pytest.raises(ConfigError, match=f"^agent {name} .* or take an agent that fits: .*ppo"):
            untrained(agent={"name": name} | reading(name, extractor), n_instruments=n_instruments, action=action)
        return
    policy = untrained(agent={"name": name} | reading(name, extractor), n_instruments=n_instruments, action=action)
    batch = observations(policy, 6)
    starts = np.ones(6, bool)
    actions, _ = policy.predict(batch, None, starts, deterministic=True)
    assert np.shape(actions) == (6, *policy.action_space.shape)
    for i in range(6):
        one = {key: value[i] for key, value in batch.items()}
        action_i, state = policy.predict(one, None, starts[:1], deterministic=True)
        assert np.shape(action_i) == policy.action_space.shape
        assert policy.action_space.contains(policy.action_space.dtype.type(action_i))
        np.testing.assert_allclose(action_i, actions[i], atol=1e-5)
        assert (state is None) == (name != "recurrent_ppo")


def test_agents_are_read_from_what_they_write():
    for name in AGENTS:
        agent = agent_of(name=name, **reading(name, "attention", width=8, heads=2))
        assert AGENTS[name].from_mapping(agent.to_mapping()) == agent


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize(
    ("name", "action", "instruments", "message", "fitting"),
    [
        (
            "sac",
            "buy_sell_hold",
            1,
            (
                "agent sac chooses weights, so it needs a Box, and env.action gives Discrete(3); "
                "set env.action: target_weight"
            ),
            {"ppo", "recurrent_ppo", "a2c", "dqn", "qrdqn", "q_table"},
        ),
        (
            "dqn",
            "target_weight",
            1,
            (
                "agent dqn makes one choice, so it needs a Discrete, and env.action gives "
                "Box(-1.0, 1.0, (1,), float32); "
                "trade one instrument with env.action: target_position or buy_sell_hold"
            ),
            {"ppo", "recurrent_ppo", "a2c", "sac"},
        ),
        (
            "qrdqn",
            "target_position",
            2,
            (
                "agent qrdqn makes one choice, so it needs a Discrete, and env.action gives MultiDiscrete([3 3]); "
                "trade one instrument with env.action: target_position or buy_sell_hold"
            ),
            {"ppo", "recurrent_ppo", "a2c"},
        ),
        (
            "q_table",
            "buy_sell_hold",
            2,
            (
                "agent q_table makes one choice, so it needs a Discrete, and env.action gives MultiDiscrete([3 3]); "
                "trade one instrument with env.action: target_position or buy_sell_hold"
            ),
            {"ppo", "recurrent_ppo", "a2c"},
        ),
    ],
)
def test_actions_that_do_not_fit_are_refused_and_nothing_is_written(
    tmp_path, name, action, instruments, message, fitting, engine
):
    frames = {f"asset{i}": random_walk(200, i) for i in range(instruments)}
    changes = {"env.action": action, "train.engine": engine}
    with pytest.raises(ConfigError) as caught:
        train(experiment_of(name, changes), bars=frames, out=tmp_path / "run")
    told, _, names = str(caught.value).partition(", or take an agent that fits: ")
    assert told == message
    ours = {"ppo", "recurrent_ppo", "a2c", "sac", "dqn", "qrdqn", "q_table"}
    assert set(names.split(", ")) & ours == fitting
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a2c_mlp", "sac_mlp", "dqn_lstm", "q_table"])
def test_a_shipped_configuration_trains(tmp_path, name):
    few = {"train.total_timesteps": 512, "train.n_envs": 16}
    if name != "a2c_mlp":
        few["agent.learning_starts"] = 256
    run = train(name, few, out=tmp_path / "run")
    assert np.isfinite(run.curve[["validation_growth", "value_loss"]].iloc[-1]).all()
    action = {"sac_mlp": "target_weight", "dqn_lstm": "buy_sell_hold"}
    assert run.config.env.action.name == action.get(name, "target_position")
