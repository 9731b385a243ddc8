"""The arithmetic over windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.features.windows import (
    BLOCK_ROWS,
    absolute_deviation,
    exponential_mean,
    highest,
    lag,
    lowest,
    mean,
    ratio,
    standard_deviation,
    true_range,
    weighted_mean,
)

numbers = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60).map(np.array)
windows = st.integers(2, 12)


def test_lag_longer_than_the_values_is_all_nan():
    assert np.isnan(lag(np.array([1.0, 2.0]), 5)).all()


def test_weighted_mean_takes_the_newest_value_first():
    result = weighted_mean(np.array([1.0, 2.0, 4.0]), np.array([0.75, 0.25]))
    np.testing.assert_array_equal(result, [np.nan, 1.75, 3.5])


def test_exponential_mean_remembers_5_time_constants():
    values = np.random.default_rng(0).normal(size=300)
    result = exponential_mean(values, 0.1)
    assert np.isnan(result[:49]).all()
    recursion = pd.Series(values).ewm(alpha=0.1, adjust=False).mean().to_numpy()
    np.testing.assert_allclose(result[100:], recursion[100:], atol=0.02)
    window = pd.Series(values[-50:]).ewm(alpha=0.1, adjust=True).mean().iloc[-1]
    assert result[-1] == pytest.approx(window, rel=1e-12)


def test_deviations_of_three_numbers():
    values = np.array([1.0, 2.0, 6.0])
    above, standard = standard_deviation(values, 3)
    same, absolute = absolute_deviation(values, 3)
    assert above[2] == same[2] == pytest.approx(3.0)
    assert standard[2] == pytest.approx(np.sqrt(14 / 3))
    assert absolute[2] == pytest.approx(2.0)


def test_ratio_is_neutral_where_the_denominator_is_0():
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0, 3.0]), np.array([2.0, 0.0, 0.0]), 7.0), [0.5, 7, 7])


def test_true_range_reaches_to_the_close_before():
    result = true_range(np.array([10.0, 12.0]), np.array([9.0, 11.0]), np.array([9.5, 11.5]))
    np.testing.assert_array_equal(result, [np.nan, 2.5])


@given(numbers, windows)
def test_windows_agree_with_pandas(values, window):
    rolling = pd.Series(values).rolling(window)
    size = max(np.abs(values).max(), 1.0)
    np.testing.assert_allclose(mean(values, window), rolling.mean(), atol=1e-9 * size)
    np.testing.assert_allclose(standard_deviation(values, window)[1] ** 2, rolling.var(ddof=0), atol=1e-9 * size**2)
    np.testing.assert_array_equal(highest(values, window), rolling.max())
    np.testing.assert_array_equal(lowest(values, window), rolling.min())


@given(st.floats(-1e9, 1e9), windows)
def test_equal_values_have_exactly_their_mean_and_no_deviation(value, window):
    values = np.full(window + 3, value)
    above, standard = standard_deviation(values, window)
    _, absolute = absolute_deviation(values, window)
    assert (mean(values, window)[window - 1 :] == value).all()
    assert (exponential_mean(values, 2.0 / window)[-1:] == value).all() or len(values) < 2.5 * window
    for deviation in (above, standard, absolute):
        assert (deviation[window - 1 :] == 0).all()


@given(numbers, windows, st.integers(1, 10))
def test_history_before_the_window_does_not_change_a_bit(values, window, dropped):
    for function in (lambda x: mean(x, window), lambda x: standard_deviation(x, window)[1]):
        whole, later = function(values), function(values[dropped:])
        np.testing.assert_array_equal(later[window - 1 :], whole[dropped + window - 1 :])


@pytest.mark.parametrize("window", [2, 30, 300])
def test_rows_do_not_depend_on_the_block_in_which_they_are_computed(window):
    values = np.random.default_rng(4).normal(100, 1, 2 * BLOCK_ROWS + window + 7)
    first = window - 1
    borders = [first, first + BLOCK_ROWS - 1, first + BLOCK_ROWS, first + 2 * BLOCK_ROWS, len(values) - 1]
    for function in (
        lambda x: mean(x, window),
        lambda x: standard_deviation(x, window)[0],
        lambda x: standard_deviation(x, window)[1],
        lambda x: absolute_deviation(x, window)[1],
    ):
        whole = function(values)
        assert np.isnan(whole[:first]).all()
        assert np.isfinite(whole[first:]).all()
        alone = [function(values[row - first : row + 1])[-1] for row in borders]
        np.testing.assert_array_equal(whole[borders], alone)


@pytest.mark.parametrize("window", [2, 7, 40])
@pytest.mark.parametrize("spoiled", [None, np.nan, np.inf, -0.0])
def test_few_rows_come_to_the_same_as_many_to_the_bit(window, spoiled, monkeypatch):
    values = np.random.default_rng(window).normal(size=90) * 1e3
    values[30:45] = values[30]
    if spoiled is not None:
        values[60] = spoiled
    weights = np.random.default_rng(1).dirichlet(np.ones(window))

    def all_of():
        with np.errstate(invalid="ignore"):
            return [
                weighted_mean(values, weights),
                *standard_deviation(values, window),
                *absolute_deviation(values, window),
                highest(values, window),
                lowest(values, window),
            ]

    at_once = all_of()
    monkeypatch.setattr("dltrader.features.windows.AT_ONCE", 0)
    for quick, plain in zip(at_once, all_of(), strict=True):
        kept = ~np.isnan(plain)
        assert quick[kept].tobytes() == plain[kept].tobytes()  # -0.0 is not 0.0 here
        np.testing.assert_array_equal(np.isnan(quick), ~kept)
        assert np.isnan(quick[: window - 1]).all()
