from __future__ import annotations

import pytest

from dltrader.errors import ConfigError
from dltrader.forecast.forecasters import ForecasterConfig
from dltrader.runs.ensemble import EnsembleConfig, PolicyMember, RunMember, load_experiment
from dltrader.runs.experiment import ExperimentConfig
from dltrader.runs.trial import config_id
from small_ensembles import PPO, ensemble
from small_runs import experiment


def of(changes=None):
    return EnsembleConfig.from_mapping(ensemble(changes))


def test_what_has_members_is_an_ensemble():
    assert isinstance(load_experiment(ensemble()), EnsembleConfig)
    assert isinstance(load_experiment(experiment()), ExperimentConfig)
    assert isinstance(load_experiment("ppo_mlp", {"seed": 3}), ExperimentConfig)
    assert load_experiment(of(), {"labels.horizon_bars": 7}).labels.horizon_bars == 7
    found = load_experiment({}, {"members.lgb": {"name": "lightgbm"}})
    assert (found.label, found.engine, found.threads) == ("lgb", "cerebro", 1)


def test_members_are_told_by_their_keys_and_written_as_they_were():
    config = of({"members.ppo": PPO, "members.old": {"run": "runs/old"}})
    kinds = {name: type(member) for name, member in config.members.items()}
    assert issubclass(kinds["lstm"], ForecasterConfig)
    assert (kinds["ppo"], kinds["old"]) == (PolicyMember, RunMember)
    assert list(config.forecasters) == ["lstm", "lgb"]
    assert EnsembleConfig.from_mapping(config.to_mapping()) == config
    assert config.label == "lstm + lgb + ppo + old"


def test_the_policy_of_a_member_sees_what_all_see_and_acts_in_its_own_way():
    config = of({"members.ppo": PPO, "seed": 4})
    policy = config.policy_experiment("ppo")
    assert (policy.name, policy.seed, policy.data) == ("small-ppo", 4, config.data)
    assert policy.env.features == config.members_env.features == config.env.features[:-1]
    assert (policy.env.action.name, config.env.action.name) == ("target_position", "target_weight")
    assert policy.train.total_timesteps == 128
    with pytest.raises(ConfigError, match=r"^members\.lstm is no policy to be trained"):
        config.policy_experiment("lstm")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": {}}, "members"),
        ({"members.Big": {"name": "lightgbm"}}, "members"),
        ({"members.lgb": {"rounds": 3}}, "'name' is missing; known: lstm, lightgbm"),
        ({"members.lgb": {"name": "lightgmb"}}, "did you mean 'lightgbm'"),
        ({"members.lgb.round": 3}, r"unknown key 'members\.lgb\.round'; did you mean 'members\.lgb\.rounds'"),
        (
            {"data.bars": {"a": "sample:AAPL", "b": "sample:IBM"}},
            "trades one instrument at a time; set data.trade to apart",
        ),
        ({"members.ensemble": {"name": "lightgbm", "window_bars": 3}}, r"^members\.ensemble would be called what all"),
        (
            {"members.lgb_5d": PPO, "members.lgb.horizons": [5, 30]},
            r"^members\.lgb_5d is called as one of the models of members\.lgb may be",
        ),
        ({"env.window_bars": 3}, r"^members\.lstm reads 4 bars at a time, and env\.window_bars is 3; set that to"),
        ({"env.action": "buy_sell_hold"}, r"^env\.action is buy_sell_hold, and an ensemble trades weights"),
        ({"folds": {"horizon_bars": 5, "purge_bars": 2}}, "horizon_bars 5 is longer than purge_bars 2"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        of(changes)
    assert "\n" not in str(caught.value)


def test_the_cross_validation_changes_no_trial_and_a_member_does():
    plain = config_id(of())
    assert config_id(of({"folds": {"folds": 2}})) == plain
    assert config_id(of({"folds": {"folds": 2}}), whole=True) != config_id(of(), whole=True)
    assert config_id(of({"name": "other", "seed": 9})) == plain
    assert config_id(of({"members.lgb.rounds": 6})) != plain
