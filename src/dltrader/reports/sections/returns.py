"""Returns: a Sharpe ratio that rolls, how returns are spread, and each month."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.metrics import returns_of
from dltrader.evaluation.series import (
    Distribution,
    distribution,
    monthly_returns,
    rolling_sharpe,
    rolling_window,
    yearly_returns,
)
from dltrader.reports.blocks import Block, Cell, Key, Paragraph, Picture, Row, Section, Table, words
from dltrader.reports.charts.curves import Line, rolling_chart
from dltrader.reports.charts.panel import both
from dltrader.reports.charts.spread import returns_chart
from dltrader.reports.numbers import Book, Moment
from dltrader.reports.sections.parts import HOLD, curve, median_column

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

HOTTEST = 0.10
"""A month of this return, up or down, has the full tint."""


def returns(evaluation: Evaluation, book: Book) -> Section:
    """Returns of the seed whose growth is the median."""
    own, held = curve(evaluation, median_column(evaluation)), curve(evaluation, HOLD)
    assert own is not None
    found = distribution(returns_of(own))
    blocks: list[Block] = [_rolling(evaluation, book, own, held)]
    blocks += [_spread(book, found)] if found is not None else [Paragraph(words("Its returns never varied."))]
    blocks.append(_months(book, own))
    said = (
        "Of the median seed, beside buy-and-hold."
        if len(evaluation.seeds) > 1
        else "Of the policy, beside buy-and-hold."
    )
    return Section("returns", "Returns over time", blocks, words(said), short="Returns")


def _rolling(evaluation: Evaluation, book: Book, own: pd.Series[float], held: pd.Series[float] | None) -> Picture:
    a_year = float(evaluation.about["periods_per_year"])
    window = rolling_window(len(own) - 1, periods_per_year=a_year)
    assert isinstance(own.index, pd.DatetimeIndex)
    index = own.index[1:]
    places = np.arange(len(index), dtype=float)
    lines, keys = [], []
    for name, equity, style, label in (("self", own, "self", "the policy"), (HOLD, held, "hold", "buy and hold")):
        if equity is None:
            continue
        rolled = rolling_sharpe(returns_of(equity), window=window, periods_per_year=a_year)
        lines.append(Line(places, rolled.to_numpy(dtype=float), style))
        last = rolled.iloc[-1] if len(rolled) else float("nan")
        keys.append(Key(style, words(f"{label}, last ", book.number(f"rolling_sharpe.{name}.last", float(last)))))
    wide, narrow = both(lambda width: rolling_chart(width, index, lines))
    caption = words("Of the last ", book.number("rolling_sharpe.window", window, "count"), " bars, annualised.")
    return Picture(
        "Rolling Sharpe ratio",
        "The Sharpe ratio of a window that rolls over the tested stretch.",
        wide,
        narrow,
        keys,
        caption,
    )


def _spread(book: Book, found: Distribution) -> Picture:
    wide, narrow = both(lambda width: returns_chart(width, found))
    keys = [
        Key("bar-gain", words("gains")),
        Key("bar-loss", words("losses")),
        Key("normal", words("normal distribution")),
    ]
    number = book.number
    caption = words(
        "Bars on which equity moved; on ", number("returns.unmoved", found.unmoved, "count"),
        " it did not. Mean ", number("returns.mean", found.mean, "basis_points"),
        ", standard deviation ", number("returns.deviation", found.deviation, "percent"),
        ", worst ", number("returns.worst", found.worst, "percent"),
        ", best ", number("returns.best", found.best, "percent"),
        ", skewness ", number("returns.skewness", found.skewness),
        ", kurtosis ", number("returns.kurtosis", found.kurtosis),
        " (", number("returns.kurtosis_normal", 3.0, "count"), " if normal).",
    )  # fmt: skip
    return Picture("Distribution of returns", "A histogram of returns from bar to bar.", wide, narrow, keys, caption)


def _months(book: Book, own: pd.Series[float]) -> Table:
    years = yearly_returns(own)
    rows = []
    for (year, months), whole in zip(monthly_returns(own).iterrows(), years, strict=True):
        cells = [
            Cell(words(book.number(f"months.{year}.{month:02d}", value, "signed_percent")), _heat(value))
            if np.isfinite(value)
            else Cell(())
            for month, value in enumerate(months, start=1)
        ]
        cells.append(Cell(words(book.number(f"months.{year}.year", float(whole), "signed_percent"))))
        rows.append(Row(words(Moment(str(year))), cells))
    return Table(
        words("Returns by month"), [words("Year"), *(words(one) for one in (*MONTHS, "Year"))], rows, style="heat"
    )


def _heat(value: float) -> float:
    return float(np.clip(value / HOTTEST, -1.0, 1.0))
