"""Equity with its band of seeds beside the baselines, and drawdown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.metrics import drawdown
from dltrader.evaluation.series import seeds_band
from dltrader.reports.blocks import Block, Key, Picture, Section, words
from dltrader.reports.charts.curves import Band, Line, drawdown_chart, equity_chart
from dltrader.reports.charts.panel import both
from dltrader.reports.numbers import Book
from dltrader.reports.sections.parts import HOLD, MATCHED, curve, median_column, seed_columns


def performance(evaluation: Evaluation, book: Book) -> Section:
    """Equity and drawdown."""
    blocks: list[Block] = [_equity(evaluation, book), _drawdown(evaluation, book)]
    return Section("equity", "Equity and drawdown", blocks, short="Equity")


def _equity(evaluation: Evaluation, book: Book) -> Picture:
    seeds = evaluation.equity[seed_columns(evaluation)].ffill()
    index = _index(seeds)
    places = np.arange(len(index), dtype=float)
    bands = []
    if seeds.shape[1] > 1:
        band = seeds_band(seeds)
        at = index.get_indexer(pd.DatetimeIndex(band.index)).astype(float)
        bands = [
            Band(at, band[low].to_numpy(), band[high].to_numpy())
            for low, high in (("lowest", "highest"), ("low", "high"))
        ]
        own = Line(at, band["middle"].to_numpy(), "self")
        said = [
            words("interquartile mean of ", book.number("about.seeds", seeds.shape[1], "count"), " seeds, ends at ")
        ]
    else:
        own = Line(places, seeds.iloc[:, 0].to_numpy(dtype=float), "self")
        said = [words("policy, ends at ")]
    lines, keys = [own], [Key("self", words(said[0], book.number("equity.end", float(own.levels[-1]), "money")))]
    for name, style, label in ((HOLD, "hold", "buy and hold"), (MATCHED, "matched", "same exposure, held")):
        equity = curve(evaluation, name)
        if equity is not None:
            lines.append(Line(places, equity.to_numpy(dtype=float), style))
            keys.append(
                Key(style, words(f"{label}, ", book.number(f"equity.{name}.end", float(equity.iloc[-1]), "money")))
            )
    if bands:
        keys += [Key("band-1", words("interval of the mean over seeds")), Key("band-0", words("all seeds"))]
    wide, narrow = both(lambda width: equity_chart(width, index, lines, bands))
    label = "Equity of the policy over the tested stretch, beside buy-and-hold and the same exposure held constantly."
    caption = words(
        "Account value in money at each close, from ",
        book.number("about.cash", float(seeds.to_numpy(dtype=float)[0, 0]), "money"),
        " on.",
    )
    return Picture("Equity", label, wide, narrow, keys, caption)


def _drawdown(evaluation: Evaluation, book: Book) -> Picture:
    own, held = curve(evaluation, median_column(evaluation)), curve(evaluation, HOLD)
    assert own is not None
    index = _index(own)
    places = np.arange(len(index), dtype=float)
    said = "the median seed" if len(evaluation.seeds) > 1 else "the policy"
    lines, keys = [], []
    for name, equity, style, label in (("self", own, "self", said), (HOLD, held, "hold", "buy and hold")):
        if equity is not None:
            falls = drawdown(equity)
            lines.append(Line(places, falls.to_numpy(dtype=float), style))
            keys.append(
                Key(style, words(f"{label}, deepest ", book.number(f"drawdown.{name}", float(falls.min()), "percent")))
            )
    wide, narrow = both(lambda width: drawdown_chart(width, index, lines))
    label = "How far equity stands below its highest close so far, beside buy-and-hold."
    return Picture(
        "Drawdown", label, wide, narrow, keys, words("How far equity stands below its highest close so far.")
    )


def _index(curves: pd.DataFrame | pd.Series[float]) -> pd.DatetimeIndex:
    assert isinstance(curves.index, pd.DatetimeIndex)
    return curves.index
