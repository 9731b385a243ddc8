"""Statistics: how much of the result may be luck, each with what it means in a sentence."""

from __future__ import annotations

from dltrader.evaluation.evaluation import Evaluation
from dltrader.reports.blocks import Cell, Row, Section, Table, words
from dltrader.reports.numbers import Book
from dltrader.reports.sections.parts import estimate, whole

LABELS = {
    "sharpe": ("Sharpe ratio", "ratio"),
    "growth": ("Log growth a year", "signed_percent"),
    "max_drawdown": ("Deepest drawdown", "percent"),
    "difference_growth": ("Growth ahead of buy and hold", "signed_percent"),
    "difference_sharpe": ("Sharpe ratio ahead of it", "ratio"),
    "pooled_difference_growth": ("Growth ahead, over markets", "signed_percent"),
    "seeds_difference_growth": ("Growth ahead, over seeds", "signed_percent"),
    "psr": ("Probabilistic Sharpe ratio", "probability"),
    "expected_maximum_sharpe": ("Best Sharpe ratio by luck", "ratio"),
    "dsr": ("Deflated Sharpe ratio", "probability"),
    "min_track_record_years": ("Shortest track record, years", "ratio"),
    "min_backtest_years": ("Shortest backtest, years", "ratio"),
    "spa": ("Superior ability, p-value", "ratio"),
    "pbo": ("Chance of overfitting", "probability"),
}
"""Statistic -> heading, and what kind of number it is."""


def statistics(evaluation: Evaluation, book: Book) -> Section:
    """Every statistic with its interval and its meaning; where it could not be had, why."""
    rows = []
    for name, found in evaluation.statistics.items():
        label, form = LABELS.get(name, (name.replace("_", " ").capitalize(), "ratio"))
        value = estimate(book, f"statistics.{name}", {"estimate": found.get("value"), **found}, form)
        meaning = book.sentence(f"statistics.{name}.meaning", whole(str(found.get("meaning", ""))))
        if found.get("why"):
            meaning = words(meaning, " ", book.sentence(f"statistics.{name}.why", f"Not known: {found['why']}."))
        rows.append(Row(words(label), [Cell(value), Cell(meaning)]))
    heads = [words("Statistic"), words("Value"), words("What it is")]
    lead = words(
        "How much of this may be luck. Brackets hold intervals of ",
        book.number("statistics.level", 0.95, "percent"),
        ".",
    )
    return Section(
        "statistics",
        "Statistics",
        [Table(words("Statistics of the result"), heads, rows, prose=frozenset({2}), style="prose")],
        lead,
    )
