from __future__ import annotations

import math

import pytest

from dltrader.benchmarks.planted.trainings import experiment_of, for_each, markets_of, trained_on
from dltrader.errors import ConfigError, SourceError
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import shipped_configs
from market_bars import random_walk
from small_runs import experiment


@pytest.mark.parametrize("kind", ["planted", "placebo"])
def test_what_is_shipped_for_it_comes_first(kind):
    assert "ppo" in shipped_configs(kind)
    found = experiment_of(kind, "ppo", {"train.total_timesteps": 640})
    assert (found.name, found.train.total_timesteps) == ("ppo", 640)
    found.agent.require(found.train.n_envs)
    assert (found.env.costs.commission == 0) == (kind == "placebo")


def test_any_other_experiment_will_do(tmp_path):
    assert experiment_of("planted", "ppo_lstm", {}).agent.extractor_name == "lstm"
    file = tmp_path / "mine.yaml"
    file.write_text("agent: a2c\n")
    assert experiment_of("planted", str(file), {}).agent.name == "a2c"
    with pytest.raises(ConfigError, match="no configuration file 'ppo_lstn'; did you mean 'ppo_lstm'"):
        experiment_of("planted", "ppo_lstn", {})
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        experiment_of("planted", "nowhere.yaml", {})


def test_markets_are_named_once():
    assert list(markets_of(["sample:I*", "sample:AAPL"])) == ["sample:IBM", "sample:AAPL"]
    with pytest.raises(ConfigError, match="the bars sample:IBM are named twice"):
        markets_of(["sample:*", "sample:IBM"])
    with pytest.raises(SourceError, match="nothing matches 'sample:Z"):
        markets_of(["sample:Z*"])


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_keep_the_order_of_their_keys(jobs):
    seen = {}
    found = for_each(math.sqrt, {"b": 4.0, "a": 9.0, "c": 1.0}, jobs=jobs, watch=seen.__setitem__)
    assert list(found.items()) == [("b", 2.0), ("a", 3.0), ("c", 1.0)]
    assert seen == found


def test_ctrl_c_ends_it_all(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dltrader.workflows.train_policy.learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained_on(ExperimentConfig.from_mapping(experiment()), random_walk(300))
