"""Costs that backtrader does not know: a fee on every unit, and prices that orders move."""

from __future__ import annotations

import pytest

from dltrader.envs.broker import ImpactBroker, make_cerebro
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from market_bars import random_walk

PLAIN = {"window_bars": 2, "features": ["log_return"], "scaling": "none"}
LEVELS = {"name": "target_units", "levels": [-20, 0, 30]}


def traded(costs, choices=(2, 0, 0)):
    """What is in the info of every step."""
    config = EnvConfig.from_mapping(PLAIN | {"action": LEVELS, "costs": costs})
    env = TradingEnv(random_walk(20, 1), config)
    env.reset()
    return [env.step(choice)[4] for choice in choices]


def test_a_fee_on_every_unit_is_a_part_of_the_commission():
    infos = traded({"commission": 0.001, "slippage": 0.0, "per_unit": 0.25})
    bought, flipped = infos[0]["fills"][0], infos[1]["fills"][0]
    assert bought.commission == pytest.approx(30 * (0.001 * bought.price + 0.25), rel=1e-12)
    assert flipped.commission == pytest.approx(50 * (0.001 * flipped.price + 0.25), rel=1e-12)


def test_an_order_moves_its_own_price_by_impact_times_its_size_though_it_closes_and_opens():
    free = traded({"commission": 0.0, "slippage": 0.0})
    moved = traded({"commission": 0.0, "slippage": 0.0, "impact": 0.02})
    assert moved[0]["fills"][0].price == pytest.approx(free[0]["fills"][0].price + 0.02 * 30, rel=1e-12)
    assert moved[1]["fills"][0].price == pytest.approx(free[1]["fills"][0].price - 0.02 * 50, rel=1e-12)
    costs = [one["equity"] - other["equity"] for one, other in zip(free, moved, strict=True)]
    assert costs == pytest.approx([0.02 * 30**2, 0.02 * (30**2 + 50**2), 0.02 * (30**2 + 50**2)], rel=1e-9)


def test_a_sale_brings_a_hundredth_at_least():
    infos = traded({"commission": 0.0, "slippage": 0.0, "impact": 1e6}, choices=(0,))
    plain = traded({"commission": 0.0, "slippage": 0.0}, choices=(0,))
    assert infos[0]["fills"][0].price == pytest.approx(0.01 * plain[0]["fills"][0].price)


def test_a_cerebro_has_a_broker_of_ours_only_where_orders_move_prices():
    assert isinstance(make_cerebro(EnvConfig.from_mapping({"costs": {"impact": 0.1}})).broker, ImpactBroker)
    assert not isinstance(make_cerebro(EnvConfig()).broker, ImpactBroker)
