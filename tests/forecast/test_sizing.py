import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.errors import ConfigError
from dltrader.forecast.sizing import SIZINGS, FixedFraction, FractionalKelly, Outlook, VolatilityTarget

volatilities = st.floats(0.0, 1.0)
outlooks = st.builds(
    Outlook,
    direction=st.sampled_from([1.0, -1.0]),
    buy=st.floats(0.0, 0.5),
    sell=st.floats(0.0, 0.5),
    movement=st.none() | st.floats(-1.0, 1.0),
    horizon_bars=st.integers(1, 500),
    volatility=volatilities,
)


def outlook(direction=1.0, *, buy=0.5, sell=0.2, movement=None, horizon_bars=5, volatility=0.02):
    return Outlook(direction, buy, sell, movement, horizon_bars, volatility)


@pytest.mark.parametrize("name", SIZINGS)
@given(outlook=outlooks)
def test_a_size_is_never_negative_and_always_a_number(name, outlook):
    size = SIZINGS[name]().exposure(outlook)
    assert size >= 0.0


def test_a_fixed_fraction_is_what_it_says():
    assert FixedFraction(fraction=0.4).exposure(outlook(volatility=0.5)) == 0.4


@given(volatility=st.floats(1e-6, 1.0))
def test_an_account_at_the_target_is_as_volatile_as_the_target(volatility):
    size = VolatilityTarget(target=0.01).exposure(outlook(volatility=volatility))
    assert size * volatility == pytest.approx(0.01)


def test_of_prices_that_stand_still_no_size_is_too_much_for_the_target():
    assert VolatilityTarget().exposure(outlook(volatility=0.0)) == math.inf


def test_kelly_is_the_mean_over_the_variance_of_arithmetic_returns():
    # m = 0.01 / 5 + 0.02² / 2 = 0.0022, s² = 0.0004, m / s² = 5.5, a quarter of it 1.375.
    assert FractionalKelly().exposure(outlook(movement=0.01)) == pytest.approx(1.375)
    assert FractionalKelly(fraction=1.0).exposure(outlook(movement=0.01)) == pytest.approx(5.5)


def test_kelly_grows_the_logarithm_of_equity_fastest():
    generator = np.random.default_rng(5)
    movement, volatility = 0.0006, 0.02  # log return of one bar
    returns = np.expm1(generator.normal(movement, volatility, 400_000))
    returns += math.expm1(movement + volatility**2 / 2) - returns.mean()  # the sample's own error would hide it
    size = FractionalKelly(fraction=1.0).exposure(outlook(movement=movement, horizon_bars=1, volatility=volatility))
    sizes = np.linspace(0.5, 4.0, 36)
    growth = [np.log1p(each * returns).mean() for each in sizes]
    assert size == pytest.approx(2.0)
    assert sizes[int(np.argmax(growth))] == pytest.approx(size, abs=0.2)


def test_kelly_without_a_movement_bets_one_deviation_at_the_odds():
    # (0.5 - 0.2) x 0.02 x sqrt(5) = 0.013416 over 5 bars.
    alone = FractionalKelly(fraction=1.0).exposure(outlook())
    assert alone == pytest.approx(FractionalKelly(fraction=1.0).exposure(outlook(movement=0.0134164079)))


def test_kelly_takes_nothing_against_its_edge():
    assert FractionalKelly().exposure(outlook(-1.0, movement=0.01)) == 0.0
    assert FractionalKelly().exposure(outlook(1.0, movement=-0.01)) == 0.0
    assert FractionalKelly().exposure(outlook(-1.0, movement=-0.01)) == pytest.approx(0.25 * 0.0018 / 0.0004)


def test_a_sizing_out_of_range_says_what_it_is():
    with pytest.raises(ConfigError, match=r"fraction must be less than or equal to 1, was 2.*estimates err"):
        FractionalKelly(fraction=2)
