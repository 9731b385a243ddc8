from __future__ import annotations

import math

import pytest

from dltrader.agents.learning import learn
from dltrader.errors import ConfigError
from small_runs import agent_of, makers, untrained


def deviations(**options):
    """The deviation with which each rollout was made."""
    found = []
    agent = agent_of(n_steps=32, batch_size=32, **options)
    environments = makers(1, action="target_weight")
    learn(
        agent,
        environments,
        total_timesteps=128,
        seed=0,
        on_rollout=lambda rollout: found.append(math.exp(rollout.network.log_std.item())),
    )
    return found


def test_the_deviation_falls_geometrically_to_its_end():
    found = deviations(initial_deviation=0.4, final_deviation=0.025)
    # Rollouts begin at 0, 1/4, 1/2 and 3/4 of the training, each with half the deviation of the one before.
    assert found == pytest.approx([0.4, 0.2, 0.1, 0.05])


def test_without_an_end_it_is_learned():
    found = deviations(initial_deviation=0.4)
    assert found[0] != pytest.approx(0.4, rel=1e-6)
    assert found == pytest.approx([0.4] * 4, rel=0.1)


def test_it_does_not_rise():
    with pytest.raises(ConfigError, match=r"final_deviation must not be above initial_deviation 0\.4, was 0\.5"):
        agent_of(initial_deviation=0.4, final_deviation=0.5)


def test_choices_have_no_deviation():
    with pytest.raises(ConfigError, match=r"agent.final_deviation is 0.1, and env.action gives Discrete\(3\)"):
        untrained(agent={"name": "ppo", "final_deviation": 0.1})
    with pytest.raises(ConfigError, match=r"agent.final_deviation is 0.1"):
        learn(agent_of(final_deviation=0.1), makers(1), total_timesteps=64, seed=0)
