"""Traders beside one another: baselines, seeds, and the policy that draws its actions."""

from __future__ import annotations

import math
from typing import Any

from dltrader.evaluation.evaluation import MEASURED, Evaluation
from dltrader.evaluation.formats import label_of
from dltrader.reports.blocks import Block, Cell, Key, Paragraph, Picture, Row, Section, Table, words
from dltrader.reports.charts.panel import both
from dltrader.reports.charts.spread import Estimate, forest_chart
from dltrader.reports.numbers import Book
from dltrader.reports.sections.parts import GROWTH, cells, estimate, kind, whole

SEED_COLUMNS = (
    "growth", "difference", "sharpe", "max_drawdown", "trades", "turnover", "exposure", "correlation",
    "psr", "dsr",
)  # fmt: skip


SHORT = {
    "growth": "Log growth", "difference": "Ahead a year", "total_return": "Total return",
    "annual_return": "Return a year",
    "annual_volatility": "Volatility", "sharpe": "Sharpe", "sortino": "Sortino", "max_drawdown": "Drawdown",
    "trades": "Trades", "turnover": "Turnover", "exposure": "Exposure", "correlation": "Correlation", "psr": "PSR",
    "dsr": "DSR",
}  # fmt: skip
"""Metric -> heading of a narrow column."""


def baselines(evaluation: Evaluation, book: Book) -> Section:
    """Baselines in the same engine at the same costs."""
    growth = evaluation.summary.get("growth", {})
    dots = [_float(row.get("growth")) for row in evaluation.seeds] if len(evaluation.seeds) > 1 else []
    rows = [Estimate("the policy", *_ends(growth, "estimate", "low", "high"), "self", dots)]
    rows += [
        Estimate(str(row["label"]), *_ends(row, "growth", "growth_low", "growth_high"), "hold")
        for row in evaluation.baselines
    ]
    wide, narrow = both(lambda width: forest_chart(width, rows, "growth over the whole test, log"))
    keys = [Key("dot-self", words("the policy")), Key("dot-hold", words("baselines"))]
    keys += [Key("seed", words("single seeds"))] if dots else []
    caption = words("Lines are intervals over seeds, or over several traders of a kind.")
    picture = Picture(
        "Growth beside baselines", "Growth of the policy and of every baseline.", wide, narrow, keys, caption
    )
    blocks: list[Block] = [picture, _beside(evaluation, book)]
    for i, row in enumerate(evaluation.baselines):
        why = evaluation.why.get(f"baselines.{i}.growth") or evaluation.why.get(f"baselines.{i}")
        if row.get("growth") is None and why:
            blocks.append(
                Paragraph(book.sentence(f"why.baselines.{row['name']}", whole(f"{row['label']}: {why}")), tone="note")
            )
    return Section("baselines", "Baselines", blocks)


def _beside(evaluation: Evaluation, book: Book) -> Table:
    """The policy and the baselines in columns, metrics in rows."""
    policy, others = evaluation.summary, evaluation.baselines
    rows = []
    for name in ("growth", "difference", *MEASURED[1:]):
        own = (
            ()
            if name == "difference"
            else (book.number(f"summary.{name}", policy.get(name, {}).get("estimate"), kind(name)),)
        )
        theirs = [book.number(f"baselines.{row['name']}.{name}", row.get(name), kind(name)) for row in others]
        rows.append(Row(words("Policy ahead by" if name == "difference" else SHORT[name]), cells(own, *theirs)))
    ends = policy.get("growth", {})
    intervals = [book.interval("summary.growth", ends.get("low"), ends.get("high"), GROWTH)]
    intervals += [
        book.interval(f"baselines.{row['name']}.growth", row.get("growth_low"), row.get("growth_high"), GROWTH)
        for row in others
    ]
    rows.insert(1, Row(words("its interval"), cells(*intervals), tone="note"))
    heads = [
        words(""),
        words("the policy"),
        *(book.sentence(f"baselines.{row['name']}.label", str(row["label"])) for row in others),
    ]
    return Table(words("On the same bars, in the same engine, at the same costs"), heads, rows, style="first")


def seeds(evaluation: Evaluation, book: Book) -> Section:
    """Every seed, and the policy that draws its actions beside the one that takes the likeliest."""
    names = [name for name in SEED_COLUMNS if any(row.get(name) is not None for row in evaluation.seeds)]
    collapses = any(row.get("collapse") for row in evaluation.seeds)
    rows = []
    for row in evaluation.seeds:
        key = f"seeds.{row['seed']}"
        own = [Cell(words(book.number(f"{key}.{name}", row.get(name), kind(name)))) for name in names]
        own += [Cell(words(str(row["collapse"])) if row["collapse"] else ())] if collapses else []
        is_median = row["seed"] == evaluation.about["median_seed"] and len(evaluation.seeds) > 1
        head = words(book.number(f"{key}.seed", row["seed"], "count"), " median" if is_median else "")
        rows.append(Row(head, own))
    if len(evaluation.seeds) > 1:
        over = {name: evaluation.summary.get(name, {}) for name in names}
        for end, label, tone in (
            ("estimate", "interquartile mean", "sum"),
            ("low", "from", "note"),
            ("high", "to", "note"),
        ):
            key = "" if end == "estimate" else f".{end}"
            found = [
                Cell(words(book.number(f"summary.{name}{key}", one.get(end), kind(name)))) for name, one in over.items()
            ]
            rows.append(Row(words(label), [*found, Cell(())] if collapses else found, tone=tone))
    heads = ["Seed", *(SHORT[name] for name in names), *(["Collapse"] if collapses else [])]
    prose = frozenset({len(names) + 1}) if collapses else frozenset[int]()
    table = Table(words("One training a seed"), [words(head) for head in heads], rows, prose, "dense")
    blocks: list[Block] = [table]
    if evaluation.policy_modes:
        blocks.append(_modes(evaluation, book))
    return Section("seeds", "Seeds and policy modes", blocks, short="Seeds")


def _modes(evaluation: Evaluation, book: Book) -> Table:
    rows = []
    for name in MEASURED:
        modes = {mode: found.get(name, {}) for mode, found in evaluation.policy_modes.items()}
        rows.append(
            Row(
                words(SHORT.get(name) or label_of(name)),
                cells(
                    *(estimate(book, f"policy_modes.{mode}.{name}", found, kind(name)) for mode, found in modes.items())
                ),
            )
        )
    heads = [words(""), *(words(mode.capitalize()) for mode in evaluation.policy_modes)]
    return Table(words("The likeliest action beside one that is drawn"), heads, rows)


def behaviour(evaluation: Evaluation, book: Book) -> Section:
    """How the policy traded, and whether it collapsed."""
    found = evaluation.behaviour
    collapses = found.get("collapses", {})
    blocks: list[Block] = []
    if collapses:
        parts: list[Any] = []
        for collapse, count in collapses.items():
            parts += [
                ", " if parts else "",
                book.number(f"behaviour.collapses.{collapse.replace(' ', '_')}", count, "count"),
                f" {collapse}",
            ]
        total = book.number("about.seeds", len(evaluation.seeds), "count")
        blocks.append(Paragraph(words("Of ", total, " seeds: ", *parts, ".")))
    else:
        blocks.append(
            Paragraph(words("No seed collapsed: each traded, none merely held, none flipped on nearly every bar."))
        )
    median = found.get("median", {})
    if median.get("remark"):
        blocks.append(Paragraph(book.sentence("behaviour.remark", f"Of the median seed: {median['remark']}.")))
    numbers = {
        name: value for name, value in (median.get("numbers") or median).items() if name not in {"collapse", "remark"}
    }
    rows = [
        Row(
            words(label_of(name)),
            cells(
                book.metric("behaviour.median", name, value),
                estimate(book, f"summary.{name}", evaluation.summary.get(name, {}), kind(name)),
            ),
        )
        for name, value in numbers.items()
    ]
    heads = ("", "Median seed", "Over seeds")
    blocks.append(Table(words("How it traded"), [words(one) for one in heads], rows))
    return Section("behaviour", "Behaviour", blocks)


def _ends(row: Any, *names: str) -> tuple[float, float, float]:
    value, low, high = (_float(row.get(name)) for name in names)
    return value, low, high


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
