from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError
from dltrader.forecast.labels import (
    RULES,
    LabelsConfig,
    break_even,
    forward_return,
    side,
    trailing_volatility,
    triple_barrier,
)
from dltrader.forecast.vote import BUY, HOLD, SELL
from market_bars import bars_of, random_walk

FREE = Costs(commission=0, slippage=0)
COSTS = Costs(commission=0.001, slippage=0.0005)


def path(*bars):
    """Bars of (open, high, low, close) after one at which the decision is made."""
    return bars_of(*zip((100.0, 100.0, 100.0, 100.0), *bars, strict=True))


def barriers(bars, horizon, *, profit=1.0, loss=1.0, costs=FREE, margin=0.0):
    """Barriers at 10 % and multiples of it: the volatility is set so that they do not depend on the horizon."""
    volatility = np.full(len(bars), math.log(1.1) / math.sqrt(horizon))
    return triple_barrier(bars, horizon, costs, profit=profit, loss=loss, volatility=volatility, margin=margin)[0]


@given(seed=st.integers(0, 30), horizon=st.integers(1, 8), margin=st.floats(0, 0.05))
def test_a_side_is_right_where_the_movement_passes_its_costs(seed, horizon, margin):
    bars = random_walk(40, seed)
    sides, movement = side(bars, horizon, COSTS, margin), forward_return(bars, horizon)
    entry = np.append(bars["open"].to_numpy()[1:], np.nan)
    long, short = (np.log(price / entry) for price in break_even(bars, COSTS))
    expected = np.where(movement > long + margin, BUY, np.where(movement < short - margin, SELL, HOLD))
    known = slice(0, 40 - horizon)
    assert sides[known].tolist() == expected[known].tolist()
    assert np.isnan(sides[40 - horizon :]).all()


def test_without_costs_the_side_is_the_sign_of_the_movement():
    bars = random_walk(300, 1)
    movement = forward_return(bars, 5)[:-5]
    assert side(bars, 5, FREE)[:-5].tolist() == np.where(movement > 0, BUY, SELL).tolist()


def test_costs_turn_small_movements_into_holds():
    bars = random_walk(2_000, 1)
    shares = [np.mean(side(bars, 5, Costs(commission=c, slippage=0))[:-5] == HOLD) for c in (0, 0.005, 0.05)]
    # 1 % of round trip against a movement of about 4.4 %: P(|z| < 0.228) = 0.18.
    np.testing.assert_allclose(shares, [0.0, 0.18, 0.98], atol=0.03)


def test_the_profit_that_is_touched_first_is_the_side():
    up = path((100, 105, 98, 104), (104, 111, 103, 110), (110, 110, 80, 80))
    assert barriers(up, 3) == BUY
    down = path((100, 105, 98, 96), (96, 97, 89, 90), (90, 130, 90, 130))
    assert barriers(down, 3) == SELL


def test_what_stays_between_the_barriers_until_the_horizon_is_a_hold():
    bars = path((100, 105, 98, 104), (104, 109, 103, 108), (108, 130, 108, 130))
    assert barriers(bars, 2) == HOLD
    assert barriers(bars, 3) == BUY


def test_a_bar_that_touches_profit_and_loss_decides_for_neither():
    assert barriers(path((100, 112, 88, 111), (111, 130, 111, 130)), 2) == HOLD


def test_an_open_beyond_a_barrier_comes_before_the_rest_of_its_bar():
    assert barriers(path((100, 101, 99, 100), (112, 113, 80, 85)), 2) == BUY
    assert barriers(path((100, 101, 99, 100), (88, 130, 87, 120)), 2) == SELL


def test_a_trade_that_was_stopped_cannot_take_its_profit_any_more():
    # The loss at half the distance of the profit: down 5 % first, which stops the long trade, then up 12 %.
    bars = path((100, 101, 94, 95), (95, 112, 95, 112))
    assert barriers(bars, 2, profit=1.0, loss=0.5) == HOLD
    assert barriers(bars, 2, profit=1.0, loss=1.0) == BUY


def test_a_profit_must_pay_for_costs_and_margin_however_calm_the_market_is():
    bars = path((100, 111, 99.5, 110), (110, 114, 109, 113))
    assert barriers(bars, 2) == BUY
    assert barriers(bars, 2, costs=Costs(commission=0.06, slippage=0)) == BUY  # even at 112.8
    assert barriers(bars, 2, costs=Costs(commission=0.07, slippage=0)) == HOLD  # at 115
    assert barriers(bars, 2, margin=math.log(1.13)) == BUY
    assert barriers(bars, 2, margin=math.log(1.15)) == HOLD


def slowly(bars, horizon, profit, loss, volatility, costs):
    """The rule bar by bar, as it is written down."""
    long, short = break_even(bars, costs)
    sides = []
    for t in range(len(bars) - horizon):
        reach = volatility[t] * math.sqrt(horizon)
        if math.isnan(reach):
            sides.append(math.nan)
            continue
        entry = bars["open"].iloc[t + 1]
        buys = max(entry * math.exp(profit * reach), long[t]), entry * math.exp(-loss * reach)
        sells = min(entry * math.exp(-profit * reach), short[t]), entry * math.exp(loss * reach)
        when = {}
        for name, (target, stop), sign in (("buy", buys, 1), ("sell", sells, -1)):
            for k in range(1, horizon + 1):
                bar = bars.iloc[t + k]
                best, worst = (bar.high, bar.low) if sign > 0 else (bar.low, bar.high)
                if k > 1 and sign * bar.open >= sign * target:
                    when[name] = k
                    break
                if sign * worst <= sign * stop:
                    break
                if sign * best >= sign * target:
                    when[name] = k
                    break
        bought, sold = when.get("buy", math.inf), when.get("sell", math.inf)
        sides.append(BUY if bought < sold else SELL if sold < bought else HOLD)
    return [*sides, *[math.nan] * horizon]


@pytest.mark.parametrize(("profit", "loss"), [(1.0, 1.0), (0.5, 1.5), (1.5, 0.5), (0.3, 0.3)])
@pytest.mark.parametrize("horizon", [1, 7])
def test_barriers_are_those_of_the_rule_followed_bar_by_bar(profit, loss, horizon):
    bars = random_walk(160, 5)
    volatility = trailing_volatility(bars, 20)
    fast = triple_barrier(bars, horizon, COSTS, profit=profit, loss=loss, volatility=volatility)
    np.testing.assert_array_equal(fast, slowly(bars, horizon, profit, loss, volatility, COSTS))
    assert len(np.unique(fast[~np.isnan(fast)])) == 3


def test_rules_are_chosen_by_name_and_barriers_take_their_parameters():
    labels = LabelsConfig.from_mapping({"rule": {"name": "triple_barrier", "profit": 2, "volatility_bars": 30}})
    bars = random_walk(200, 2)
    expected = triple_barrier(bars, 5, COSTS, profit=2, loss=1, volatility=trailing_volatility(bars, 30))
    np.testing.assert_array_equal(labels.rule.sides(bars, 5, COSTS), expected)
    assert LabelsConfig.from_mapping(labels.to_mapping()) == labels
    assert sorted(RULES) == ["threshold", "triple_barrier"]


@pytest.mark.parametrize("name", RULES)
def test_every_rule_gives_the_three_classes_and_says_nothing_of_bars_without_a_future(name):
    bars = random_walk(600, 3)
    sides = LabelsConfig(rule=name).rule.sides(bars, 5, COSTS)
    assert np.isnan(sides[-5:]).all()
    assert set(sides[60:-5]) == {BUY, SELL, HOLD}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rule": "thresold"}, "did you mean 'threshold'"),
        ({"rule": {"name": "triple_barrier", "profit": 0}}, "profit"),
        ({"rule": {"name": "threshold", "profit": 1}}, "unknown key 'rule.profit'"),
        ({"horizon_bars": 0}, "horizon_bars"),
    ],
)
def test_labels_that_cannot_be_are_refused(values, expected):
    with pytest.raises(ConfigError, match=expected):
        LabelsConfig.from_mapping(values)
