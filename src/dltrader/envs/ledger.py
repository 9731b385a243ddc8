"""The ledger: backtrader's broker as arithmetic on many accounts at once.

It does what `backtrader.brokers.BackBroker` does with the orders of this library, in the same order and with the same
rounding: market orders in shares, commission as a fraction of the value and a fee on every unit, slippage within the
bar, prices that orders move themselves, cash from short sales credited, longs paid with 1/leverage of their value,
orders refused for lack of cash when they are submitted and when they are executed. Lists have one element an
instrument; an element is an array with one element a lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dltrader.envs.numeric import Number, choose, higher, lower
from dltrader.envs.sizing import moved_price


class Execution(NamedTuple):
    """What became of the orders of one bar, one element an instrument; sizes are signed, 0 for none.

    Attributes:
        filled: Units executed.
        prices: Prices they were executed at.
        commissions: Money.
        refused: Units asked for and not executed, where the broker refused.
    """

    filled: list[Number]
    prices: list[Number]
    commissions: list[Number]
    refused: list[Number]


class _Split(NamedTuple):
    """An order on a position: what it closes and opens, and what becomes of the position.

    Attributes:
        closed: Units.
        opened: Units.
        opens_nothing: Whether there are none.
        entry: Mean price of the position afterwards.
        closing_cost: Units closed x commission: times a price it is money.
        opening_cost: The same of units opened.
        closing_fee: Money for the units closed.
        opening_fee: Money for the units opened.
    """

    closed: Number
    opened: Number
    opens_nothing: Number
    entry: Number
    closing_cost: Number
    opening_cost: Number
    closing_fee: Number
    opening_fee: Number


@dataclass
class Ledger:
    """The accounts.

    Attributes:
        cash: The broker's cash; with leverage less than the money at hand, for longs are paid in part.
        sizes: Units held.
        entries: Mean price of the open position; without meaning, but positive, where there is none.
        commission: Fraction of the traded value.
        leverage: Longs bind their entry value over this.
        per_unit: Money for every unit traded.
        impact: How far an order moves its price, money per unit, for every unit of it.
    """

    cash: Number
    sizes: list[Number]
    entries: list[Number]
    commission: float
    leverage: float
    per_unit: float = 0.0
    impact: float = 0.0

    def execute(
        self, orders: Sequence[Number], quotes: Sequence[Number], buys: Sequence[Number], sells: Sequence[Number]
    ) -> Execution:
        """Submit and execute market orders: sales first, then buys, each in the order of the instruments.

        Args:
            orders: Signed units, 0 for none.
            quotes: Prices at which the broker checks, on submission, whether there is enough cash.
            buys: Prices that buys fill at.
            sells: Prices that sales fill at.
        """
        prices = [choose(order > 0.0, buy, sell) for order, buy, sell in zip(orders, buys, sells, strict=True)]
        if self.impact > 0.0:
            prices = [moved_price(*each, self.impact) for each in zip(prices, orders, strict=True)]
        splits = [
            _split(*each, self.commission, self.per_unit)
            for each in zip(orders, prices, self.sizes, self.entries, strict=True)
        ]
        turns = _turns(orders)
        accepted: list[Number] = [True] * len(orders)
        checked = self.cash
        for i, acts in turns:
            # Nothing has been executed yet: what an order closes is checked as if it had been bought at the quote.
            after = self._opening(splits[i], quotes[i], self._closing(splits[i], quotes[i], quotes[i], checked))
            # A refused order leaves its shortfall in the broker's running sum: later ones are refused with it.
            checked = choose(acts, after, checked)
            accepted[i] = accepted[i] & ~(acts & (after < 0.0))
        filled, fees, refused = list(orders), list(orders), list(orders)
        for i, acts in turns:
            found = self._execute(i, orders[i], splits[i], prices[i], acts & accepted[i])
            for kept, new in zip((filled, fees, refused), found, strict=True):
                kept[i] = choose(acts, new, kept[i])
        return Execution(filled, prices, fees, refused)

    def equity(self, closes: Sequence[Number]) -> Number:
        """Money that the accounts are worth at these prices."""
        worth = 0.0
        for size, entry, close in zip(self.sizes, self.entries, closes, strict=True):
            value = size * close
            if self.leverage == 1.0:
                worth = worth + value
                continue
            gain = size * (close - entry)
            is_long = value > 0.0
            # Two sums rather than one: so does the broker, and the last bit counts.
            worth = worth + choose(is_long, (value - gain) / self.leverage, value)
            worth = worth + choose(is_long, gain, 0.0)
        return self.cash + worth

    def _execute(
        self, i: int, order: Number, split: _Split, price: Number, acts: Number
    ) -> tuple[Number, Number, Number]:
        """Execute an order where it acts: units executed, commission paid, units refused."""
        cash = self._closing(split, self.entries[i], price, self.cash)
        left = self._opening(split, price, cash)
        opens = left >= 0.0
        whole = opens | split.opens_nothing
        done = choose(acts, split.closed + choose(opens, split.opened, 0.0), 0.0)
        self.cash = choose(acts, choose(whole, left, cash), self.cash)
        executed = acts & whole
        # Where opening was refused, the position is as before, or gone.
        self.entries[i] = choose(executed, split.entry, self.entries[i])
        self.sizes[i] = self.sizes[i] + done
        # The parts may not add up to the whole in the last bit: what was executed has nothing left.
        fee = abs(done) * self.commission * price
        if self.per_unit > 0.0:
            fee = fee + abs(done) * self.per_unit
        return done, fee, choose(executed, 0.0, order - done)

    def _closing(self, split: _Split, entry: Number, price: Number, cash: Number) -> Number:
        """Cash after closing what was bought at an entry price."""
        spent = split.closed * entry  # negative: it comes back
        if self.leverage != 1.0:
            spent = -self._bound(-spent)
        if entry is not price:
            spent = spent + split.closed * (price - entry)
        return cash - spent - self._fee(split.closing_cost * price, split.closing_fee)

    def _opening(self, split: _Split, price: Number, cash: Number) -> Number:
        """Cash after opening at a price."""
        return cash - self._bound(split.opened * price) - self._fee(split.opening_cost * price, split.opening_fee)

    def _fee(self, share: Number, fee: Number) -> Number:
        """What is paid for a part of an order: a share of its value, and the fee on its units."""
        return share + fee if self.per_unit > 0.0 else share

    def _bound(self, value: Number) -> Number:
        """The cash that a position's value binds: with leverage less than all of a long one's."""
        return value if self.leverage == 1.0 else choose(value > 0.0, value / self.leverage, value)


def _turns(orders: Sequence[Number]) -> list[tuple[int, Number]]:
    """Whose turn it is, and on which lanes: sales before buys.

    A single instrument needs but one turn, and that on all lanes: an order for nothing changes nothing.
    """
    if len(orders) == 1:
        return [(0, True)]
    sales = [(i, order < 0.0) for i, order in enumerate(orders)]
    return sales + [(i, order > 0.0) for i, order in enumerate(orders)]


def _split(order: Number, price: Number, size: Number, entry: Number, commission: float, per_unit: float) -> _Split:
    """How a position takes an order, as `backtrader.position.Position.update` does; nothing where there is none."""
    against = -size  # what would close the position
    closed = higher(lower(order, higher(against, 0.0)), lower(against, 0.0))
    opened = order - closed
    opens_nothing = opened == 0.0
    mean = (entry * size + order * price) / choose(opens_nothing, 1.0, size + order)
    begun = choose(size + closed == 0.0, price, mean)
    after = choose(opens_nothing, entry, begun)
    closes, opens = abs(closed), abs(opened)
    fees = (closes * per_unit, opens * per_unit) if per_unit > 0.0 else (0.0, 0.0)
    return _Split(closed, opened, opens_nothing, after, closes * commission, opens * commission, *fees)
