"""Runs side by side: their metrics, their equity in one chart, where their configurations differ.

Runs that were tested on other bars, or at other costs, are flagged: their numbers answer different questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.formats import label_of
from dltrader.reports.blocks import Block, Cell, Key, Listing, Page, Paragraph, Picture, Row, Section, Table, words
from dltrader.reports.charts.curves import Line, equity_chart
from dltrader.reports.charts.panel import both
from dltrader.reports.numbers import Book, Moment, Name, Words
from dltrader.reports.page import series_of
from dltrader.reports.sections.parts import HOLD, curve, estimate, kind, median_column, row_of, whole

METRICS = (
    "growth", "difference", "total_return", "annual_return", "sharpe", "max_drawdown", "trades", "turnover", "exposure",
)  # fmt: skip

STYLES = 6
"""Lines that a reader can tell apart; further runs stand in the tables only."""

TESTED = ("start", "end", "data_sha256", "bars", "costs")
"""What makes results comparable."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A run among others.

    Attributes:
        label: What it is called; no other is called the same.
        path: Its folder.
        evaluation: What was found of it.
    """

    label: str
    path: Path
    evaluation: Evaluation

    @classmethod
    def named(cls, evaluations: Mapping[Path, Evaluation]) -> list[Self]:
        """Runs under their folders' names, or whole paths where those are the same."""
        names = [path.resolve().name for path in evaluations]
        return [
            cls(name if names.count(name) == 1 else str(path), path, evaluation)
            for (path, evaluation), name in zip(evaluations.items(), names, strict=True)
        ]


def warnings_of(runs: Sequence[Compared]) -> list[str]:
    """In which ways runs were not tested alike as the first was; empty where all were."""
    first = runs[0].evaluation.about
    said = {
        "start": "another first bar",
        "end": "another last bar",
        "data_sha256": "other data",
        "bars": "other bars",
        "costs": "other costs",
    }
    found = []
    for run in runs[1:]:
        apart = [said[name] for name in TESTED if run.evaluation.about.get(name) != first.get(name)]
        if apart:
            found.append(
                f"{run.label} was tested with {', '.join(apart)} than {runs[0].label}: their numbers do not compare"
            )
    return found


def differences(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """Dotted key -> its value in each configuration, of keys in which they differ; None where it is missing."""
    flat = [dict(_flat(run.evaluation.about.get("config") or {})) for run in runs]
    keys = dict.fromkeys(key for one in flat for key in one)
    found = {key: [one.get(key) for one in flat] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def comparison_page(runs: Sequence[Compared]) -> Page:
    """The page of several runs."""
    book = Book()
    sections = [_metrics(runs, book), _equity(runs, book), _verdicts(runs, book), _configurations(runs, book)]
    facts = [words(book.number("runs", len(runs), "count"), " runs")]
    footer = words(
        "Made by dltrader ", Name(str((runs[0].evaluation.about.get("versions") or {}).get("dltrader", ""))), "."
    )
    series = {run.label: series_of(run.evaluation.equity) for run in runs}
    return Page(", ".join(run.label for run in runs), facts, sections, footer, book.numbers, series, "Comparison")


def _metrics(runs: Sequence[Compared], book: Book) -> Section:
    blocks: list[Block] = []
    found = warnings_of(runs)
    if found:
        blocks.append(Paragraph(words("Not tested alike."), tone="answer"))
        blocks.append(Listing([(Name(f"{one}."),) for one in found]))
    else:
        blocks.append(Paragraph(words("All were tested on the same bars at the same costs."), tone="answer"))
    rows = []
    for name in METRICS:
        cells = [
            Cell(estimate(book, f"{run.label}.{name}", run.evaluation.summary.get(name, {}), kind(name)))
            for run in runs
        ]
        rows.append(Row(words(_LABELS.get(name) or label_of(name)), cells))
    for name, form in (("psr", "probability"), ("dsr", "probability"), ("pooled_difference_growth", "signed_percent")):
        cells = []
        for run in runs:
            value = run.evaluation.statistics.get(name, {})
            cells.append(
                Cell(estimate(book, f"{run.label}.statistics.{name}", {"estimate": value.get("value"), **value}, form))
            )
        rows.append(Row(words(_LABELS[name]), cells))
    rows.append(
        Row(
            words("Buy and hold, log growth"),
            [
                Cell(
                    words(
                        book.number(
                            f"{run.label}.{HOLD}",
                            row_of(run.evaluation.baselines, HOLD).get("growth"),
                            "signed_percent",
                        )
                    )
                )
                for run in runs
            ],
        )
    )
    rows.append(
        Row(
            words("Seeds"),
            [Cell(words(book.number(f"{run.label}.seeds", len(run.evaluation.seeds), "count"))) for run in runs],
        )
    )
    rows.append(Row(words("Tested from"), [Cell(words(Moment.of(run.evaluation.about["start"]))) for run in runs]))
    rows.append(Row(words("to"), [Cell(words(Moment.of(run.evaluation.about["end"]))) for run in runs]))
    heads: list[Words] = [words(""), *(words(Name(run.label)) for run in runs)]
    blocks.append(Table(words("Interquartile means over seeds, in brackets their intervals"), heads, rows))
    return Section("metrics", "Side by side", blocks)


_LABELS = {
    "growth": "Log growth",
    "difference": "Ahead of buy and hold a year",
    "psr": "Probabilistic Sharpe ratio",
    "dsr": "Deflated Sharpe ratio",
    "pooled_difference_growth": "Ahead a year, over markets",
}


def _equity(runs: Sequence[Compared], book: Book) -> Section:
    shown = runs[:STYLES]
    curves = {run.label: curve(run.evaluation, median_column(run.evaluation)) for run in shown}
    known = {label: one for label, one in curves.items() if one is not None}
    table = pd.DataFrame({label: one / one.iloc[0] for label, one in known.items()}).sort_index()
    held = curve(runs[0].evaluation, HOLD)
    lines, keys = [], []
    assert isinstance(table.index, pd.DatetimeIndex)
    for i, label in enumerate(table.columns):
        own = table[label].dropna()
        lines.append(Line(table.index.get_indexer(own.index).astype(float), own.to_numpy(dtype=float), f"run-{i}"))
        keys.append(Key(f"run-{i}", words(Name(label), ", ", book.number(f"{label}.equity.end", float(own.iloc[-1])))))
    if held is not None:
        scaled = (held / held.iloc[0]).reindex(table.index).dropna()
        lines.append(Line(table.index.get_indexer(scaled.index).astype(float), np.asarray(scaled, dtype=float), "hold"))
        keys.append(
            Key(
                "hold",
                words("buy and hold of the first, ", book.number("equity.buy_and_hold.end", float(scaled.iloc[-1]))),
            )
        )
    index = table.index
    wide, narrow = both(lambda width: equity_chart(width, index, lines))
    caption = words("Equity of each run's median seed, as a multiple of what it began with.")
    picture = Picture("Equity", "Equity of all runs in one chart.", wide, narrow, keys, caption)
    return Section("equity", "Equity", [picture])


def _verdicts(runs: Sequence[Compared], book: Book) -> Section:
    rows = []
    for run in runs:
        first = run.evaluation.verdict[0] if run.evaluation.verdict else ""
        rows.append(Row(words(Name(run.label)), [Cell(book.sentence(f"{run.label}.verdict", whole(first)))]))
    table = Table(words("What was said of each"), [words("Run"), words("Verdict")], rows, frozenset({1}), "prose")
    return Section("verdicts", "Verdicts", [table])


def _configurations(runs: Sequence[Compared], _: Book) -> Section:
    found = differences(runs)
    if not found:
        return Section("configuration", "Configuration", [Paragraph(words("The configurations are the same."))])
    rows = [
        Row(words(Name(key)), [Cell(words(Name(_said(value)))) for value in values]) for key, values in found.items()
    ]
    heads: list[Words] = [words("Key"), *(words(Name(run.label)) for run in runs)]
    table = Table(words("Keys in which the configurations differ"), heads, rows, frozenset(range(1, len(runs) + 1)))
    return Section("configuration", "Configuration", [table])


def _said(value: Any) -> str:
    return "\N{EN DASH}" if value is None else str(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
