"""The trader: turns actions into the orders of one backtrader strategy, and its broker's answers into records.

Both strategies of this library, the stepped one of the environment and the one that asks a policy, trade through it;
that is why they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import backtrader as bt
import pandas as pd

from dltrader.envs.contract import EnvConfig
from dltrader.envs.records import Fill, Rejection, account_of, exposures_of
from dltrader.envs.sizing import buy_price, order_sizes, sell_price, unit_orders

UNDECIDED = {bt.Order.Created, bt.Order.Submitted, bt.Order.Accepted}
REFUSED = {
    bt.Order.Margin: "not enough cash",
    bt.Order.Rejected: "rejected by the broker",
    bt.Order.Canceled: "cancelled",
    bt.Order.Expired: "expired",
}


class Trader:
    """The account of one strategy, and the way its orders take.

    Args:
        strategy: Sends the orders.
        config: The rules.
        instruments: A name for each of the strategy's feeds.
        now: Says which bar it is.

    Attributes:
        held: Exposures, or units where actions count in them, asked for and reached last, one an instrument.
        positions: Units at the close of the bar, one an instrument.
        cash: Money at the close, so that equity == cash + Σ position x close.
        equity: Money at the close.
        fills: What was executed on this bar.
        rejections: What was refused on this bar.
    """

    def __init__(
        self, strategy: bt.Strategy, config: EnvConfig, instruments: Sequence[str], now: Callable[[], pd.Timestamp]
    ) -> None:
        self._strategy = strategy
        self._now = now
        self._datas: list[Any] = list(strategy.datas[: len(instruments)])
        # Reaching a line through its feed costs as much as an observation: keep the lines.
        self._opens, self._highs, self._lows, self._closes = (
            [getattr(data.lines, name) for data in self._datas] for name in ("open", "high", "low", "close")
        )
        self._names = dict(zip(map(id, self._datas), instruments, strict=True))
        self._broker = strategy.broker
        self._action, self._decision = config.action, config.decision
        self._ignores = config.action.ignored > 0.0
        self._allow_short, self._leverage = config.allow_short, config.leverage
        self._costs, self._lot_size = config.costs, config.lot_size
        self._at_open = config.sizing == "at_open"
        # A sizer that the user has added decides how much; the action then only decides which way.
        self._own_sizer = bool(strategy.cerebro.sizers)
        self._pending: tuple[Sequence[float], list[bool]] | None = None
        self._before: Sequence[float] = [0.0] * len(self._datas)
        self.held: Sequence[float] = self._before
        self.positions: list[float] = [0.0] * len(self._datas)
        self.closes: list[float] = [0.0] * len(self._datas)
        self.fills: list[Fill] = []
        self.rejections: list[Rejection] = []
        self.cash = self.equity = 0.0
        # With shares that are paid in full, the broker's cash is the cash of the contract, to the bit.
        self._paid_in_full = isinstance(self._broker, bt.brokers.BackBroker) and all(
            _paid_in_full(self._broker.getcommissioninfo(data)) for data in self._datas
        )

    def close_bar(self) -> None:
        """Read the account at the close of the bar."""
        get_position = self._broker.getposition
        invested = 0.0
        for i, (data, line) in enumerate(zip(self._datas, self._closes, strict=True)):
            size, close = get_position(data).size, line[0]
            self.positions[i], self.closes[i] = size, close
            invested += size * close
        if self._paid_in_full:
            self.cash = self._broker.cash
            self.equity = self.cash + invested
        else:
            self.equity = self._broker.getvalue()
            self.cash = self.equity - invested

    def account(self, bound: float) -> list[float]:
        """The account part of an observation: every exposure, then every open trade's unrealised return."""
        if not any(self.positions):
            return [0.0] * (2 * len(self.positions))  # as the formula says, in a tenth of the time
        held = zip(self._datas, self.positions, strict=True)
        entries = [self._broker.getposition(data).price if size else 1.0 for data, size in held]
        return account_of(self.positions, entries, self.closes, self.equity, bound=bound)

    def ask(self, action: Any) -> Sequence[float]:
        """The exposures or units that an action asks for.

        Raises:
            ActionError: The action lies outside the space; nothing has happened.
        """
        return self._action.exposures(action, self.held, allow_short=self._allow_short, leverage=self._leverage)

    def decide(self, asked: Sequence[float], phase: int | None = None) -> None:
        """Set out from this bar's close for the exposures asked for; orders are sent now or at the next open.

        Args:
            asked: Of `ask`.
            phase: Where the bar stands in the session, if the configuration has one.
        """
        exposures = exposures_of(self.positions, self.closes, self.equity) if self._ignores else None
        asked, trading = self._decision(asked, self.held, phase, exposures)
        self.fills, self.rejections = [], []
        if not any(trading):
            return
        self._before, self.held = self.held, asked
        if self._at_open:
            self._pending = asked, trading
        else:
            slippage = self._costs.slippage
            buys = [close * (1.0 + slippage) for close in self.closes]
            sells = [close * (1.0 - slippage) for close in self.closes]
            self._send(asked, trading, self.closes, buys, sells)

    def open_bar(self) -> None:
        """Send what was decided at the close before, sized for the open of this bar."""
        if self._pending is None:
            return
        (asked, trading), self._pending = self._pending, None
        slippage = self._costs.slippage
        opens = [line[0] for line in self._opens]
        buys = [buy_price(quote, slippage, line[0]) for quote, line in zip(opens, self._highs, strict=True)]
        sells = [sell_price(quote, slippage, line[0]) for quote, line in zip(opens, self._lows, strict=True)]
        self._send(asked, trading, opens, buys, sells)

    def notify(self, order: Any) -> None:
        """Keep what the broker says about an order, if it is an end or a part of one."""
        status = order.status
        if status in UNDECIDED or id(order.data) not in self._names:
            return
        name = self._names[id(order.data)]
        for part in order.executed.iterpending():
            side: Literal["buy", "sell"] = "buy" if part.size > 0 else "sell"
            commission = part.closedcomm + part.openedcomm
            self.fills.append(Fill(self._now(), name, side, abs(part.size), part.price, commission))
        if status in REFUSED:
            size = order.created.size - order.executed.size
            self.rejections.append(Rejection(self._now(), name, size, REFUSED[status]))
            self._forget(self._datas.index(order.data))

    def _send(
        self,
        asked: Sequence[float],
        trading: list[bool],
        quotes: list[float],
        buys: list[float],
        sells: list[float],
    ) -> None:
        if self._action.in_units:
            sizes = unit_orders(asked, trading, self.positions, lot_size=self._lot_size)
        else:
            sizes = order_sizes(
                asked, trading, self.positions, self.cash, quotes, buys, sells,
                commission=self._costs.commission, per_unit=self._costs.per_unit, impact=self._costs.impact,
                lot_size=self._lot_size, leverage=self._leverage,
            )  # fmt: skip
        # Sales first: their money pays for the buys.
        for data, size, exposure in zip(self._datas, sizes, asked, strict=True):
            if size < 0.0:
                self._order(self._strategy.sell, data, -size, exposure)
        for data, size, exposure in zip(self._datas, sizes, asked, strict=True):
            if size > 0.0:
                self._order(self._strategy.buy, data, size, exposure)

    def _order(self, trade: Any, data: Any, size: float, exposure: float) -> None:
        if not self._own_sizer:
            trade(data=data, size=size)
        elif exposure == 0.0:
            self._strategy.close(data=data)
        else:
            trade(data=data)

    def _forget(self, i: int) -> None:
        """After a refusal the exposure held is the one before, or none if the old position was closed on the way."""
        held = list(self.held)
        held[i] = self._before[i] if self._broker.getposition(self._datas[i]).size != 0.0 else 0.0
        self.held = held


def _paid_in_full(commission: Any) -> bool:
    return bool(commission.stocklike and commission.get_leverage() == 1.0 and commission.p.mult == 1.0)
