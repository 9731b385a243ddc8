"""The scalings, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.config import Config
from dltrader.errors import ConfigError, FeatureError
from dltrader.features import SCALINGS, NoScaling, RollingScaling, TrainScaling
from dltrader.features.scaling import Moments, ScalingField, rolling_z_score

from .samples import same_bits


class Holder(Config):
    scaling: ScalingField = RollingScaling()


def column(*values):
    return np.array(values, float)[:, None]


def test_rolling_is_the_z_score_within_the_window():
    scaled = RollingScaling(window_bars=3).apply(column(1, 2, 3, 0), None)
    np.testing.assert_allclose(scaled[:, 0], [1 / np.sqrt(2 / 3), (0 - 5 / 3) / np.sqrt(14 / 9)])


def test_rolling_gives_rows_for_full_windows_only():
    scaling = RollingScaling(window_bars=5)
    assert scaling.warmup_bars == 4
    assert scaling.apply(np.zeros((9, 2)), None).shape == (5, 2)


@pytest.mark.parametrize("value", [0.1, -3.7, 0.0, 1e-300, 1e12])
def test_constant_window_is_0(value):
    scaled = RollingScaling(window_bars=252).apply(column(*[value] * 300), None)
    assert (scaled == 0).all()


def test_rounding_noise_counts_as_constant():
    values = column(*([0.1, 0.1 + 1.4e-17, 0.1 - 1.4e-17] * 10))
    assert (RollingScaling(window_bars=10).apply(values, None) == 0).all()
    assert (TrainScaling().apply(values, TrainScaling().fit(values)) == 0).all()


def test_values_so_small_that_their_squares_vanish_stay_finite():
    values = np.array([1e-170, 3e-170, 2e-170, 7e-170])
    assert np.isfinite(rolling_z_score(values, 2)[1:]).all()


def test_rolling_is_clipped():
    values = column(*[0.0, 1.0] * 30, 1e9)
    assert RollingScaling(window_bars=60, clip=3).apply(values, None)[-1, 0] == 3.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=40), st.integers(2, 6))
def test_rolling_depends_on_its_window_only_and_to_the_bit(values, window):
    scaling = RollingScaling(window_bars=window)
    whole = scaling.apply(column(*values), None)
    for row in range(len(whole)):
        alone = scaling.apply(column(*values[row : row + window]), None)
        assert same_bits(alone, whole[row : row + 1])
    assert (np.abs(whole) <= 5).all()


def test_train_takes_mean_and_deviation_from_the_fit():
    scaling = TrainScaling()
    moments = scaling.fit(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert moments == Moments(mean=(2.0, 5.0), deviation=(1.0, 0.0))
    scaled = scaling.apply(np.array([[4.0, 9.0], [100.0, 5.0]]), moments)
    np.testing.assert_array_equal(scaled, [[2.0, 0.0], [5.0, 0.0]])


@pytest.mark.parametrize("name", list(SCALINGS))
def test_every_scaling_does_each_column_by_itself(name):
    scaling = SCALINGS[name].from_mapping({"name": name})
    rows = np.asfortranarray(np.random.default_rng(0).normal([3, -1e3, 0], [50, 1, 0], (400, 3)))
    moments = scaling.fit(rows)
    whole = scaling.apply(rows, moments)
    columns = [rows[:, [column]] for column in range(3)]
    if moments is not None:
        assert Moments.of_columns(scaling.fit(each) for each in columns) == moments
    for column, each in enumerate(columns):
        alone = scaling.apply(each, None if moments is None else moments.of_column(column))
        assert same_bits(alone[:, 0], whole[:, column])


def test_train_without_a_fit_is_told():
    with pytest.raises(FeatureError, match="'train' is not fitted"):
        TrainScaling().apply(column(1, 2), None)


def test_none_changes_nothing_and_has_no_bound():
    rows = column(1e6, -4)
    assert NoScaling().apply(rows, None) is rows
    assert NoScaling().bound is None


@pytest.mark.parametrize("name", list(SCALINGS))
def test_every_scaling_is_chosen_by_name_and_read_back(name):
    holder = Holder.from_mapping({"scaling": name})
    assert type(holder.scaling) is SCALINGS[name]
    assert holder.to_mapping()["scaling"]["name"] == name
    assert Holder.from_mapping(holder.to_mapping()) == holder


@pytest.mark.parametrize("name", list(SCALINGS))
def test_every_scaling_leaves_its_warm_up_out_and_its_values_finite_and_bounded(name):
    scaling = SCALINGS[name].from_mapping({"name": name})
    rows = np.random.default_rng(0).normal(3, 50, (400, 3))
    scaled = scaling.apply(rows, scaling.fit(rows))
    assert scaled.shape == (400 - scaling.warmup_bars, 3)
    assert np.isfinite(scaled).all()
    assert scaling.bound is None or np.abs(scaled).max() <= scaling.bound
    assert scaling.learns == (scaling.fit(rows) is not None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("roling", "unknown scaling 'roling'; did you mean 'rolling'?"),
        ({"name": "rolling", "window": 5}, "unknown key 'scaling.window'; did you mean 'scaling.window_bars'?"),
        ({"name": "rolling", "window_bars": 1}, "window_bars must be greater than or equal to 2, was 1"),
        ({"name": "train", "clip": 0}, "clip must be greater than 0, was 0"),
    ],
)
def test_faulty_scaling_is_told(value, message):
    with pytest.raises(ConfigError) as caught:
        Holder.from_mapping({"scaling": value})
    assert message in str(caught.value)
