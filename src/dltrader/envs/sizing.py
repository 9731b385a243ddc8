"""Sizing: how many units an order must trade so that the exposure after its fill is the one asked for.

Lists have one element an instrument; an element is a float or an array of lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

from dltrader.envs.numeric import Number, choose, higher, lower, sign, truncate

FRACTION_SLACK = 1e-12
"""Share of a fractional position left out, so that rounding errors cannot overdraw the account by a hair."""

DUST = 1e-9
"""Fractional orders worth less than this share of equity are not sent."""


def buy_price(quote: Number, slippage: float, high: Number) -> Number:
    """What a market buy pays: the quote moved up by the slippage, within the bar's range."""
    return lower(quote * (1.0 + slippage), high)


def sell_price(quote: Number, slippage: float, low: Number) -> Number:
    """What a market sale gets: the quote moved down by the slippage, within the bar's range."""
    return higher(quote * (1.0 - slippage), low)


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
    lot_size: float,
    leverage: float = 1.0,
) -> list[Number]:
    """Signed units to trade, 0 where there is nothing to do.

    The orders are sized together. With V the equity after all fills, valued at the prices f of the fills, each traded
    instrument is to be worth w V, and V itself has paid the commission c |w V - p f| of every trade from position p.
    Solved for V, with s the signs of the trades:

        V = (cash + Σ_kept p quote + Σ_traded p f (1 + c s)) / (1 + c Σ_traded s w)

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
        lot_size: Units of a lot; 0 for any fraction.
        leverage: How often equity may be invested.
    """
    worth = cash
    for position, quote in zip(positions, quotes, strict=True):
        worth = worth + position * quote
    solvent = worth > 0.0
    targets = [choose(solvent, exposure, 0.0) for exposure in exposures]
    market = trading, positions, cash, quotes, buys, sells, commission, leverage
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
    commission: float,
    leverage: float,
) -> tuple[Number, list[Number], list[Number]]:
    """The equity after all fills, the signs of the trades, and the prices they fill at."""
    signs, fills, value, share = [], [], cash, 1.0
    for target, trade, position, quote, buy, sell in zip(targets, trading, positions, quotes, buys, sells, strict=True):
        side = choose(trade, sign(target * worth - position * quote), 0.0)
        fill = choose(side > 0.0, buy, choose(side < 0.0, sell, quote))
        value = value + position * fill * (1.0 + commission * side)
        share = share + commission * side * target
        signs.append(side)
        fills.append(fill)
    if commission * leverage >= 1.0:
        # Trades may cost more than they move: there is no such equity then.
        reachable = share > 0.0
        value, share = choose(reachable, value, 0.0), choose(reachable, share, 1.0)
    return higher(value / share, 0.0), signs, fills


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
