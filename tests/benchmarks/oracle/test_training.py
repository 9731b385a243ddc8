from __future__ import annotations

import numpy as np
import pytest

from dltrader.agents.config import AGENTS
from dltrader.benchmarks.oracle.curves import Curves, signals_of
from dltrader.benchmarks.oracle.tasks import Discrete
from dltrader.benchmarks.oracle.training import Setting, Standing, measure_oracle, shipped_settings, train_on, trained
from dltrader.errors import ConfigError

AGENT = {"name": "ppo", "extractor": {"name": "mlp", "hidden": [16]}, "hidden": [], "n_steps": 32, "batch_size": 512}


def setting(task, agent=None, **more):
    values = {"task": task, "agent": agent or AGENT, "total_timesteps": 1024, "lanes": 32, "episode_steps": 64}
    return Setting.from_mapping(values | more)


def test_an_agent_learns_a_task_without_costs_almost_whole():
    learning = AGENT | {"learning_rate": 0.003, "gamma": 0.5, "entropy_bonus": 0.0}
    found = trained(setting({"name": "discrete", "psi": 0.0}, learning, total_timesteps=40_960), seed=0)
    assert found.fraction > 0.95
    assert found.seconds > 0
    # Without costs the signal's side is all that counts, whatever was held.
    away = np.abs(signals_of(Discrete(psi=0.0))) > 0.2
    np.testing.assert_array_equal(found.curve[:, away], np.tile(np.sign(signals_of(Discrete()))[away], (3, 1)))


def test_the_seed_decides_and_the_number_of_processes_does_not():
    settings = [("a", setting("quadratic"))]
    one, two = (measure_oracle(settings, seeds=[0, 1], jobs=jobs)[0] for jobs in (1, 2))
    assert one.fractions == two.fractions
    assert one.fractions[0] != one.fractions[1]
    alone = trained(setting("quadratic"), 0)
    assert one.fractions[0] == alone.fraction
    np.testing.assert_array_equal(one.curves.learned, two.curves.learned)
    np.testing.assert_array_equal(one.curves.learned[0], alone.curve)
    assert one.optimum == pytest.approx(0.663, abs=1e-3)


@pytest.mark.parametrize("task", ["linear_risk", "linear_capped", "hidden", "ritter"])
def test_every_task_can_be_learned_on(task):
    network = train_on(setting(task, window_bars=4), 0)
    assert network.observation_space["market"].shape == (4, 1)


@pytest.mark.parametrize("name", [name for name in AGENTS if name not in {"ppo", "sac"}])
def test_every_agent_can_learn(name):
    small = {"name": name, "extractor": {"name": "mlp", "hidden": [8]}, "hidden": [8]}
    sizes = {"n_steps": 16, "batch_size": 128} if name == "recurrent_ppo" else {"learning_starts": 256}
    agent = {"name": name, "learning_starts": 256} if name == "q_table" else small | ({} if name == "a2c" else sizes)
    assert train_on(setting("discrete", agent), 0) is not None


def test_a_standing_is_the_middle_half_of_its_seeds():
    curves = Curves("signal", *(np.zeros(1) for _ in range(3)), np.full((4, 1), 0.123456))
    found = Standing("x", "quadratic", "ppo (mlp)", (0.1, 0.98, 0.99, 1.0), 0.66, 10, 1.0, curves)
    assert found.fraction == pytest.approx(0.985)
    low, high = found.interval
    assert low < 0.985 < high <= 1.0
    assert found.to_mapping()["fraction"] == found.fraction
    assert found.to_mapping()["curves"]["learned"] == [[0.1235]] * 4


def test_the_shipped_settings_load_and_name_their_tasks():
    shipped = shipped_settings()
    assert {"quadratic_ppo", "discrete1_ppo", "hidden3_ppo"} <= set(shipped)
    for one in shipped.values():
        one.agent.require(one.lanes)
        assert np.isfinite(one.total_timesteps)


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="unknown task 'quadratik'; did you mean 'quadratic'"):
        setting("quadratik")
    with pytest.raises(ConfigError, match="unknown key 'lane'"):
        setting("quadratic", lane=3)
    with pytest.raises(ConfigError, match=r"sac .*Box"):
        train_on(setting("discrete", {"name": "sac"}), 0)
