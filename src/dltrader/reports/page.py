"""The report of an evaluation: its sections in their order, and what its charts draw."""

from __future__ import annotations

import pandas as pd

from dltrader.evaluation.evaluation import Evaluation
from dltrader.reports.blocks import Page, words
from dltrader.reports.numbers import Book, Moment, Name
from dltrader.reports.sections.folds import folds
from dltrader.reports.sections.parts import listed
from dltrader.reports.sections.performance import performance
from dltrader.reports.sections.provenance import configuration, provenance
from dltrader.reports.sections.returns import returns
from dltrader.reports.sections.robustness import costs, years_and_regimes
from dltrader.reports.sections.statistics import statistics
from dltrader.reports.sections.traders import baselines, behaviour, seeds
from dltrader.reports.sections.trading import moves, trading
from dltrader.reports.sections.verdict import verdict

SECTIONS = (
    verdict, performance, trading, returns, moves, costs, folds, years_and_regimes, baselines, seeds, statistics,
    behaviour, configuration, provenance,
)  # fmt: skip
"""In the order of the page; each may have nothing to say."""


def report_page(evaluation: Evaluation) -> Page:
    """The page of an evaluation."""
    book = Book()
    about = evaluation.about
    sections = [made for section in SECTIONS if (made := section(evaluation, book)) is not None]
    facts = [
        listed(about["instruments"]),
        words(Moment.of(about["start"]), " to ", Moment.of(about["end"])),
        words(book.number("about.n_bars", about["n_bars"], "count"), " bars out of sample"),
        words(
            book.number("about.seeds", len(about["seeds"]), "count"), " seed" if len(about["seeds"]) == 1 else " seeds"
        ),
        words(Name(str(about.get("agent") or ""))),
    ]
    footer = words(
        "Made by dltrader ",
        Name(str((about.get("versions") or {}).get("dltrader", ""))),
        " from ",
        Name(str(about.get("path") or "")),
        ".",
    )
    return Page(str(about["name"]), facts, sections, footer, book.numbers, {"equity": series_of(evaluation.equity)})


def series_of(table: pd.DataFrame) -> dict[str, list[object]]:
    """A table of curves as plain lists, with its times, for metrics.json."""
    found: dict[str, list[object]] = {"time": [time.isoformat() for time in table.index]}
    return found | {str(name): [round(float(value), 2) for value in table[name]] for name in table.columns}
