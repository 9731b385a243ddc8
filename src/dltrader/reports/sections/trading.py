"""What the policy did: trades on price with the position below, and how far trades moved before they were closed."""

from __future__ import annotations

import pandas as pd

from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.excursions import excursions, typical_excursions
from dltrader.reports.blocks import Block, Key, Pair, Picture, Row, Section, Table, words
from dltrader.reports.charts.panel import HALF, NARROW, both
from dltrader.reports.charts.price import price_chart, zoom_data
from dltrader.reports.charts.spread import excursion_chart
from dltrader.reports.numbers import Book, Words
from dltrader.reports.sections.parts import bars_of, cells, median_column

MOST_PRICES = 4
"""Of more instruments, those traded most are drawn."""


def trading(evaluation: Evaluation, book: Book) -> Section:
    """Trades on price, one picture an instrument, of the seed whose growth is the median."""
    bars = bars_of(evaluation)
    fills = evaluation.orders["instrument"].value_counts()
    busiest = set(sorted(bars, key=lambda name: -int(fills.get(name, 0)))[:MOST_PRICES])
    pictures: list[Block] = [_price(evaluation, book, name, frame) for name, frame in bars.items() if name in busiest]
    lead = words("The deterministic policy", _whose(evaluation, book), ". ")
    if len(busiest) < len(bars):
        lead = words(
            lead, "Of ", book.number("about.instruments", len(bars), "count"), " instruments the busiest are drawn. "
        )
    return Section("trades", "Trades and position", pictures, lead=lead, short="Trades")


def _whose(evaluation: Evaluation, book: Book) -> Words:
    seed = book.number("about.median_seed", evaluation.about["median_seed"], "count")
    return words(" of seed ", seed, *((", the seed of median growth",) if len(evaluation.seeds) > 1 else ()))


def _price(evaluation: Evaluation, book: Book, name: str, bars: pd.DataFrame) -> Picture:
    fills = evaluation.orders[evaluation.orders["instrument"] == name]
    exposure = _exposure(evaluation, name, bars)
    wide, narrow = both(lambda width: price_chart(width, bars, fills, exposure))
    sides = fills["side"].value_counts()
    keys = [
        Key(side, words(book.number(f"trades.{name}.{side}s", int(sides.get(side, 0)), "count"), f" {side}s"))
        for side in ("buy", "sell")
    ]
    keys += [
        Key(f"tint-{side}", words(side))
        for side, there in (("long", exposure > 0), ("short", exposure < 0))
        if there.any()
    ]
    label = f"Closes of {name} with the policy's buys and sells, and below them its exposure."
    caption = words("Above: price, a triangle at every fill. Below: position as a share of equity.")
    return Picture(name, label, wide, narrow, keys, caption, zoom_data(bars, fills, exposure))


def _exposure(evaluation: Evaluation, name: str, bars: pd.DataFrame) -> pd.Series[float]:
    """Position value over equity of one instrument, 0 once ruined."""
    equity = evaluation.equity[median_column(evaluation)].reindex(bars.index).ffill()
    held = evaluation.position[name].reindex(bars.index).fillna(0.0) * bars["close"]
    found: pd.Series[float] = (held / equity.where(equity > 0)).fillna(0.0)
    return found


def moves(evaluation: Evaluation, book: Book) -> Section | None:
    """Excursions of the closed trades; none without a trade."""
    if not len(evaluation.trades):
        return None
    found = excursions(evaluation.trades, bars_of(evaluation))
    pictures = [
        Picture(
            title,
            f"Each closed trade's return against its {said} while it was open.",
            excursion_chart(HALF, found, which),
            excursion_chart(NARROW, found, which),
            caption=words(caption),
        )
        for which, title, said, caption in (
            (
                "adverse",
                "Maximum adverse excursion",
                "deepest loss",
                "On the dashed line a trade was closed at its worst price.",
            ),
            (
                "favourable",
                "Maximum favourable excursion",
                "highest profit",
                "On the dashed line a trade was closed at its best price.",
            ),
        )
    ]
    rows = [
        Row(
            words(str(group)),
            cells(
                *(book.number(f"excursions.{group}.{name}", value, _KINDS[str(name)]) for name, value in row.items())
            ),
        )
        for group, row in typical_excursions(found).to_dict("index").items()
    ]
    columns = [
        words(one) for one in ("Trades", "Closed", "Deepest loss, median", "Highest profit, median", "Return, median")
    ]
    table = Table(words("Closed trades, won and lost"), columns, rows)
    lead = words(
        "How far trades stood in loss and in profit before they were closed, from the bars' lows and highs and before "
        "costs; returns are net."
    )
    return Section("excursions", "Excursions of trades", [Pair(pictures), table], lead, "MAE / MFE")


_KINDS = {"trades": "count", "adverse": "percent", "favourable": "percent", "return_": "signed_percent"}
