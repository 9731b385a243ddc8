"""Whether it lasts: at other costs, in every year and regime."""

from __future__ import annotations

from dltrader.evaluation.evaluation import Evaluation
from dltrader.evaluation.formats import basis_points
from dltrader.reports.blocks import Block, Key, Paragraph, Picture, Row, Section, Table, words
from dltrader.reports.charts.curves import cost_chart
from dltrader.reports.charts.panel import both
from dltrader.reports.numbers import Book, Moment
from dltrader.reports.sections.parts import GROWTH, as_fraction, cells, named, whole


def costs(evaluation: Evaluation, book: Book) -> Section:
    """What is left at other costs of trading."""
    found = evaluation.costs
    rows = found["rows"]
    own, even = evaluation.about.get("own_cost_bp"), found.get("break_even_bp")
    wide, narrow = both(lambda width: cost_chart(width, rows, own, even))
    several = len(evaluation.seeds) > 1
    keys = [Key("self", words("the policy")), Key("hold", words("buy and hold"))]
    keys += [Key("band-1", words("interval over seeds"))] if several else []
    keys.append(Key("own", words("its own cost, ", book.number("about.own_cost", as_fraction(own), "basis_points"))))
    if even is not None:
        keys.append(
            Key(
                "dot-even", words("breaks even at ", book.number("costs.break_even", as_fraction(even), "basis_points"))
            )
        )
    caption = words("Log growth over the whole test. ", book.sentence("costs.basis", whole(found.get("basis", ""))))
    picture = Picture("Cost curve", "Growth at rising costs, beside buy-and-hold.", wide, narrow, keys, caption)
    columns = [
        words(one)
        for one in (
            "Cost a side",
            "Log growth",
            "Buy and hold",
            "Total return",
            "Sharpe",
            "Turnover",
            "Seeds with profit",
        )
    ]
    table = []
    for row in rows:
        cost = float(row["cost_bp"])
        key = f"costs.{cost:g}bp"
        table.append(
            Row(
                words(book.number(f"{key}.cost", as_fraction(cost), basis_points)),
                cells(
                    named(book, key, row, "growth", GROWTH),
                    book.number(f"{key}.buy_and_hold", row.get("buy_and_hold"), GROWTH),
                    book.metric(key, "total_return", row.get("total_return")),
                    book.metric(key, "sharpe", row.get("sharpe")),
                    book.metric(key, "turnover", row.get("turnover")),
                    book.number(f"{key}.positive", row.get("positive"), "percent"),
                ),
            )
        )
    blocks: list[Block] = [picture, Table(words("The policy trades anew at each cost"), columns, table)]
    ends = [
        words(label, " ", book.number(f"costs.{name}", as_fraction(found[f"{name}_bp"]), "basis_points"), ".")
        if found.get(f"{name}_bp") is not None
        else book.sentence(
            f"why.costs.{name}", f"{label}: not known. {whole(evaluation.why.get(f'costs.{name}_bp', ''))}"
        )
        for name, label in (
            ("break_even", "Cost at which no growth is left"),
            ("break_even_hold", "Cost at which it is no better than buy and hold"),
        )
    ]
    blocks += [Paragraph(one, tone="note") for one in ends]
    return Section("costs", "What costs leave", blocks, short="Costs")


def years_and_regimes(evaluation: Evaluation, book: Book) -> Section:
    """Results by year and by regime."""
    blocks: list[Block] = [_years(evaluation, book), _regimes(evaluation, book)]
    basis = evaluation.about.get("regimes_basis")
    if basis:
        blocks.append(Paragraph(book.sentence("about.regimes_basis", whole(basis)), tone="note"))
    return Section("years", "Years and regimes", blocks, short="Years, regimes")


def _years(evaluation: Evaluation, book: Book) -> Table:
    rows = []
    for row in evaluation.years:
        key = f"years.{row['year']}"
        rows.append(
            Row(
                words(Moment(str(row["year"]))),
                cells(
                    book.number(f"{key}.bars", row["bars"], "count"),
                    named(book, key, row, "return", "signed_percent"),
                    book.number(f"{key}.buy_and_hold", row["buy_and_hold"], "signed_percent"),
                    book.metric(key, "max_drawdown", row["max_drawdown"]),
                    book.metric(key, "exposure", row["exposure"]),
                    book.number(f"{key}.ahead", row["ahead"], "percent"),
                ),
            )
        )
    heads = ("Year", "Bars", "Return", "Buy and hold", "Drawdown", "Exposure", "Seeds ahead")
    return Table(words("Years"), [words(one) for one in heads], rows)


def _regimes(evaluation: Evaluation, book: Book) -> Table:
    rows = []
    for row in evaluation.regimes:
        key = f"regimes.{row['kind']}.{row['regime']}"
        rows.append(
            Row(
                words(f"{row['kind']}: {row['regime']}"),
                cells(
                    book.number(f"{key}.bars", row["bars"], "count"),
                    book.number(f"{key}.share", row["share"], "percent"),
                    named(book, key, row, "growth", GROWTH),
                    book.number(f"{key}.buy_and_hold", row["buy_and_hold"], GROWTH),
                    book.metric(key, "exposure", row["exposure"]),
                    book.number(f"{key}.ahead", row["ahead"], "percent"),
                ),
            )
        )
    heads = ("Regime", "Bars", "Share", "Log growth a year", "Buy and hold", "Exposure", "Seeds ahead")
    return Table(words("Regimes of the market"), [words(one) for one in heads], rows)
