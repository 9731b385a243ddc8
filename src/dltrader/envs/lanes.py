"""Lanes: many accounts on one market, stepped together by the contract of a step, without Cerebro.

Nothing here loops over lanes. Arrays over lanes have the shape (lanes,); lists have one element an instrument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from dltrader.envs.contract import ACCOUNT_BOUND, EnvConfig, FloatArray, Observation
from dltrader.envs.ledger import Execution, Ledger
from dltrader.envs.market import Market
from dltrader.envs.numeric import Number, choose, higher, lower
from dltrader.envs.records import Step
from dltrader.envs.sizing import buy_price, order_sizes, sell_price
from dltrader.errors import EnvironmentStateError

Floats = npt.NDArray[np.float64]
Bars = npt.NDArray[np.int64]


class Lanes:
    """The accounts, where they stand in the market, and what a bar does to them.

    Args:
        market: What is traded.
        config: By what rules.
        n_lanes: How many accounts.

    Attributes:
        features: (bars, features) float32; a window is `window_bars` rows of it, the lane's bar the last.
        bar: Index of each lane's bar in the market.
        last: Index of the bar that ends each lane's episode.
        equity: Money at the close of the bar.
        cash: Money at the close, so that equity == cash + Σ position x close.
        held: Exposures asked for and reached last.
    """

    def __init__(self, market: Market, config: EnvConfig, n_lanes: int) -> None:
        self.market, self.config, self.n_lanes = market, config, n_lanes
        columns = ("open", "high", "low", "close")
        # One array a column, (instruments, bars): a step reads one column of many bars.
        self._open, self._high, self._low, self._close = (
            np.stack([frame[name].to_numpy(float) for frame in market.bars.values()]) for name in columns
        )
        # Row t is the window that ends with bar t + window_bars - 1: a view, in which a window is one run of memory.
        self.features: FloatArray = np.ascontiguousarray(market.features)
        n_features = self.features.shape[1]
        self._windows = sliding_window_view(self.features.ravel(), config.window_bars * n_features)[::n_features]
        self._bound = ACCOUNT_BOUND * config.leverage
        zeros = [np.zeros(n_lanes) for _ in market.instruments]
        self.bar: Bars = np.full(n_lanes, market.first)
        self.last: Bars = np.full(n_lanes, len(market) - 1)
        self.held: Sequence[Number] = [zero.copy() for zero in zeros]
        self.ledger = Ledger(
            cash=np.full(n_lanes, config.cash),
            sizes=[zero.copy() for zero in zeros],
            entries=[zero.copy() for zero in zeros],
            commission=config.costs.commission,
            leverage=config.leverage,
        )
        self.equity: Floats = np.full(n_lanes, config.cash)
        self.cash: Floats = self.equity.copy()
        self._memory: dict[str, Number] = {}

    def begin(self, lanes: npt.NDArray[np.bool_], first: Bars, last: Bars) -> None:
        """Begin episodes on some lanes: flat, with the configuration's cash, at these bars.

        Args:
            lanes: (lanes,) which of them.
            first: (lanes,) index of the first bar; elsewhere without meaning.
            last: (lanes,) index of the last bar; elsewhere without meaning.
        """
        self.bar, self.last = np.where(lanes, first, self.bar), np.where(lanes, last, self.last)
        ledger, cash = self.ledger, self.config.cash
        ledger.cash = np.where(lanes, cash, ledger.cash)
        ledger.sizes = [np.where(lanes, 0.0, size) for size in ledger.sizes]
        ledger.entries = [np.where(lanes, 0.0, entry) for entry in ledger.entries]
        self.held = [np.where(lanes, 0.0, exposure) for exposure in self.held]
        self.equity, self.cash = np.where(lanes, cash, self.equity), np.where(lanes, cash, self.cash)
        self._memory = {name: np.where(lanes, 0.0, kept) for name, kept in self._memory.items()}

    def step(self, parts: Sequence[Number]) -> tuple[Floats, Execution]:
        """Decide at the close, fill at the next open, and mark at its close.

        Args:
            parts: What the action scheme reads from the actions, one array an instrument.

        Returns:
            Rewards, (lanes,), and what became of the orders.
        """
        config, ledger = self.config, self.ledger
        asked = config.action.targets(parts, self.held, allow_short=config.allow_short, leverage=config.leverage)
        rebalances = np.full(self.n_lanes, config.action.rebalances)
        trading = [rebalances | (new != old) for new, old in zip(asked, self.held, strict=True)]
        slippage = config.costs.slippage
        now, later = self._at(self._close), self.bar + 1
        self.bar = later
        opens, highs, lows = self._at(self._open), self._at(self._high), self._at(self._low)
        buys = [buy_price(quote, slippage, high) for quote, high in zip(opens, highs, strict=True)]
        sells = [sell_price(quote, slippage, low) for quote, low in zip(opens, lows, strict=True)]
        if config.sizing == "at_open":
            quotes, sized_buys, sized_sells = opens, buys, sells
        else:
            quotes = now
            sized_buys = [close * (1.0 + slippage) for close in now]
            sized_sells = [close * (1.0 - slippage) for close in now]
        orders = order_sizes(
            asked, trading, ledger.sizes, self.cash, quotes, sized_buys, sized_sells,
            commission=config.costs.commission, lot_size=config.lot_size, leverage=config.leverage,
        )  # fmt: skip
        execution = ledger.execute(orders, quotes, buys, sells)
        # After a refusal the exposure held is the one before, or none if the old position was closed on the way.
        self.held = [
            choose(refused != 0.0, choose(size != 0.0, old, 0.0), new)
            for refused, size, old, new in zip(execution.refused, ledger.sizes, self.held, asked, strict=True)
        ]
        return self._mark(), execution

    def observe(self) -> Observation:
        """What every lane sees: market (lanes, window, features) and account (lanes, account)."""
        shape = (self.n_lanes, self.config.window_bars, self.market.features.shape[1])
        windows = self._windows[self.bar - (self.config.window_bars - 1)]
        return {"market": windows.reshape(shape), "account": self.account()}

    def account(self) -> FloatArray:
        """Every exposure, then every open trade's unrealised return, (lanes, 2 * instruments)."""
        solvent = self.equity > 0.0
        equity = choose(solvent, self.equity, 1.0)
        exposures, returns = [], []
        for size, entry, close in zip(self.ledger.sizes, self.ledger.entries, self._at(self._close), strict=True):
            is_open = size != 0.0
            exposure = choose(solvent, size * close / equity, self._bound)
            gain = close / choose(is_open, entry, 1.0) - 1.0
            exposures.append(choose(is_open, exposure, 0.0))
            returns.append(choose(is_open, choose(size > 0.0, gain, -gain), 0.0))
        numbers = [lower(higher(number, -self._bound), self._bound) for number in exposures + returns]
        return np.stack(numbers, axis=1).astype(np.float32)  # (lanes, 2 * instruments)

    def closes(self) -> Floats:
        """The close of every lane's bar, (lanes, instruments)."""
        return self._close[:, self.bar].T

    def positions(self) -> Floats:
        """Units held, (lanes, instruments)."""
        return np.stack(self.ledger.sizes, axis=1)

    def _mark(self) -> Floats:
        """Value the accounts at the close, and reward the growth since the close before."""
        closes, before = self._at(self._close), self.equity
        self.equity = self.ledger.equity(closes)
        if self.config.leverage == 1.0:
            self.cash = self.ledger.cash
        else:
            invested = 0.0
            for size, close in zip(self.ledger.sizes, closes, strict=True):
                invested = invested + size * close
            self.cash = self.equity - invested
        equity = choose(self.equity == 0.0, 1.0, self.equity)
        exposure = [
            choose(self.equity == 0.0, 0.0, size * close / equity)
            for size, close in zip(self.ledger.sizes, closes, strict=True)
        ]
        rewards: Any = self.config.reward(Step(before, self.equity, exposure, self._memory))
        if np.shape(rewards) != (self.n_lanes,) or not np.isfinite(rewards).all():
            raise EnvironmentStateError(
                f"a reward must be one finite number a lane, was {rewards!r:.80} for {self.n_lanes} lanes; "
                "write it so that it takes arrays, or step the environments in Cerebro (train.engine: cerebro)"
            )
        return np.asarray(rewards, float)

    def _at(self, column: Floats) -> list[Floats]:
        """A column of the bars at which the lanes stand, one array an instrument."""
        return list(column[:, self.bar])
