from __future__ import annotations

import pytest

from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import shipped_configs
from dltrader.workflows.space import Choices, Range, Space
from small_runs import experiment


def base():
    return ExperimentConfig.load(experiment())


def test_what_is_drawn_becomes_overrides_wider_keys_first():
    space = Space.load(
        {
            "agent.extractor.dropout": {"low": 0, "high": 0.3, "step": 0.1},
            "agent.n_epochs": {"low": 1, "high": 5},
            "agent.extractor": {"choices": ["mlp", {"name": "lstm", "hidden": 8}]},
        }
    )
    drawn = {"agent.extractor.dropout": 0.1, "agent.n_epochs": 3, "agent.extractor": "{hidden: 8, name: lstm}"}
    overrides = space.overrides(drawn)
    assert list(overrides.items()) == [
        ("agent.n_epochs", 3),
        ("agent.extractor", {"name": "lstm", "hidden": 8}),
        ("agent.extractor.dropout", 0.1),
    ]
    assert Space.load(space.to_mapping()).to_mapping() == space.to_mapping()


def test_a_range_between_whole_numbers_is_whole():
    assert Range(low=1, high=5).probes == [1, 5]
    assert Range(low=1, high=5.0).probes == [1, 5.0, pytest.approx(3.4721, abs=1e-4)]
    assert list(Choices(choices=[8, "8", 0.5, None]).by_label) == ["8", "'8'", "0.5", "null"]


@pytest.mark.parametrize("name", shipped_configs("spaces"))
def test_a_shipped_space_fits_the_shipped_configurations(name):
    space = Space.load(name)
    for config in ("ppo_mlp", "ppo_lstm", "ppo_attention", "ppo_sine"):
        space.require(ExperimentConfig.load(config))
    assert len(space.dimensions) > 3


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "the search space is empty; name a key, such as agent.gamma: {low: 0.8, high: 0.99}"),
        ({"agent.gamma": 0.9}, "agent.gamma must be {low: …, high: …} or {choices: […]}, was 0.9"),
        ({"agent.gamma": {"lo": 0.8, "high": 1}}, "agent.gamma: "),
        ({"agent.gamma": {"low": 0.9, "high": 0.8}}, "agent.gamma: high must be above low 0.9, was 0.8"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "a: low must be above 0 where log is true, was 0"),
        ({"a": {"low": 1, "high": 9, "log": True, "step": 2}}, "a: step must be null where log is true, was 2"),
        ({"a": {"low": 1, "high": 9, "step": 0.5}}, "a: step must be whole where both bounds are, was 0.5"),
        ({"a": {"low": 0, "high": 1.0, "step": 0.3}}, "a: step must divide the 1 from low to high, was 0.3"),
        ({"a": {"choices": [1]}}, "a: choices must"),
        ({"a": {"choices": [1, 1]}}, "a: choices must be different from each other"),
        ({"a": {"choices": [1, object]}}, "a: choices must be numbers, words or mappings"),
        ("spaces/none.yaml", "cannot read the configuration spaces/none.yaml: No such file"),
        ("pppo", "no search space 'pppo'; did you mean 'ppo'?"),
    ],
)
def test_what_is_no_space_is_refused(space, message):
    with pytest.raises(ConfigError) as caught:
        Space.load(space)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"agent.gama": {"low": 0.8, "high": 0.9}}, "unknown key 'agent.gama'; did you mean 'agent.gamma'?"),
        ({"agent.gamma": {"low": 0.8, "high": 1.2}}, "agent.gamma must be less than or equal to 1, was 1.2"),
        ({"agent.n_epochs": {"low": 1.0, "high": 5.0}}, "agent.n_epochs must be an integer"),
        ({"env.action": {"choices": ["target_weight", "hold"]}}, "env.action: unknown action scheme 'hold'"),
    ],
)
def test_a_key_that_is_none_of_the_configuration_is_refused(space, message):
    with pytest.raises(ConfigError) as caught:
        Space.load(space).require(base())
    assert str(caught.value).startswith(f"the search space does not fit the configuration: {message}")


@pytest.mark.parametrize("key", ["seed", "name", "data.start", "data", "env.costs.commission", "env.costs"])
def test_what_would_make_scores_incomparable_cannot_be_searched(key):
    with pytest.raises(ConfigError, match=f"^{key} cannot be searched: "):
        Space.load({key: {"low": 1, "high": 2}}).require(base())


def test_nor_within_a_wider_key():
    costs = [{"costs": {"commission": 0.0}}, {"window_bars": 8}]
    with pytest.raises(ConfigError, match=r"^env\.costs cannot be searched: .*; leave it out of env$"):
        Space.load({"env": {"choices": costs}}).require(base())
    Space.load({"env": {"choices": [{"window_bars": 8}, {"window_bars": 16}]}}).require(base())
