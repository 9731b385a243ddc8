from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.envs.sizing import buy_price, moved_price, order_sizes, sell_price, unit_orders

prices = st.floats(0.01, 10_000)


def size_one(exposure, position, cash, quote, commission=0.0, slippage=0.0, lot_size=0.0):
    buys, sells = [quote * (1 + slippage)], [quote * (1 - slippage)]
    return order_sizes(
        [exposure], [True], [position], cash, [quote], buys, sells, commission=commission, lot_size=lot_size
    )[0]


def test_slippage_stays_within_the_bar():
    assert buy_price(100.0, 0.01, 200.0) == 101.0
    assert buy_price(100.0, 0.01, 100.5) == 100.5
    assert sell_price(100.0, 0.01, 50.0) == 99.0
    assert sell_price(100.0, 0.01, 99.5) == 99.5


def test_an_order_moves_its_price():
    assert moved_price(100.0, 50.0, 0.01) == 100.5
    assert moved_price(100.0, -50.0, 0.01) == 99.5
    assert moved_price(100.0, -50.0, 10.0) == 1.0


def test_orders_in_units_lead_to_whole_lots_towards_zero():
    assert unit_orders([25.0, -25.0, 7.0], [True, True, False], [1.0, 1.0, 1.0], lot_size=10.0) == [19.0, -21.0, 0.0]
    assert unit_orders([2.5], [True], [1.0], lot_size=0.0) == [1.5]


def test_all_cash_buys_whole_lots():
    assert size_one(1.0, 0.0, 100_000.0, 100.0, lot_size=1) == 1000.0
    assert size_one(1.0, 0.0, 100_000.0, 100.0, commission=0.001, lot_size=1) == 999.0
    assert size_one(1.0, 0.0, 100_050.0, 100.0, lot_size=100) == 1000.0


@pytest.mark.parametrize("commission", [0.0499, 0.05, 0.06])
def test_trades_that_would_cost_all_equity_close_the_position(commission):
    # An exposure of 21 on an equity of 100: to sell all of it costs more than that, and no sale lowers the exposure.
    size = order_sizes(
        [20.0], [True], [2100.0], -2000.0, [1.0], [1.0], [1.0], commission=commission, lot_size=1.0, leverage=20.0
    )
    lanes = order_sizes(
        [np.array([20.0])], [np.array([True])], [np.array([2100.0])], np.array([-2000.0]), [np.array([1.0])],
        [np.array([1.0])], [np.array([1.0])], commission=commission, lot_size=1.0, leverage=20.0,
    )  # fmt: skip
    assert size == [-2100.0]
    assert lanes[0].tolist() == [-2100.0]


def test_shorts_round_towards_zero():
    assert size_one(-1.0, 0.0, 1_050.0, 100.0, lot_size=1) == -10.0
    assert size_one(-0.5, 3.0, 700.0, 100.0, lot_size=1) == -8.0


@given(
    exposure=st.floats(-1, 1),
    held=st.floats(-1, 1),
    quote=prices,
    commission=st.floats(0, 0.05),
    slippage=st.floats(0, 0.05),
)
def test_exposure_after_the_fill_is_the_one_asked_for(exposure, held, quote, commission, slippage):
    equity = 50_000.0
    position = held * equity / quote
    cash = equity - position * quote
    size = size_one(exposure, position, cash, quote, commission, slippage)
    if size == 0.0:
        # Already there, or so close that the costs of slipping are more than the difference.
        assert abs(exposure - held) <= 2.5 * (slippage + 1e-8)
        return
    fill = quote * (1 + slippage) if size > 0 else quote * (1 - slippage)
    left = cash - size * fill - commission * abs(size) * fill
    value = (position + size) * fill
    assert value == pytest.approx(exposure * (left + value), rel=1e-9, abs=1e-6)


@given(
    exposure=st.floats(-1, 1),
    held=st.floats(-1, 1),
    quote=st.floats(1, 1000),
    per_unit=st.sampled_from([0.0, 0.001, 0.5]),
    impact=st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
)
def test_fees_and_impact_are_a_part_of_what_an_exposure_costs(exposure, held, quote, per_unit, impact):
    equity = 50_000.0
    position = held * equity / quote
    cash, costs = equity - position * quote, {"commission": 0.002, "per_unit": per_unit, "impact": impact}
    size = order_sizes(
        [exposure], [True], [position], cash, [quote], [quote], [quote], lot_size=0.0, leverage=1.0, **costs
    )[0]
    left = equity - abs(size) * (0.002 * (quote + impact * size) + per_unit) - impact * size**2
    if size == 0.0:  # there already, or it would cost more than the difference
        gap = exposure * equity / quote - position
        assert abs(gap) * quote <= abs(gap) * (0.002 * quote + per_unit) + impact * gap**2 + 1e-4
    elif position + size != 0.0:
        assert (position + size) * quote == pytest.approx(exposure * left, rel=1e-7, abs=1e-3)


def test_impact_that_nobody_can_pay_asks_for_no_position():
    # To buy with all cash is possible at any impact; of a position of 1000 units nothing is left to be sold down to.
    costs = {"commission": 0.0, "impact": 10.0, "lot_size": 0.0}
    bought = order_sizes([1.0], [True], [0.0], 100_000.0, [100.0], [100.0], [100.0], **costs)[0]
    assert bought * 100.0 == pytest.approx(100_000.0 - 10.0 * bought**2)
    assert order_sizes([0.5], [True], [1000.0], 0.0, [100.0], [100.0], [100.0], **costs) == [-1000.0]


@given(
    exposures=st.lists(st.floats(0, 0.5), min_size=2, max_size=2),
    quotes=st.lists(prices, min_size=2, max_size=2),
    commission=st.floats(0, 0.05),
)
def test_several_instruments_are_affordable_together(exposures, quotes, commission):
    sizes = order_sizes(
        exposures, [True, True], [0.0, 0.0], 10_000.0, quotes, quotes, quotes, commission=commission, lot_size=0.0
    )
    spent = sum(size * quote * (1 + commission) for size, quote in zip(sizes, quotes, strict=True))
    assert spent <= 10_000.0


def size_second(kept_units, cash, commission=0.0):
    """Units bought of the second instrument at 10, while so many units of the first are kept at 100."""
    quotes = [100.0, 10.0]
    sizes = order_sizes(
        [0.5, 0.5], [False, True], [kept_units, 0.0], cash, quotes, quotes, quotes, commission=commission, lot_size=1
    )
    assert sizes[0] == 0.0
    return sizes[1]


def test_a_kept_position_is_left_alone():
    assert size_second(4.0, 600.0) == 50.0


def test_what_a_kept_position_has_outgrown_cannot_be_bought():
    assert size_second(7.0, 300.0) == 30.0
    assert size_second(7.0, 300.0, commission=0.01) == 29.0


def test_an_account_without_equity_closes_what_it_has():
    assert size_one(1.0, -10.0, 500.0, 100.0) == 10.0


def test_dust_is_not_traded():
    assert size_one(1.0, 10.0, 1e-7, 100.0) == 0.0
    assert size_one(0.0, 1e-12, 1000.0, 100.0) == -1e-12  # but a position that is to go, goes


@pytest.mark.parametrize("extra", [{}, {"per_unit": 0.3}, {"impact": 0.01}, {"per_unit": 0.3, "impact": 0.5}])
def test_lanes_are_sized_as_single_accounts_are(extra):
    generator = np.random.default_rng(0)
    exposures, positions = generator.uniform(-1, 1, (2, 40)), generator.integers(-50, 50, (2, 40)).astype(float)
    cash, quotes = generator.uniform(-1_000, 20_000, 40), generator.uniform(1, 200, (2, 40))
    trading = generator.random((2, 40)) < 0.8
    arguments = exposures, trading, positions, cash, quotes, quotes * 1.01, quotes * 0.99
    options = {"commission": 0.002, "lot_size": 1.0} | extra
    lanes = np.array(order_sizes(*[list(a) if a.ndim == 2 else a for a in arguments], **options))
    for lane in range(40):
        single = [[x.item() for x in a[:, lane]] if a.ndim == 2 else a[lane].item() for a in arguments]
        assert order_sizes(*single, **options) == list(lanes[:, lane])
