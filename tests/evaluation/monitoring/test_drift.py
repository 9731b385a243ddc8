from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dltrader.errors import ConfigError
from dltrader.evaluation.monitoring.drift import FeatureReference, drift_table, feature_reference, stability_index


def noise(rows, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1.0, (rows, 1)).astype(np.float32)


def wandering(rows, seed=0):
    """A feature that moves so slowly that no short stretch of it is spread as the whole."""
    steps = np.random.default_rng(seed).normal(0.0, 1.0, rows)
    slow = pd.Series(steps).ewm(alpha=0.01).mean().to_numpy()
    return slow[:, np.newaxis].astype(np.float32)


def test_the_index_by_hand():
    expected, found = [10, 10], [5, 15]
    q, p = np.array([5.5, 15.5]) / 21, np.array([0.5, 0.5])
    assert stability_index(expected, found) == pytest.approx(float(((q - p) * np.log(q / p)).sum()), abs=1e-15)
    assert stability_index(expected, found) == pytest.approx(0.24669, abs=1e-5)
    assert stability_index([7, 7, 7], [7, 7, 7]) == 0.0
    assert 0.0 < stability_index([10, 10], [0, 20]) < math.inf


def test_bins_hold_about_equally_many():
    spread = feature_reference(noise(1_000), ["x"]).features["x"]
    assert len(spread.edges) == 9
    assert set(spread.counts) == {100}
    np.testing.assert_array_equal(spread.shares, np.full(10, 0.1))


def test_a_reference_survives_its_json():
    reference = feature_reference(np.hstack([noise(600), wandering(600)]), ["fast", "slow"])
    assert FeatureReference.from_mapping(reference.to_mapping()) == reference
    assert reference.rows == 600


@pytest.mark.parametrize(("value", "beyond"), [(2.0, 1.5), (2.0, 2.5)])
def test_leaving_a_constant_is_drift_on_either_side(value, beyond):
    reference = feature_reference(np.full((500, 1), value, np.float32), ["x"])
    stays, leaves = (pd.DataFrame({"x": np.full(100, level)}) for level in (value, beyond))
    assert drift_table(reference, stays).loc[0, "psi"] == pytest.approx(0.0, abs=0.02)
    assert bool(drift_table(reference, leaves).loc[0, "drifted"])


def test_a_shift_is_drift_and_more_of_the_same_is_none():
    reference = feature_reference(np.hstack([noise(5_000), noise(5_000, 1)]), ["same", "shifted"])
    table = drift_table(reference, pd.DataFrame({"same": noise(300, 2)[:, 0], "shifted": noise(300, 3, 1.0)[:, 0]}))
    assert list(table["feature"]) == ["shifted", "same"]
    assert list(table["drifted"]) == [True, False]
    # Two normal distributions a standard deviation apart diverge by 1 in the sense of Jeffreys; bins lose some of it.
    assert 0.8 < table.loc[0, "psi"] < 1.2
    assert table.loc[1, "psi"] < 0.1


def test_what_moves_slowly_in_training_may_do_so_later():
    reference = feature_reference(wandering(5_000), ["slow"])
    later = wandering(5_300, seed=4)[-200:]
    table = drift_table(reference, pd.DataFrame({"slow": later[:, 0]}))
    assert table.loc[0, "psi"] > 0.25  # which would be drift of a feature that jumps about
    assert table.loc[0, "usual"] > 1.0
    assert not table.loc[0, "drifted"]


def test_later_stretches_of_a_slow_feature_are_seldom_drift():
    found = []
    for seed in range(6):
        walk = wandering(8_000, seed)
        reference = feature_reference(walk[:5_000], ["slow"])
        stretches = [pd.DataFrame({"slow": walk[row : row + 200, 0]}) for row in range(5_000, 8_000, 200)]
        found += [drift_table(reference, stretch).loc[0] for stretch in stretches]
    table = pd.DataFrame(found)
    assert (table["psi"] > 0.25).mean() > 0.9
    assert table["drifted"].mean() < 0.15


def test_the_usual_index_falls_with_the_length_and_is_unknown_of_short_trainings():
    spread = feature_reference(noise(5_000), ["x"]).features["x"]
    usual = [spread.usual[length] for length in (50, 100, 200, 500, 1_000)]
    assert usual == sorted(usual, reverse=True)
    # Of independent values it is about a chi-squared variable with 9 degrees of freedom, divided by their number.
    assert spread.usual_of(250) == spread.usual[200] == pytest.approx(16.9 / 200, rel=0.5)
    assert math.isnan(spread.usual_of(40))
    assert feature_reference(noise(200), ["x"]).features["x"].usual == {}


def test_few_values_and_unknown_features_are_not_judged():
    reference = feature_reference(noise(1_000), ["x"])
    table = drift_table(reference, pd.DataFrame({"x": noise(49, 1, 5.0)[:, 0], "other": 1.0}))
    assert list(table["feature"]) == ["x"]
    assert math.isnan(table.loc[0, "psi"])
    assert not table.loc[0, "drifted"]


@pytest.mark.parametrize(
    "changes", [{"edges": [1.0, 1.0]}, {"counts": [1, 2]}, {"counts": [-1, 2, 3]}, {"counts": [0, 0, 0]}]
)
def test_a_reference_that_cannot_be_is_refused(changes):
    spread = {"edges": [0.0, 1.0], "counts": [1, 2, 3]} | changes
    with pytest.raises(ConfigError, match=r"edges must increase|counts must be"):
        FeatureReference.from_mapping({"rows": 6, "features": {"x": spread}})
