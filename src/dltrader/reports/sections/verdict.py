"""The first section: the answer, what qualifies it, and the key figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dltrader.evaluation.evaluation import Evaluation
from dltrader.reports.blocks import Block, Card, Cards, Listing, Paragraph, Section, words
from dltrader.reports.numbers import Book, Words
from dltrader.reports.sections.parts import HOLD, as_fraction, kind, row_of, whole


def verdict(evaluation: Evaluation, book: Book) -> Section:
    """The answer first."""
    sentences = [book.sentence(f"verdict.{i}", whole(text)) for i, text in enumerate(evaluation.verdict)]
    blocks: list[Block] = [Paragraph(one, tone="answer") for one in sentences[:1]]
    blocks.append(Cards(_cards(evaluation, book)))
    if len(sentences) > 1:
        blocks.append(Listing(sentences[1:]))
    notes = [
        book.sentence(f"notes.{i}", whole(str(note))) for i, note in enumerate(evaluation.about.get("notes") or [])
    ]
    blocks += [Paragraph(note, tone="note") for note in notes]
    return Section("verdict", "Verdict", blocks)


def _cards(evaluation: Evaluation, book: Book) -> list[Card]:
    held = row_of(evaluation.baselines, HOLD)
    return [
        _metric(evaluation, book, "sharpe", "Sharpe ratio", held),
        _metric(evaluation, book, "annual_return", "Return a year", held),
        _difference(evaluation, book),
        _metric(evaluation, book, "max_drawdown", "Deepest drawdown", held),
        _deflated(evaluation, book),
        _break_even(evaluation, book),
    ]


def _deflated(evaluation: Evaluation, book: Book) -> Card:
    chance = evaluation.statistics.get("dsr", {}).get("value")
    trials = evaluation.about.get("trials")
    known = "unknown" if trials is None else book.number("about.trials", trials, "count")
    notes = [words("chance of a true Sharpe ratio above luck"), words("trials behind it: ", known)]
    return Card("Deflated Sharpe", words(book.number("statistics.dsr", chance, "probability")), notes)


def _break_even(evaluation: Evaluation, book: Book) -> Card:
    even, why = evaluation.costs.get("break_even_bp"), evaluation.why.get("costs.break_even_bp")
    own = book.number("about.own_cost", as_fraction(evaluation.about.get("own_cost_bp")), "basis_points")
    notes = [words("a side; it pays ", own)]
    if even is None and why is not None:
        notes.append(book.sentence("why.break_even", why))
    return Card("Break-even cost", words(book.number("costs.break_even", as_fraction(even), "basis_points")), notes)


def _metric(evaluation: Evaluation, book: Book, metric: str, label: str, held: Mapping[str, Any]) -> Card:
    row = evaluation.summary.get(metric, {})
    notes = [_interval(book, f"summary.{metric}", row.get("low"), row.get("high"), kind(metric))]
    beside = book.number(f"baselines.{HOLD}.{metric}", held.get(metric), kind(metric))
    notes.append(words("buy and hold ", beside))
    return Card(
        label, words(book.number(f"summary.{metric}", row.get("estimate"), kind(metric))), [n for n in notes if n]
    )


def _difference(evaluation: Evaluation, book: Book) -> Card:
    name = "pooled_difference_growth"
    row = evaluation.statistics.get(name, {})
    key = f"statistics.{name}"
    notes = [_interval(book, key, row.get("low"), row.get("high"), "signed_percent"), words("log growth a year")]
    return Card(
        "Ahead of buy and hold", words(book.number(key, row.get("value"), "signed_percent")), [n for n in notes if n]
    )


def _interval(book: Book, key: str, low: float | None, high: float | None, form: str) -> Words:
    ends = book.interval(key, low, high, form)
    return words("interval ", ends) if ends else ()
