"""Where it all comes from: configuration, data, seeds, trials, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from dltrader.evaluation.evaluation import Evaluation
from dltrader.reports.blocks import Block, Cell, Listing, Paragraph, Row, Section, Source, Table, words
from dltrader.reports.numbers import Book, Moment, Name, Words
from dltrader.reports.sections.parts import listed

_KINDS = {"run": "a run", "runs": "several runs of one configuration", "walk_forward": "a walk-forward"}


def configuration(evaluation: Evaluation, _: Book) -> Section:
    """The whole configuration as YAML."""
    text = yaml.safe_dump(dict(evaluation.about.get("config") or {}), sort_keys=False, allow_unicode=True)
    return Section(
        "configuration", "Configuration", [Source("The whole configuration, defaults included", text, "yaml")]
    )


def provenance(evaluation: Evaluation, book: Book) -> Section:
    """What was evaluated, on which bars, made by what."""
    about = evaluation.about
    trials = about.get("trials")
    facts: list[tuple[str, Words]] = [
        ("Evaluated", words(Name(str(about["name"])), f", {_KINDS.get(str(about['kind']), str(about['kind']))}")),
        ("Agent", words(Name(str(about.get("agent", ""))))),
        ("Policy", words(Name(str(about.get("policy", ""))))),
        ("Bars", listed(_uris(about.get("bars")))),
        ("Instruments", listed(about["instruments"])),
        (
            "Tested",
            words(
                Moment.of(about["start"]),
                " to ",
                Moment.of(about["end"]),
                ", ",
                book.number("about.n_bars", about["n_bars"], "count"),
                " bars, ",
                book.number("about.years", about["years"]),
                " years",
            ),
        ),
        ("Bars a year", words(book.number("about.periods_per_year", about["periods_per_year"]))),
        ("Data sha256", words(Name(str(about.get("data_sha256") or "unknown")))),
        ("Seeds", listed(about["seeds"])),
        (
            "Trials on this data",
            words("unknown") if trials is None else words(book.number("about.trials", trials, "count")),
        ),
        ("Costs", _costs(about.get("costs") or {}, book)),
        ("Made", words(Moment.of(str(about["made"])[:16]), " UTC")),
        ("Versions", listed(f"{name} {version}" for name, version in (about.get("versions") or {}).items())),
        ("Folder", words(Name(str(about.get("path") or "")))),
    ]
    rows = [Row(words(label), [Cell(value)]) for label, value in facts]
    blocks: list[Block] = [
        Table(words("Provenance"), [words("What"), words("Value")], rows, prose=frozenset({1}), style="facts")
    ]
    left_out = about.get("left_out") or []
    if left_out:
        items = [
            words("Seed ", Name(str(row.get("seed"))), " is left out: ", Name(str(row.get("reason"))), ".")
            for row in left_out
        ]
        blocks.append(Listing(items))
    if evaluation.why:
        blocks.append(Paragraph(words("Numbers that could not be had show as a dash:"), tone="note"))
        blocks.append(
            Source("Why numbers are missing", "".join(f"{path}: {why}\n" for path, why in evaluation.why.items()))
        )
    return Section("provenance", "Provenance", blocks)


def _uris(bars: Any) -> list[str]:
    if isinstance(bars, Mapping):
        return [f"{name}: {uri}" for name, uri in bars.items()]
    return [bars] if isinstance(bars, str) else [str(one) for one in bars or []]


def _costs(costs: Mapping[str, Any], book: Book) -> Words:
    parts: list[Any] = []
    for name, value in costs.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            form = "basis_points" if name in {"commission", "slippage"} else "ratio"
            parts += [
                ", " if parts else "",
                f"{name.replace('_', ' ')} ",
                book.number(f"about.costs.{name}", value, form),
            ]
    return words(*parts)
