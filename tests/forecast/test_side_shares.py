"""Shares of sides: from the probability of a win to buy, sell and hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from dltrader.errors import BundleError
from dltrader.forecast.scores import log_loss
from dltrader.forecast.side_shares import SideShares
from dltrader.forecast.vote import BUY, HOLD, SELL

COST = 0.3


def market(n=20_000, seed=0):
    """Movements of deviation 1 around what is known, and costs: probabilities of a win, labels, law of the sides."""
    generator = np.random.default_rng(seed)
    known = 0.7 * generator.standard_normal(n)
    movement = known + generator.standard_normal(n)
    side = np.where(movement > COST, BUY, np.where(movement < -COST, SELL, HOLD))
    win, sell = ndtr(known - COST), ndtr(-known - COST)
    return win, (side == BUY).astype(np.int64), side, np.column_stack([win, sell, 1.0 - win - sell])


def test_where_buy_is_what_wins_its_probability_is_that_of_a_win():
    win, wins, side, _ = market()
    said = SideShares.fit(win, wins, side).probabilities(win)
    assert said[:, BUY] == pytest.approx(win, abs=5e-4)
    assert said.sum(axis=1) == pytest.approx(np.ones(len(win)), abs=1e-12)


def test_the_rest_goes_to_sell_and_hold_as_the_market_has_it():
    win, wins, side, law = market()
    shares = SideShares.fit(win, wins, side)
    later, _, came, law_later = market(seed=1)
    assert np.abs(shares.probabilities(win) - law).max() < 0.03
    # Sell where the win is unlikely, hold where it is even: shared out by one proportion they would be off by 0.1.
    even = np.bincount(side[wins == 0], minlength=3) / (wins == 0).sum()
    plain = later[:, np.newaxis] * np.eye(3)[BUY] + (1 - later)[:, np.newaxis] * even
    assert np.abs(plain - law_later).max() > 0.1
    best = log_loss(law_later, came)
    assert 0 < log_loss(shares.probabilities(later), came) - best < 0.001 < log_loss(plain, came) - best


def test_of_another_horizon_sides_follow_the_win_as_far_as_they_did():
    """Wins that tell nothing of sides leave the shares of training; that tell half of it, half."""
    generator = np.random.default_rng(2)
    win = generator.uniform(0.2, 0.8, 30_000)
    wins = (generator.uniform(size=30_000) < win).astype(np.int64)
    side = generator.choice(3, 30_000, p=[0.5, 0.3, 0.2])
    said = SideShares.fit(win, wins, side).probabilities(win)
    assert np.abs(said - [0.5, 0.3, 0.2]).max() < 0.03
    mixed = np.where(generator.uniform(size=30_000) < 0.5, np.where(wins == 1, BUY, SELL), side)
    said = SideShares.fit(win, wins, mixed).probabilities(win)
    assert said[:, BUY] == pytest.approx(0.5 * win + 0.25, abs=0.03)


def test_a_side_that_never_came_is_unlikely_but_not_impossible():
    win, wins, side, _ = market(3_000)
    never = np.where(side == HOLD, SELL, side)
    said = SideShares.fit(win, wins, never).probabilities(win)
    assert said[:, HOLD].min() > 0
    assert said[:, HOLD].max() < 0.01


def test_a_row_is_shared_out_alike_whatever_stands_beside_it():
    win, wins, side, _ = market(2_000)
    shares = SideShares.fit(win, wins, side)
    alone = np.concatenate([shares.probabilities(win[row : row + 1]) for row in range(300)])
    np.testing.assert_array_equal(alone, shares.probabilities(win)[:300])


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.floats(0, 40))
@settings(max_examples=60, deadline=None)
def test_whatever_is_learned_from_probabilities_are_probabilities(seed, n, spread):
    generator = np.random.default_rng(seed)
    win = 1 / (1 + np.exp(-spread * generator.standard_normal(n)))
    wins, side = generator.integers(2, size=n), generator.integers(3, size=n)
    asked = np.concatenate([win, [0.0, 1.0, 0.5, 1e-300]])
    said = SideShares.fit(win, wins, side).probabilities(asked)
    assert np.isfinite(said).all()
    assert (said >= 0).all()
    assert said.sum(axis=1) == pytest.approx(np.ones(n + 4), abs=1e-12)


def test_they_come_back_from_plain_numbers_exactly():
    win, wins, side, _ = market(500)
    shares = SideShares.fit(win, wins, side)
    again = SideShares.from_list(shares.coefficients.tolist())
    np.testing.assert_array_equal(again.coefficients, shares.coefficients)


@pytest.mark.parametrize("values", [None, "abc", [], [[1, 2, 3]], [[[1, 2, 3]] * 2] * 3, [[[1, 2, np.nan]] * 2] * 2])
def test_other_numbers_are_refused(values):
    with pytest.raises(BundleError, match="2 x 2 x 3 numbers"):
        SideShares.from_list(values)
