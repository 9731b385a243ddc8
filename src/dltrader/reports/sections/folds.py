"""The folds of a walk-forward: on which bars each was trained and tested, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dltrader.evaluation.evaluation import Evaluation
from dltrader.reports.blocks import Block, Cell, Row, Section, Table, words
from dltrader.reports.numbers import Book, Moment, Name, Word, Words
from dltrader.reports.sections.parts import cells, kind

RESULTS = {
    "growth": "Log growth",
    "buy_and_hold_growth": "Buy and hold",
    "sharpe": "Sharpe",
    "max_drawdown": "Drawdown",
    "turnover": "Turnover",
    "validation_growth": "Growth on validation",
}
"""Number of a fold -> heading."""


def folds(evaluation: Evaluation, book: Book) -> Section | None:
    """One row a fold, and one a fold and seed; none of anything but a walk-forward."""
    rows = evaluation.folds
    if not rows:
        return None
    blocks: list[Block] = [_results(rows, book)]
    spans = {row["fold"]: row for row in rows if row.get("test")}
    if spans:
        blocks.append(_spans(spans, book))
    lead = words(
        "Every fold was trained anew, and tested on bars that no training of it had seen. Growth is log growth."
    )
    return Section("folds", "Folds", blocks, lead)


def _results(rows: Sequence[Mapping[str, Any]], book: Book) -> Table:
    names = [name for name in RESULTS if any(row.get(name) is not None for row in rows)]
    has_remarks = any(_remark(row) for row in rows)
    table = []
    for row in rows:
        key = f"folds.{row['fold']}.{row['seed']}"
        found = [Cell(words(book.number(f"{key}.seed", row["seed"], "count")))]
        found += cells(*(book.number(f"{key}.{name}", row.get(name), kind(name)) for name in names))
        found += [Cell(words(Name(_remark(row))))] if has_remarks else []
        table.append(Row(words(book.number(f"{key}.fold", row["fold"], "count")), found))
    heads = ["Fold", "Seed", *(RESULTS[name] for name in names), *(["Remark"] if has_remarks else [])]
    prose = frozenset({len(heads) - 1}) if has_remarks else frozenset[int]()
    return Table(words("What each fold earned out of sample"), [words(head) for head in heads], table, prose)


def _remark(row: Mapping[str, Any]) -> str:
    """What must be known of a fold that did not finish, or whose policy collapsed."""
    status = str(row.get("status") or "")
    parts = [status if status != "finished" else "", str(row.get("error") or ""), str(row.get("behaviour") or "")]
    return ", ".join(part for part in parts if part)


def _spans(rows: Mapping[Any, Mapping[str, Any]], book: Book) -> Table:
    table = [
        Row(
            words(book.number(f"folds.{fold}.fold", fold, "count")),
            cells(
                _span(row.get("train")),
                _span([row["validation"]] if row.get("validation") else None),
                _span(row["test"]),
            ),
        )
        for fold, row in rows.items()
    ]
    heads = [words(head) for head in ("Fold", "Trained", "Validated", "Tested")]
    return Table(words("Which bars each fold saw"), heads, table)


def _span(spans: Sequence[Sequence[str]] | None) -> Words:
    """First and last bar of each stretch."""
    parts: list[Word] = []
    for start, end in spans or ():
        parts += [", "] if parts else []
        parts += [Moment.of(start), " to ", Moment.of(end)]
    return tuple(parts)
