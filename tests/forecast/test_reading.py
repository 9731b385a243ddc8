from __future__ import annotations

import numpy as np
import pytest

from dltrader.errors import BundleError
from dltrader.forecast.reading import places_of, read, require_columns

MARKET = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)


def test_columns_are_found_by_name():
    assert places_of(("c", "a"), ("a", "b", "c")).tolist() == [2, 0]


@pytest.mark.parametrize("shown", [None, ("a", "b"), ["a", "b"]])
def test_all_that_is_shown_needs_no_finding(shown):
    assert places_of(("a", "b"), shown) is None


def test_the_newest_rows_and_own_columns_are_taken():
    found = read("lstm", MARKET, 2, ("a", "b", "c"), np.array([2, 0]))
    np.testing.assert_array_equal(found, [[[8, 6], [11, 9]], [[20, 18], [23, 21]]])
    assert found.flags.c_contiguous


def test_rows_follow_each_other_in_memory_however_the_window_was_cut():
    found = read("lstm", np.asfortranarray(MARKET), 3, None, None)
    np.testing.assert_array_equal(found, MARKET[:, 1:])
    assert found.flags.c_contiguous


def test_a_whole_window_is_not_copied():
    assert np.shares_memory(read("lstm", MARKET, 4, None, None), MARKET)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (None, "the member lstm reads windows of 5 rows or more, was given an array of shape (2, 4, 3); show it"),
        (("a", "b", "c"), "the member lstm reads windows of 5 rows or more and 3 columns, was given an array of shape"),
    ],
)
def test_windows_that_are_too_short_are_refused(shown, message):
    with pytest.raises(BundleError) as caught:
        read("lstm", MARKET, 5, shown, None)
    assert str(caught.value).startswith(message)


def test_what_is_not_shown_is_named():
    require_columns("lstm", ("a",), ("a", "b"))
    with pytest.raises(BundleError) as caught:
        require_columns("lstm", ("rsi_14",), ("rsi_10", "gap"))
    assert str(caught.value) == (
        "the member lstm reads the feature 'rsi_14', which the ensemble does not show; train it on the ensemble's "
        "features; did you mean 'rsi_10'?"
    )
