"""The environment is the backtest: a plain strategy, written by hand in a plain Cerebro, does the same."""

from __future__ import annotations

import backtrader as bt
import numpy as np
import pytest

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import Costs, EnvConfig
from market_bars import random_walk

COMMISSION, SLIPPAGE, CASH = 0.002, 0.001, 100_000.0


class Plain(bt.Strategy):
    """Trades levels from a tape, with nothing of dltrader in it."""

    params = (("levels", ()), ("at_open", True))

    def __init__(self):
        self.level, self.ordered = 0.0, None
        self.equity, self.fills, self.refused = [], [], []

    def size(self, level, price, high, low):
        cash, held = self.broker.getcash(), self.position.size
        buying = level * (cash + held * price) > held * price
        if buying:
            fill, side = min(price * (1 + SLIPPAGE), high), 1
        else:
            fill, side = max(price * (1 - SLIPPAGE), low), -1
        equity = (cash + held * fill * (1 + COMMISSION * side)) / (1 + COMMISSION * side * level)
        return int(level * equity / fill) - held

    def trade(self, size):
        if size > 0:
            self.buy(size=size)
        elif size < 0:
            self.sell(size=-size)

    def next_open(self):
        if self.ordered is not None:
            self.trade(self.size(self.ordered, self.data.open[0], self.data.high[0], self.data.low[0]))
            self.ordered = None

    def next(self):
        self.equity.append(self.broker.getvalue())
        if len(self) > len(self.p.levels):
            return
        level = self.p.levels[len(self) - 1]
        if level != self.level:
            self.before, self.level = self.level, level
            if self.p.at_open:
                self.ordered = level
            else:
                self.trade(self.size(level, self.data.close[0], np.inf, 0.0))

    def notify_order(self, order):
        if order.status in (order.Completed, order.Partial):
            self.fills.append((len(self), order.executed.size, order.executed.price, order.executed.comm))
        elif order.status == order.Margin:
            self.refused.append(len(self))
            self.level = self.before if self.position.size else 0.0


@pytest.mark.parametrize("at_open", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_equal_orders_fills_and_equity_at_every_bar(at_open, seed):
    bars = random_walk(400, seed, volatility=0.03)
    generator = np.random.default_rng(seed)
    config = EnvConfig(
        window_bars=1,
        features=["log_return"],
        scaling="none",
        cash=CASH,
        costs=Costs(commission=COMMISSION, slippage=SLIPPAGE),
        sizing="at_open" if at_open else "at_close",
    )
    env = TradingEnv(bars, config)
    actions = generator.integers(0, 3, len(bars) - env.market.first - 1)
    _, info = env.reset()
    equity, fills, refused = [info["equity"]], [], []
    for action in actions:
        *_, info = env.step(action)
        equity.append(info["equity"])
        bar = len(equity)
        fills += [
            (bar, fill.size if fill.side == "buy" else -fill.size, fill.price, fill.commission)
            for fill in info["fills"]
        ]
        refused += [bar for _ in info["rejections"]]

    cerebro = bt.Cerebro(stdstats=False, cheat_on_open=at_open)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars.iloc[env.market.first :].tz_localize(None)))
    cerebro.addstrategy(Plain, levels=[float(action - 1) for action in actions], at_open=at_open)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(commission=COMMISSION)
    cerebro.broker.set_slippage_perc(SLIPPAGE, slip_open=True, slip_match=True)
    (plain,) = cerebro.run()

    assert len(fills) > 100
    assert at_open or len(refused) > 5
    # backtrader averages the parts of a fill into its price, which can cost the last bit.
    np.testing.assert_allclose(np.array(fills), np.array(plain.fills), rtol=1e-14)
    assert [fill[:2] for fill in fills] == [fill[:2] for fill in plain.fills]
    assert refused == plain.refused
    np.testing.assert_allclose(equity, plain.equity, rtol=1e-13)
