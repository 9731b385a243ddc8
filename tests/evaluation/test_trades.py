from __future__ import annotations

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.evaluation.trades import TRADE_COLUMNS, closed_trades
from market_bars import random_walk

TIMES = pd.date_range("2001-01-01", periods=60, tz="UTC", name="time")


def orders_of(*rows, instrument="a"):
    """Fills from (bar, signed size, price, commission)."""
    columns = ["time", "instrument", "side", "size", "price", "commission"]
    fills = [
        (TIMES[bar], *more, "buy" if size > 0 else "sell", abs(size), price, commission)
        for bar, size, price, commission, *more in ((*row, instrument) if len(row) == 4 else row for row in rows)
    ]
    return pd.DataFrame(fills, columns=columns)


def only(trades):
    assert len(trades) == 1
    return trades.iloc[0].to_dict()


def test_a_long_trade_by_hand():
    assert only(closed_trades(orders_of((2, 10, 100.0, 1.0), (7, -10, 110.0, 1.1)), TIMES)) == {
        "instrument": "a",
        "side": "long",
        "opened_at": TIMES[2],
        "closed_at": TIMES[7],
        "bars": 5,
        "size": 10.0,
        "entry_price": 100.0,
        "exit_price": 110.0,
        "commission": 2.1,
        "profit": 97.9,
        "return_": 0.0979,
    }


def test_a_short_trade_by_hand():
    trade = only(closed_trades(orders_of((2, -10, 100.0, 1.0), (3, 10, 110.0, 1.1)), TIMES))
    assert (trade["side"], trade["bars"], trade["entry_price"], trade["exit_price"]) == ("short", 1, 100.0, 110.0)
    assert trade["profit"] == pytest.approx(-102.1)
    assert trade["return_"] == pytest.approx(-0.1021)


def test_a_trade_lasts_from_flat_to_flat_however_often_it_is_changed():
    orders = orders_of((1, 10, 100.0, 0.0), (2, 10, 120.0, 0.0), (3, -5, 130.0, 0.0), (4, -15, 90.0, 0.0))
    trade = only(closed_trades(orders, TIMES))
    assert (trade["size"], trade["bars"]) == (20.0, 3)
    assert (trade["entry_price"], trade["exit_price"]) == (110.0, 100.0)
    assert trade["profit"] == -200.0
    assert trade["return_"] == pytest.approx(-200 / 2200)


def test_a_fill_across_zero_closes_one_trade_and_opens_the_next_and_shares_its_commission():
    orders = orders_of((1, 10, 100.0, 1.0), (2, -40, 110.0, 8.0), (5, 30, 100.0, 3.0))
    trades = closed_trades(orders, TIMES)
    assert trades["side"].tolist() == ["long", "short"]
    assert trades["size"].tolist() == [10.0, 30.0]
    assert trades["commission"].tolist() == [3.0, 9.0]
    assert trades["profit"].tolist() == [97.0, 291.0]
    assert trades["opened_at"].tolist() == [TIMES[1], TIMES[2]]
    assert trades["closed_at"].tolist() == [TIMES[2], TIMES[5]]


def test_a_trade_that_is_open_at_the_end_is_none():
    trades = closed_trades(orders_of((1, 10, 100.0, 1.0), (2, -9, 110.0, 1.0)), TIMES)
    assert len(trades) == 0


def test_the_trades_of_several_instruments_do_not_mix_and_stand_in_the_order_of_their_ends():
    orders = orders_of(
        (1, 10, 100.0, 0.0, "a"), (2, -5, 50.0, 0.0, "b"), (3, 5, 40.0, 0.0, "b"), (4, -10, 101.0, 0.0, "a")
    )
    trades = closed_trades(orders, TIMES)
    assert trades["instrument"].tolist() == ["b", "a"]
    assert trades["profit"].tolist() == [50.0, 10.0]


def test_the_columns_and_their_types_are_the_same_with_and_without_trades():
    some = closed_trades(orders_of((1, 1, 1.0, 0.0), (2, -1, 1.0, 0.0)), TIMES)
    none = closed_trades(orders_of(), TIMES)
    assert tuple(none) == tuple(some) == TRADE_COLUMNS
    assert len(none) == 0
    assert none.dtypes.to_dict() == some.dtypes.to_dict()
    assert str(none["opened_at"].dt.tz) == "UTC"
    assert none["bars"].dtype == "int64"


class Dice(bt.Strategy):
    """Orders of random sizes on every bar, and what backtrader has to say about them."""

    params = (("seed", 0), ("unit", 1.0))

    def __init__(self):
        self.random = np.random.default_rng(self.p.seed)
        self.fills, self.closed = [], []

    def next(self):
        for data in self.datas:
            held = self.getposition(data).size
            choice = self.random.integers(0, 6)
            size = float(self.random.integers(1, 30)) * self.p.unit
            if choice == 0 and held:
                self.close(data=data)
            elif choice == 1 and held:  # across zero
                size = (abs(held) + size) * (1 if held < 0 else -1)
                self.buy(data=data, size=size) if size > 0 else self.sell(data=data, size=-size)
            elif choice == 2:
                self.buy(data=data, size=size)
            elif choice == 3:
                self.sell(data=data, size=size)

    def notify_order(self, order):
        if order.status == order.Completed:
            done = order.executed
            side = "buy" if order.isbuy() else "sell"
            self.fills.append((self.now(), order.data._name, side, abs(done.size), done.price, done.comm))
        assert order.status not in (order.Margin, order.Rejected)

    def notify_trade(self, trade):
        if trade.isclosed:
            self.closed.append(
                {
                    "instrument": trade.data._name,
                    "side": "long" if trade.long else "short",
                    "opened_at": pd.Timestamp(trade.open_datetime(), tz="UTC"),
                    "closed_at": pd.Timestamp(trade.close_datetime(), tz="UTC"),
                    "bars": trade.barlen,
                    "gross": trade.pnl,
                    "profit": trade.pnlcomm,
                    "commission": trade.commission,
                }
            )

    def now(self):
        return pd.Timestamp(self.data.datetime.datetime(0), tz="UTC")


def thrown(seed, *, n_instruments=1, unit=1.0, commission=0.001, n_bars=150):
    """A strategy that has thrown its dice, and the bars."""
    cerebro = bt.Cerebro(stdstats=False)
    bars = [random_walk(n_bars, seed + i) for i in range(n_instruments)]
    for i, frame in enumerate(bars):
        cerebro.adddata(bt.feeds.PandasData(dataname=frame.tz_localize(None)), name=f"i{i}")
    cerebro.addstrategy(Dice, seed=seed, unit=unit)
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
    cerebro.broker.setcash(10_000_000.0)
    cerebro.broker.setcommission(commission=commission)
    cerebro.broker.set_slippage_perc(0.001, slip_open=True)
    (strategy,) = cerebro.run()
    orders = pd.DataFrame(strategy.fills, columns=["time", "instrument", "side", "size", "price", "commission"])
    return strategy, closed_trades(orders, bars[0].index)


@pytest.mark.parametrize("commission", [0.0, 0.002])
@pytest.mark.parametrize("unit", [1.0, 0.125])
@pytest.mark.parametrize("n_instruments", [1, 3])
@pytest.mark.parametrize("seed", [1, 20, 300])
def test_the_trades_are_those_of_backtrader(seed, n_instruments, unit, commission):
    strategy, trades = thrown(seed, n_instruments=n_instruments, unit=unit, commission=commission)
    expected = pd.DataFrame(strategy.closed)
    assert len(trades) == len(expected) > 20 * n_instruments
    assert {"long", "short"} == set(trades["side"])
    order = ["instrument", "opened_at"]
    found, expected = (table.sort_values(order, ignore_index=True) for table in (trades, expected))
    for name in ["instrument", "side", "opened_at", "closed_at", "bars"]:
        assert found[name].tolist() == expected[name].tolist()
    np.testing.assert_allclose(found["profit"], expected["profit"], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found["profit"] + found["commission"], expected["gross"], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found["commission"], expected["commission"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", [2, 40])
def test_counts_and_sums_are_those_of_the_trade_analyzer(seed):
    strategy, trades = thrown(seed, n_instruments=2)
    analysis = strategy.analyzers.trades.get_analysis()
    longs, shorts = (trades[trades["side"] == side]["profit"] for side in ("long", "short"))
    assert len(trades) == analysis.total.closed
    assert (len(longs), len(shorts)) == (analysis.long.total, analysis.short.total)
    assert (trades["profit"] > 0).sum() == analysis.won.total
    assert (trades["profit"] < 0).sum() == analysis.lost.total
    assert trades["profit"].sum() == pytest.approx(analysis.pnl.net.total)
    assert longs.sum() == pytest.approx(analysis.long.pnl.total)
    assert trades["profit"].max() == pytest.approx(analysis.won.pnl.max)
    assert trades["bars"].sum() == analysis.len.total


FILLS = st.lists(
    st.tuples(st.integers(-40, 40).filter(bool), st.floats(1, 1000), st.floats(0, 5)), min_size=1, max_size=50
)


@given(FILLS)
def test_all_money_that_moved_between_flat_and_flat_is_in_the_trades(fills):
    last = -sum(size for size, _, _ in fills)
    fills = [*fills, (last, 77.0, 1.0)] if last else fills
    orders = orders_of(*[(bar, *fill) for bar, fill in enumerate(fills)])
    trades = closed_trades(orders, TIMES)
    earned = -sum(size * price for size, price, _ in fills) - sum(commission for *_, commission in fills)
    assert trades["profit"].sum() == pytest.approx(earned, rel=1e-9, abs=1e-6)
    assert trades["commission"].sum() == pytest.approx(sum(commission for *_, commission in fills), abs=1e-9)
    assert (trades["size"] > 0).all()
    assert trades["closed_at"].is_monotonic_increasing
    assert trades["closed_at"].iloc[-1] == TIMES[len(fills) - 1]
    # One begins where or after the one before has ended.
    assert (trades["opened_at"].iloc[1:].to_numpy() >= trades["closed_at"].iloc[:-1].to_numpy()).all()


@given(FILLS)
def test_fractions_of_a_unit_leave_no_dust(fills):
    whole, tenths = (
        closed_trades(orders_of(*[(bar, size * unit, price, 0.0) for bar, (size, price, _) in enumerate(fills)]), TIMES)
        for unit in (1.0, 0.1)
    )
    same = ["instrument", "side", "opened_at", "closed_at", "bars"]
    assert tenths[same].equals(whole[same])
    np.testing.assert_allclose(tenths["size"], whole["size"] / 10, rtol=1e-9)
    np.testing.assert_allclose(tenths["profit"], whole["profit"] / 10, rtol=1e-9, atol=1e-9)


def test_a_position_that_rounding_keeps_from_zero_is_closed():
    assert 0.1 + 0.2 - 0.3 != 0
    buys = (1, 0.1, 10.0, 0.0), (2, 0.2, 10.0, 0.0)
    closed = closed_trades(orders_of(*buys, (3, -0.3, 20.0, 0.0)), TIMES)
    assert only(closed)["profit"] == pytest.approx(3.0)
    turned = closed_trades(orders_of(*buys, (3, -0.4, 20.0, 0.0), (4, 0.1, 10.0, 0.0)), TIMES)
    assert turned["side"].tolist() == ["long", "short"]
    assert turned["profit"].tolist() == pytest.approx([3.0, 1.0])
