"""What several sections of a report share: intervals in cells, columns of metrics, the curves of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.formats import kind_of
from dltrader.reports.blocks import Cell, words
from dltrader.reports.numbers import Book, Name, Word, Words

HOLD, MATCHED = "buy_and_hold", "same_exposure"

GROWTH = "signed_percent"
"""How log growth is printed."""


def kind(metric: str) -> str:
    """What kind of number an evaluation's metric is."""
    if metric in {"growth", "difference", "hold_growth"} or metric.endswith(("_growth", "_return")):
        return GROWTH
    return "probability" if metric in {"psr", "dsr"} else kind_of(metric)


def cells(*each: Word | Words) -> list[Cell]:
    """Cells of a row."""
    return [Cell(words(one)) for one in each]


def estimate(book: Book, key: str, row: Mapping[str, Any], form: str) -> Words:
    """An estimate, and its interval in brackets where there is one; `row` has estimate, low and high."""
    value = book.number(key, row.get("estimate"), form)
    ends = book.interval(key, row.get("low"), row.get("high"), form)
    return words(value, " ", ends) if ends else words(value)


def named(book: Book, key: str, row: Mapping[str, Any], name: str, form: str) -> Words:
    """As `estimate`, of a row that has NAME, NAME_low and NAME_high."""
    found = {"estimate": row.get(name), "low": row.get(f"{name}_low"), "high": row.get(f"{name}_high")}
    return estimate(book, f"{key}.{name}", found, form)


def seed_columns(evaluation: Evaluation) -> list[str]:
    """The columns of the seeds in the tables of an evaluation."""
    return [f"seed-{row['seed']}" for row in evaluation.seeds]


def median_column(evaluation: Evaluation) -> str:
    """The column of the seed whose growth is the median: the one whose trades are shown."""
    return f"seed-{evaluation.about['median_seed']}"


def curve(evaluation: Evaluation, column: str) -> pd.Series[float] | None:
    """An equity; None where it is not there, or holds nothing."""
    if column not in evaluation.equity.columns or evaluation.equity[column].isna().all():
        return None
    found: pd.Series[float] = evaluation.equity[column].ffill()
    return found


def bars_of(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Instrument -> bars of the tested stretch."""
    return {
        str(name): frame.set_index("time").drop(columns="instrument")
        for name, frame in evaluation.bars.groupby("instrument", sort=False)
    }


def listed(items: Iterable[Any]) -> Words:
    """Names in a row, with commas between."""
    parts: list[Word] = []
    for item in items:
        parts += [", "] if parts else []
        parts.append(Name(str(item)))
    return tuple(parts)


def row_of(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The row of a baseline; empty where there is none."""
    return next((row for row in rows if row["name"] == name), {})


def whole(sentence: str) -> str:
    """A sentence with its capital and its full stop."""
    return f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}."


def as_fraction(cost_bp: float | None) -> float | None:
    """Basis points as a fraction of the value traded."""
    return None if cost_bp is None else cost_bp / 1e4
