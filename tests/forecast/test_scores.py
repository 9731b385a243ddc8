"""Scores: their numbers, their forms, and that honesty pays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.forecast.scores import (
    base_rate_log_loss,
    base_rates,
    brier_score,
    calibration_error,
    log_loss,
    log_losses,
    reliability,
)

SAID = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]])
CAME = np.array([0, 2, 0])


def test_log_loss_is_the_mean_of_minus_log_p_of_what_came():
    assert log_losses(SAID, CAME) == pytest.approx([-math.log(0.7), -math.log(0.6), -math.log(0.25)])
    assert log_loss(SAID, CAME) == pytest.approx(-(math.log(0.7) + math.log(0.6) + math.log(0.25)) / 3)


def test_equal_chances_cost_the_log_of_their_number():
    assert log_loss(np.full((5, 3), 1 / 3), np.array([0, 1, 2, 0, 1])) == pytest.approx(math.log(3))


def test_what_was_called_impossible_costs_much_and_not_infinitely_much():
    assert log_loss(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(-math.log(1e-15))


def test_the_brier_score_of_sides_is_the_squared_distance():
    first, second, third = 0.09 + 0.04 + 0.01, 0.01 + 0.09 + 0.16, 0.5625 + 0.25 + 0.0625
    assert brier_score(SAID, CAME) == pytest.approx((first + second + third) / 3)


def test_both_forms_of_two_classes_are_scored_alike_but_for_briers_factor():
    win, came = np.array([0.9, 0.4, 0.7]), np.array([1, 1, 0])
    by_class = np.column_stack([1 - win, win])
    assert log_loss(win, came) == pytest.approx(log_loss(by_class, came))
    assert brier_score(win, came) == pytest.approx((0.01 + 0.36 + 0.49) / 3)
    assert brier_score(by_class, came) == pytest.approx(2 * brier_score(win, came))


@pytest.mark.parametrize("score", [log_loss, brier_score, calibration_error])
@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_of_nothing_there_is_no_score(score, shape):
    assert math.isnan(score(np.empty(shape), np.empty(0, dtype=int)))


@given(
    truth=st.lists(st.floats(0.02, 1), min_size=3, max_size=3),
    other=st.lists(st.floats(0.02, 1), min_size=3, max_size=3),
)
def test_nobody_expects_to_score_better_than_by_saying_what_they_believe(truth, other):
    believed, said = (np.array(one) / sum(one) for one in (truth, other))
    every = np.arange(3)
    for losses in (log_losses, lambda p, y: ((p - np.eye(3)[y]) ** 2).sum(axis=1)):
        honest, dishonest = (believed @ losses(np.tile(one, (3, 1)), every) for one in (believed, said))
        assert honest <= dishonest + 1e-12


def test_the_calibration_error_of_wins_by_hand():
    said = np.array([0.05, 0.1, 0.85, 0.9, 0.95])
    came = np.array([0, 1, 1, 1, 0])
    # Bins (0, 0.1], (0.8, 0.9] and (0.9, 1] hold 2, 2 and 1.
    gaps = 2 * abs(0.075 - 0.5) + 2 * abs(0.875 - 1.0) + abs(0.95 - 0.0)
    assert calibration_error(said, came) == pytest.approx(gaps / 5)


def test_of_sides_the_likeliest_is_asked_for():
    # 0.7 and 0.6 came, 0.5 did not: bins (0.4, 0.5], (0.5, 0.6], (0.6, 0.7] hold one each.
    assert calibration_error(SAID, CAME) == pytest.approx((0.3 + 0.4 + 0.5) / 3)


def test_the_calibration_curve_has_a_row_a_bin():
    table = reliability(np.array([0.0, 0.2, 0.21, 1.0]), np.array([0, 1, 0, 1]), bins=5)
    assert table.edges == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert table.counts.tolist() == [2, 1, 0, 0, 1]
    assert table.said == pytest.approx([0.1, 0.21, math.nan, math.nan, 1.0], nan_ok=True)
    assert table.came == pytest.approx([0.5, 0.0, math.nan, math.nan, 1.0], nan_ok=True)


def test_true_probabilities_have_no_calibration_error_but_that_of_the_sample():
    generator = np.random.default_rng(0)
    said = generator.uniform(size=200_000)
    came = (generator.uniform(size=len(said)) < said).astype(int)
    # Below a standard error of sqrt(0.25 / 20 000) a bin, for it is on average sqrt(2 / pi) of one.
    assert calibration_error(said, came) < 0.0035
    assert calibration_error(said**2, came) == pytest.approx(1 / 6, abs=0.01)  # the mean of said - said^2


def test_base_rates_are_counted_and_equal_where_nothing_is():
    assert base_rates(np.array([0, 0, 1, 0]), 3).tolist() == [0.75, 0.25, 0.0]
    assert base_rates(np.empty(0, dtype=int), 2).tolist() == [0.5, 0.5]


def test_the_base_rate_of_training_is_scored_on_what_came_after():
    train, test = np.array([0, 0, 1, 2]), np.array([0, 1, 1])
    assert base_rate_log_loss(train, test) == pytest.approx((math.log(2) + 2 * math.log(4)) / 3)
    assert base_rate_log_loss(np.array([0, 1]), np.array([1]), n_classes=2) == pytest.approx(math.log(2))
