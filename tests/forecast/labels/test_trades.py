from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import Costs, EnvConfig
from dltrader.forecast.labels import (
    break_even,
    forward_return,
    realised_volatility,
    trailing_volatility,
    win,
    worst_excursion,
)
from market_bars import bars_of, random_walk

FREE = Costs(commission=0, slippage=0)
COSTS = Costs(commission=0.001, slippage=0.0005)

# Five bars, in which a trade decided at the first enters at 100.
BARS = bars_of(
    opened=[99.0, 100.0, 104.0, 101.0, 98.0],
    high=[101.0, 105.0, 106.0, 103.0, 99.0],
    low=[98.0, 99.0, 100.0, 97.0, 95.0],
    close=[100.0, 104.0, 102.0, 98.0, 96.0],
)


def test_a_forward_return_is_that_from_the_next_open_to_the_close_at_the_horizon():
    expected = [math.log(102 / 100), math.log(98 / 104), math.log(96 / 101), np.nan, np.nan]
    np.testing.assert_allclose(forward_return(BARS, 2), expected, rtol=1e-15)


def test_over_one_bar_the_trade_is_left_at_the_close_of_the_bar_that_it_was_entered_in():
    expected = [math.log(104 / 100), math.log(102 / 104), math.log(98 / 101), math.log(96 / 98), np.nan]
    np.testing.assert_allclose(forward_return(BARS, 1), expected, rtol=1e-15)


def test_realised_volatility_is_the_root_mean_square_of_the_returns_that_make_up_the_movement():
    first = [math.log(104 / 100), math.log(102 / 104), math.log(98 / 102)]
    second = [math.log(102 / 104), math.log(98 / 102), math.log(96 / 98)]
    expected = [math.sqrt(np.mean(np.square(first)))]
    second[0] = math.log(102 / 104)
    expected.append(math.sqrt(np.mean(np.square(second))))
    np.testing.assert_allclose(realised_volatility(BARS, 3), [*expected, np.nan, np.nan, np.nan], rtol=1e-14)
    assert sum(first) == pytest.approx(forward_return(BARS, 3)[0], rel=1e-14)


def test_a_price_that_stands_still_has_no_volatility_at_all():
    still = bars_of(*[np.full(30, 7.3)] * 4)
    assert realised_volatility(still, 4)[:-4].tolist() == [0.0] * 26
    assert trailing_volatility(still, 10)[10:].tolist() == [0.0] * 20


def test_the_worst_excursions_are_those_of_the_lows_and_of_the_highs_after_the_decision():
    long, short = worst_excursion(BARS, 3)
    np.testing.assert_allclose(long[:2], [math.log(97 / 100), math.log(95 / 104)], rtol=1e-15)
    np.testing.assert_allclose(short[:2], [math.log(100 / 106), math.log(104 / 106)], rtol=1e-15)
    assert np.isnan(long[2:]).all()
    assert np.isnan(short[2:]).all()


def test_trailing_volatility_knows_only_returns_up_to_its_bar():
    returns = np.diff(np.log([100.0, 104.0, 102.0, 98.0, 96.0]))
    expected = [np.nan, np.nan, *(math.sqrt(np.mean(returns[i : i + 2] ** 2)) for i in range(3))]
    np.testing.assert_allclose(trailing_volatility(BARS, 2), expected, rtol=1e-14)


def test_break_even_prices_have_costs_on_both_sides():
    long, short = break_even(BARS, COSTS)
    assert long[0] == pytest.approx(100 * 1.0005 * 1.001 / (0.9995 * 0.999), rel=1e-15)
    assert short[0] == pytest.approx(100 * 0.9995 * 0.999 / (1.0005 * 1.001), rel=1e-15)
    assert np.isnan([long[-1], short[-1]]).all()


def test_break_even_prices_have_a_fee_on_every_unit_on_both_sides():
    long, short = break_even(BARS, Costs(commission=0, slippage=0, per_unit=0.25))
    assert long[0] == 100.5
    assert short[0] == 99.5


def test_an_entry_is_slipped_within_its_bar_only():
    narrow = bars_of([100.0, 100.0], [100.0, 100.02], [100.0, 99.99], [100.0, 100.0])
    long, short = break_even(narrow, Costs(commission=0, slippage=0.01))
    assert long[0] == pytest.approx(100.02 / 0.99, rel=1e-15)
    assert short[0] == pytest.approx(99.99 / 1.01, rel=1e-15)


@pytest.mark.parametrize("target", [1, -1])
def test_an_entry_costs_what_the_environment_takes_for_it(target):
    bars = random_walk(400, seed=3)
    config = EnvConfig(window_bars=1, action="target_weight", lot_size=0, costs=COSTS)
    env = TradingEnv(bars, config=config)
    _, info = env.reset(seed=0)
    decided = bars.index.get_loc(info["time"])
    info = env.step(np.array([target * 0.5], np.float32))[-1]
    (fill,) = info["fills"]
    paid = abs(fill.size) * fill.price + target * fill.commission
    beyond = break_even(bars, COSTS)[0 if target > 0 else 1][decided]
    # Left at that price, a trade gets back what it paid: the exit's slippage and commission are on the other side.
    left = beyond * (1 - target * COSTS.slippage) * (1 - target * COSTS.commission)
    assert abs(fill.size) * left == pytest.approx(paid, rel=1e-12)


@given(
    seed=st.integers(0, 50),
    horizon=st.integers(1, 6),
    commission=st.floats(0, 0.02),
    slippage=st.floats(0, 0.02),
    per_unit=st.floats(0, 1),
)
def test_a_win_brings_back_more_than_was_paid(seed, horizon, commission, slippage, per_unit):
    bars, costs = random_walk(12, seed), Costs(commission=commission, slippage=slippage, per_unit=per_unit)
    wins = win(bars, horizon, costs)
    for t in range(12 - horizon):
        bought = min(bars["open"].iloc[t + 1] * (1 + slippage), bars["high"].iloc[t + 1])
        got = bars["close"].iloc[t + horizon] * (1 - slippage) * (1 - commission) - per_unit
        paid = bought * (1 + commission) + per_unit
        assert wins[t] == (got > paid) or got == pytest.approx(paid, rel=1e-13)
    assert np.isnan(wins[12 - horizon :]).all()


def test_without_costs_a_rise_is_a_win_and_no_change_is_none():
    bars = bars_of([10, 10, 10, 10], [10, 11, 10, 10], [10, 10, 10, 9], [10, 11, 10, 9])
    assert win(bars, 1, FREE)[:-1].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("horizon", [5, 6, 100])
def test_bars_no_longer_than_the_horizon_have_no_label(horizon):
    labels = [forward_return, realised_volatility, lambda bars, h: win(bars, h, COSTS)]
    for label in labels:
        assert np.isnan(label(BARS, horizon)).all()
    assert np.isnan(worst_excursion(BARS, horizon)).all()
    assert np.isnan(trailing_volatility(BARS, horizon)).all()
