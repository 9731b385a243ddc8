from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.agents.baselines import BuyAndHold, ConstantExposure, Flat, RandomTrader, SMACross
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.behaviour import (
    Collapse,
    behaviour_of,
    correlation,
    exposure_entropy,
    levels_of,
    mean_exposure,
    share_in_market,
    share_of_flips,
    value_of_holding,
)
from market_bars import flat_then, random_walk


def index_of(n_bars):
    return pd.date_range("2001-01-01", periods=n_bars, tz="UTC", name="time")


def exposure_of(**instruments):
    """Exposures at the closes after the first decision; at that of the decision itself nothing is held."""
    n_bars = 1 + len(next(iter(instruments.values())))
    return pd.DataFrame({name: [0.0, *values] for name, values in instruments.items()}, index_of(n_bars), dtype=float)


def equity_of(returns):
    return pd.Series(np.cumprod([100.0, *(1.0 + np.asarray(returns))]), index_of(len(returns) + 1))


def orders_of(*fills):
    """Fills from (instrument, side)."""
    return pd.DataFrame(fills, columns=["instrument", "side"])


RETURNS = np.random.default_rng(1).normal(0, 0.01, 40)
MARKET = equity_of(RETURNS)
MANY = orders_of(*[("a", "buy"), ("a", "sell")] * 10)


def behaviour(exposures, orders=MANY, *, scale=None):
    """What fabricated exposures are called, whose returns are those of the market times the exposure."""
    exposure = exposure_of(a=exposures)
    returns = RETURNS[: len(exposures)]
    return behaviour_of(
        equity_of(returns * (np.asarray(exposures) if scale is None else scale)),
        exposure,
        orders,
        MARKET.iloc[: len(exposure)],
    )


# Each number by hand.


def test_mean_exposure_keeps_signs_and_leaves_the_bar_of_the_first_decision_out():
    means = mean_exposure(exposure_of(a=[1, 1, 0, -1], b=[0.5, 0, 0, 0]))
    assert means.to_dict() == {"a": 0.25, "b": 0.125}


def test_mean_exposure_is_of_the_bars_before_the_ruin():
    assert mean_exposure(exposure_of(a=[-1, -2, math.nan])).to_dict() == {"a": -1.5}


def test_in_market_is_a_bar_on_which_anything_is_held():
    assert share_in_market(exposure_of(a=[1, 0, 0, 0], b=[0, -0.1, 0, 0])) == 0.5


def test_levels_are_quarters_of_an_instruments_share():
    assert levels_of(exposure_of(a=[0.12, 0.13, 1.0, -0.49, -1.2]))["a"].tolist() == [0, 1, 4, -2, -5]
    # Of two instruments each has half the equity to itself.
    assert levels_of(exposure_of(a=[0.5, 0.25], b=[-0.5, 0]))["a"].tolist() == [4, 2]


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [
        ([1, 1, 1, 1], 0.0),
        ([1, 1.02, 0.97, 1.1], 0.0),  # what prices did is not what the policy did
        ([1, 0, 1, 0], math.log(2)),
        ([1, 0, 0, 0], 0.25 * math.log(4) + 0.75 * math.log(4 / 3)),
        ([-1, 0, 1], math.log(3)),
        ([0, 0.25, 0.5, 1], math.log(4)),
    ],
)
def test_entropy_by_hand(exposures, expected):
    assert exposure_entropy(exposure_of(a=exposures)) == pytest.approx(expected, abs=1e-12)


def test_entropy_of_several_instruments_is_the_mean_of_theirs():
    assert exposure_entropy(exposure_of(a=[0.5, 0, 0.5, 0], b=[0.5] * 4)) == pytest.approx(math.log(2) / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [([1, 1, 1], 0.0), ([1, -1, 1], 1.0), ([1, 1, 0, 0, 1], 0.5), ([0.5, 0.52, 0.48], 0.0)],
)
def test_flips_by_hand(exposures, expected):
    assert share_of_flips(exposure_of(a=exposures)) == expected


def test_flips_of_several_instruments_are_their_mean():
    assert share_of_flips(exposure_of(a=[0.5, 0, 0.5], b=[0.5, 0.5, 0.5])) == 0.5


@pytest.mark.parametrize(("scale", "expected"), [(0.5, 1.0), (2.0, 1.0), (-1.0, -1.0)])
def test_correlation_of_scaled_returns_is_one(scale, expected):
    assert correlation(equity_of(scale * RETURNS), MARKET) == pytest.approx(expected, abs=1e-12)


def test_correlation_of_scaled_money_is_one():
    assert correlation(7.0 * MARKET, MARKET) == pytest.approx(1.0, abs=1e-12)


def test_correlation_by_hand():
    # Deviations (1, -1, 0) and (1, 0, -1) of a hundredth: 1 / 2.
    assert correlation(equity_of([0.02, 0.0, 0.01]), equity_of([0.02, 0.01, 0.0])) == pytest.approx(0.5, abs=1e-12)


def test_correlation_is_of_the_bars_that_both_have():
    assert correlation(MARKET.iloc[:20], MARKET) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("returns", [[0.0] * 40, [0.01] * 40, [0.01]])
def test_correlation_of_what_never_varies_is_nan(returns):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(correlation(equity_of(returns), MARKET))
        assert math.isnan(correlation(MARKET, equity_of(returns)))


def test_holding_is_worth_the_mean_growth_of_the_closes():
    bars = {"a": flat_then(100, 110, 90), "b": flat_then(10, 10, 15)}
    np.testing.assert_allclose(value_of_holding(bars), [1.0, 1.05, 1.2], rtol=1e-12)


def test_one_bar_has_no_numbers_and_no_fills_no_collapse_but_that():
    found = behaviour_of(MARKET.iloc[:1], exposure_of(a=[]), orders_of(), MARKET.iloc[:1])
    assert all(math.isnan(value) for value in found.numbers.values())
    assert found.collapse is Collapse.IDLE


def test_the_numbers_are_floats_by_name():
    found = behaviour([1.0, 0.0] * 10)
    assert found.numbers == {
        "net_exposure": 0.5,
        "in_market": 0.5,
        "fills_per_bar": 1.0,
        "flips": 1.0,
        "exposure_entropy": pytest.approx(math.log(2)),
        "correlation": found.correlation,
    }
    assert {type(value) for value in found.numbers.values()} == {float}


# Collapse, from fabricated records.


@pytest.mark.parametrize(
    ("orders", "collapse", "remark"),
    [
        (orders_of(), Collapse.IDLE, "the policy never traded"),
        (orders_of(("a", "buy")), Collapse.BOUGHT, "the policy bought once and held"),
        (orders_of(("a", "sell")), Collapse.SOLD, "the policy sold short once and held"),
    ],
)
def test_no_more_than_one_fill_is_named(orders, collapse, remark):
    found = behaviour([0.5, 0.0, -0.5, 0.0] * 5, orders)
    assert (found.collapse, found.remark) == (collapse, remark)


@pytest.mark.parametrize(
    ("fills", "collapse", "remark"),
    [
        ([("b", "buy")], Collapse.BOUGHT, "the policy bought once and held in 1 of 2 instruments"),
        ([("a", "sell"), ("b", "sell")], Collapse.SOLD, "the policy sold short once and held in 2 of 2 instruments"),
        ([("a", "sell"), ("b", "buy")], Collapse.TRADED, "the policy traded once and held in 2 of 2 instruments"),
    ],
)
def test_one_fill_an_instrument_is_named(fills, collapse, remark):
    found = behaviour_of(MARKET.iloc[:4], exposure_of(a=[0, 0.5, 0], b=[0.5, 0, 0]), orders_of(*fills), MARKET)
    assert (found.collapse, found.remark) == (collapse, remark)


def test_flipping_on_nearly_every_bar_is_named():
    found = behaviour([1.0, -1.0] * 20)
    assert found.collapse is Collapse.FLIPS
    assert found.remark == "the policy flips on nearly every bar: on 100 % of them its exposure went to another level"


@pytest.mark.parametrize(("rests", "collapse"), [(4, Collapse.FLIPS), (5, None)])
def test_nearly_every_bar_is_nine_in_ten(rests, collapse):
    # Of 40 changes from bar to bar 36 are 90 %.
    changes = np.array([False] * rests + [True] * (40 - rests))
    exposures = np.concatenate([[0], np.cumsum(changes) % 2]).astype(float)
    returns = np.random.default_rng(2).normal(0, 0.01, 41)
    found = behaviour_of(equity_of(returns), exposure_of(a=exposures), MANY, equity_of(returns[::-1]))
    assert found.flips == pytest.approx((40 - rests) / 40)
    assert found.collapse == collapse


def test_holding_in_many_orders_is_named_with_its_numbers():
    found = behaviour([0.98] * 40)
    assert found.collapse is Collapse.HOLDS
    assert found.remark == "the policy holds the market nearly always: correlation 1.00, exposure 98 %"


def test_being_short_in_many_orders_is_named_with_its_numbers():
    found = behaviour([-1.0] * 40)
    assert found.collapse is Collapse.SHORTS
    assert found.remark == "the policy is short of the market nearly always: correlation -1.00, exposure -100 %"


@pytest.mark.parametrize("out", [1, 3])
def test_staying_out_now_and_then_is_not_holding(out):
    assert behaviour([*[0.0] * out, *[1.0] * (40 - out)]).collapse is None


def test_holding_what_does_not_move_with_the_market_is_not_holding_it():
    assert behaviour([1.0] * 40, scale=np.where(np.arange(40) % 3 == 0, -1.0, 1.0)).collapse is None


@pytest.mark.parametrize(("n_bars", "collapse"), [(9, None), (10, Collapse.FLIPS)])
def test_few_bars_show_no_habit(n_bars, collapse):
    assert behaviour(([1.0, -1.0] * 5)[:n_bars]).collapse == collapse
    assert behaviour([1.0] * 9).collapse is None


# Collapse, from what traders really did.


class Flipper:
    """Long and short by turns."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        bar = 0 if state is None else state
        return (2 if bar % 2 == 0 else 0), bar + 1


@pytest.mark.parametrize("benchmark", [True, False])
@pytest.mark.parametrize(
    ("policy", "collapse"),
    [
        (Flat(), Collapse.IDLE),
        (BuyAndHold(), Collapse.BOUGHT),
        (Flipper(), Collapse.FLIPS),
        (ConstantExposure(weights=(0.5,)), Collapse.HOLDS),
        (ConstantExposure(weights=(-0.5,)), Collapse.SHORTS),
        (RandomTrader(), None),
        (SMACross(), None),
    ],
    ids=lambda value: getattr(value, "name", type(value).__name__),
)
def test_traders_are_called_what_they_are(quick, policy, collapse, benchmark):
    # Without the benchmark, as on validation bars, the closes stand in for it: the verdict is the same.
    found = backtest(policy, random_walk(300), quick, benchmark=benchmark).behaviour
    assert found.collapse == collapse
    assert (found.remark is None) == (collapse is None)


def test_the_closes_stand_in_for_buy_and_hold(quick):
    result = backtest(RandomTrader(), random_walk(300), quick)
    alone = backtest(RandomTrader(), random_walk(300), quick, benchmark=False)
    assert alone.behaviour.correlation == pytest.approx(result.behaviour.correlation, abs=0.02)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=2, max_size=60))
def test_shares_and_entropy_stay_in_their_ranges(exposures):
    exposure = exposure_of(a=exposures)
    assert 0.0 <= share_in_market(exposure) <= 1.0
    assert 0.0 <= share_of_flips(exposure) <= 1.0
    assert 0.0 <= exposure_entropy(exposure) <= math.log(len(set(exposures))) + 1e-12
    assert (exposure_entropy(exposure) == 0.0) == (share_of_flips(exposure) == 0.0)
