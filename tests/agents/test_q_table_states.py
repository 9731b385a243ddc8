from __future__ import annotations

import numpy as np
import pytest

from dltrader.agents.q_table_states import States, edges_of, quantile_edges
from dltrader.errors import ConfigError


def test_edges_lie_midway_between_the_values_that_they_part():
    assert quantile_edges(np.arange(100.0), 4, "x").tolist() == [24.5, 49.5, 74.5]
    assert quantile_edges(np.array([3.0, 1.0, 2.0]), 3, "x").tolist() == [1.5, 2.5]


@pytest.mark.parametrize("ups", [1, 30, 50, 99])
def test_two_values_are_two_bins_however_often_each_comes(ups):
    values = np.repeat([1.0, -1.0], [ups, 100 - ups])
    assert quantile_edges(values, 2, "sign").tolist() == [0.0]


@pytest.mark.parametrize("n_bins", [2, 3, 7, 50])
def test_bins_hold_equal_numbers_of_bars(n_bins):
    values = np.random.default_rng(n_bins).standard_normal(500).astype(np.float32)
    states = States((n_bins,), (0.0,))
    found = states.numbers(values[:, None], np.zeros(500), edges_of(values[:, None], (n_bins,), ["x"]))
    counts = np.bincount(found, minlength=n_bins)
    assert len(counts) == n_bins
    assert counts.max() - counts.min() <= 1


def test_a_constant_feature_is_named():
    with pytest.raises(ConfigError) as caught:
        edges_of(np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]]), (2, 4), ["rsi_14", "volume"])
    assert str(caught.value) == (
        "agent.bins: the feature volume cannot be cut into 4 bins, for it is constant: 7 on all 3 bars; "
        "name others in agent.features, or take it out of env.features"
    )


@pytest.mark.parametrize(
    ("values", "n_bins", "why", "at_most"),
    [
        ([0.0, 1.0, 2.0] * 4, 4, "it has 3 different values", 3),
        ([0.0] * 90 + list(range(1, 11)), 4, "90% of the 100 bars have 0", 2),
    ],
)
def test_values_that_repeat_too_often_are_named_and_bins_that_can_be_had(values, n_bins, why, at_most):
    with pytest.raises(ConfigError, match=f"^agent.bins: the feature gap .* 4 bins .*, for {why}; give it {at_most} "):
        quantile_edges(np.array(values), n_bins, "gap")
    assert len(quantile_edges(np.array(values), at_most, "gap")) == at_most - 1


def test_states_are_numbered_by_features_and_then_by_the_nearest_level():
    states = States((2, 3), (-1.0, 0.0, 1.0))
    edges = np.array([0.0, 10.0, 20.0])
    rows = np.array([[-1.0, 5.0], [-1.0, 15.0], [1.0, 25.0], [0.0, 10.0]])
    exposure = np.array([-3.0, 0.4, 0.6, -0.5])
    # A value on an edge belongs to the upper bin, an exposure midway to the higher level.
    assert states.numbers(rows, exposure, edges).tolist() == [0, 4, 17, (3 + 1) * 3 + 1]
    assert (len(states), states.n_edges) == (18, 3)


def test_every_state_has_a_number_of_its_own():
    states = States((3, 2, 4), (0.0, 0.5, 1.0))
    bins = np.stack(np.meshgrid(range(3), range(2), range(4), range(3), indexing="ij"), -1).reshape(-1, 4)
    edges = np.array([0.5, 1.5, 0.5, 0.5, 1.5, 2.5])
    found = states.numbers(bins[:, :3], bins[:, 3] / 2, edges)
    assert found.tolist() == list(range(len(states)))
