"""Sizing: how many units an order must trade so that the exposure after its fill is the one asked for.

Lists have one element an instrument; an element is a float or an array of lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dltrader.envs.numeric import Number, choose, higher, lower, sign, sqrt, truncate

FRACTION_SLACK = 1e-12
"""Share of a fractional position left out, so that rounding errors cannot overdraw the account by a hair."""

LEAST_LEFT = 0.01
"""Share of the price that a sale brings at least, however large it is: below 0 buyers would be paid."""

DUST = 1e-9
"""Fractional orders worth less than this share of equity are not sent."""


def buy_price(quote: Number, slippage: float, high: Number) -> Number:
    """What a market buy pays: the quote moved up by the slippage, within the bar's range."""
    return lower(quote * (1.0 + slippage), high)


def sell_price(quote: Number, slippage: float, low: Number) -> Number:
    """What a market sale gets: the quote moved down by the slippage, within the bar's range."""
    return higher(quote * (1.0 - slippage), low)


class _Terms(NamedTuple):
    """What trades cost, and how often equity may be invested."""

    commission: float
    per_unit: float
    impact: float
    leverage: float


def moved_price(price: Number, size: Number, impact: float) -> Number:
    """What an order of so many signed units fills at, once it has moved the price itself; at least a hundredth."""
    return higher(price + impact * size, price * LEAST_LEFT)


def unit_orders(
    asked: Sequence[Number], trading: Sequence[Number], positions: Sequence[Number], *, lot_size: float
) -> list[Number]:
    """Signed units to trade from positions to the units asked for, rounded towards zero to a lot.

    Args:
        asked: Units.
        trading: Whether the instrument is traded at all; otherwise its position is kept.
        positions: Units held.
        lot_size: Units of a lot; 0 for any fraction.
    """
    whole = [truncate(units / lot_size) * lot_size for units in asked] if lot_size > 0.0 else asked
    return [
        choose(trade, units - position, 0.0) for units, trade, position in zip(whole, trading, positions, strict=True)
    ]


def order_sizes(
    exposures: Sequence[Number],
    trading: Sequence[Number],
    positions: Sequence[Number],
    cash: Number,
    quotes: Sequence[Number],
    buys: Sequence[Number],
    sells: Sequence[Number],
    *,
    commission: float,
    per_unit: float = 0.0,
    impact: float = 0.0,
    lot_size: float,
    leverage: float = 1.0,
) -> list[Number]:
    """Signed units to trade, 0 where there is nothing to do.

    The orders are sized together. With V the equity after all fills, valued at the prices f of the fills, each traded
    instrument is to be worth w V, and V itself has paid the commission c |w V - p f| of every trade from position p.
    Solved for V, with s the signs of the trades:

        V = (cash + Σ_kept p quote + Σ_traded p f (1 + c s)) / (1 + c Σ_traded s w)

    A fee u per unit makes c + u/f of the commission. Impact costs i (1 + c s) (w V / f - p)² as well: V is then the
    larger root of a quadratic equation.

    Positions are rounded towards zero to a lot. An account without equity, or without any once it has paid for its
    trades, asks for no positions. Where kept positions have outgrown their share, long positions asked for are cut back
    to the money that is left.

    Args:
        exposures: Position value / equity asked for.
        trading: Whether the instrument is traded at all; otherwise its position is kept.
        positions: Units held.
        cash: Money, negative when borrowed.
        quotes: Prices before slippage, at which kept positions are valued.
        buys: Prices that buys fill at.
        sells: Prices that sales fill at.
        commission: Fraction of the traded value.
        per_unit: Money for every unit traded.
        impact: Money per squared unit traded.
        lot_size: Units of a lot; 0 for any fraction.
        leverage: How often equity may be invested.
    """
    worth = cash
    for position, quote in zip(positions, quotes, strict=True):
        worth = worth + position * quote
    solvent = worth > 0.0
    targets = [choose(solvent, exposure, 0.0) for exposure in exposures]
    market = trading, positions, cash, quotes, buys, sells, _Terms(commission, per_unit, impact, leverage)
    value, signs, fills = _after_fills(targets, worth, *market)
    if len(positions) > 1:
        # The value before the cut pays more commission than the one after it: the cut errs on the safe side.
        targets = _within_means(targets, trading, positions, quotes, value, leverage)
        value, signs, fills = _after_fills(targets, worth, *market)
    return [
        _order(side, target, value, fill, position, lot_size)
        for side, target, fill, position in zip(signs, targets, fills, positions, strict=True)
    ]


def _after_fills(
    targets: Sequence[Number],
    worth: Number,
    trading: Sequence[Number],
    positions: Sequence[Number],
    cash: Number,
    quotes: Sequence[Number],
    buys: Sequence[Number],
    sells: Sequence[Number],
    terms: _Terms,
) -> tuple[Number, list[Number], list[Number]]:
    """The equity after all fills, the signs of the trades, and the prices they fill at."""
    commission, per_unit, impact, leverage = terms
    signs, fills, value, share, squared = [], [], cash, 1.0, 0.0
    for target, trade, position, quote, buy, sell in zip(targets, trading, positions, quotes, buys, sells, strict=True):
        side = choose(trade, sign(target * worth - position * quote), 0.0)
        fill = choose(side > 0.0, buy, choose(side < 0.0, sell, quote))
        rate = commission + per_unit / fill if per_unit > 0.0 else commission
        value = value + position * fill * (1.0 + rate * side)
        share = share + rate * side * target
        if impact > 0.0:
            # The commission is a fraction of the price moved, which buys raise and sales lower.
            moves, slope = choose(side != 0.0, impact * (1.0 + commission * side), 0.0), target / fill
            value = value - moves * position * position
            share = share - 2.0 * moves * slope * position
            squared = squared + moves * slope * slope
        signs.append(side)
        fills.append(fill)
    if impact > 0.0:
        return _larger_root(squared, share, value), signs, fills
    if per_unit > 0.0 or commission * leverage >= 1.0:
        # Trades may cost more than they move: there is no such equity then.
        reachable = share > 0.0
        value, share = choose(reachable, value, 0.0), choose(reachable, share, 1.0)
    return higher(value / share, 0.0), signs, fills


def _larger_root(squared: Number, linear: Number, constant: Number) -> Number:
    """The larger V with squared V² + linear V = constant, where squared >= 0; 0 where none is positive."""
    discriminant = linear * linear + 4.0 * squared * constant
    root = sqrt(higher(discriminant, 0.0))
    rises, bends = linear > 0.0, squared > 0.0
    # Each form of the solution where it adds numbers of one sign.
    over = choose(rises, 2.0 * constant, choose(bends, root - linear, 0.0))
    under = choose(rises, linear + root, choose(bends, 2.0 * squared, 1.0))
    return choose(discriminant >= 0.0, higher(over / under, 0.0), 0.0)


def _within_means(
    targets: Sequence[Number],
    trading: Sequence[Number],
    positions: Sequence[Number],
    quotes: Sequence[Number],
    value: Number,
    leverage: float,
) -> list[Number]:
    """The exposures, long ones cut back to what kept positions leave of the money."""
    kept, longs, shorts = 0.0, 0.0, 0.0
    for target, trade, position, quote in zip(targets, trading, positions, quotes, strict=True):
        kept = kept + choose(trade, 0.0, position * quote)
        longs = longs + choose(trade, higher(target, 0.0), 0.0)
        shorts = shorts + choose(trade, lower(target, 0.0), 0.0)
    room = higher(leverage - shorts - kept / choose(value > 0.0, value, 1.0), 0.0)
    cut = choose(longs > room, room / choose(longs > 0.0, longs, 1.0), 1.0)
    return [choose(target > 0.0, target * cut, target) for target in targets]


def _order(side: Number, exposure: Number, value: Number, fill: Number, position: Number, lot_size: float) -> Number:
    """Units from a position to an exposure of a value at a price, if that lies on the expected side."""
    target = exposure * value / fill
    if lot_size == 1.0:
        size = truncate(target) - position
        smallest = 0.0
    elif lot_size > 0.0:
        size = truncate(target / lot_size) * lot_size - position
        smallest = 0.0
    else:
        size = target * (1.0 - FRACTION_SLACK) - position
        smallest = choose(target == 0.0, 0.0, DUST * (value / fill))
    return choose((size * side > smallest), size, 0.0)
