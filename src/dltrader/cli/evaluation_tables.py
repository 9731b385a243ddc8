"""What `dltrader evaluate` prints: the verdict, then the numbers that it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from dltrader.evaluation.evaluation import FOLDER
from dltrader.evaluation.formats import NOTHING, count, percent, ratio, signed_percent

if TYPE_CHECKING:
    from pathlib import Path

    from dltrader.evaluation.evaluation import Evaluation

SUMMARY = {
    "growth": signed_percent,
    "annual_return": signed_percent,
    "sharpe": ratio,
    "max_drawdown": percent,
    "turnover": ratio,
    "exposure": percent,
    "net_exposure": signed_percent,
    "trades": count,
    "correlation": ratio,
}
"""Rows of the summary, and how each is written."""

BASELINES = {"growth": signed_percent, "difference": signed_percent, "sharpe": ratio, "max_drawdown": percent}
COSTS = {"growth": signed_percent, "buy_and_hold": signed_percent, "sharpe": ratio, "turnover": ratio}
IN_PERCENT = {"growth", "max_drawdown", "difference_growth", "pooled_difference_growth", "seeds_difference_growth"}
HEADINGS = {"difference": "policy ahead by", "growth": "log growth", "buy_and_hold": "buy and hold"}


def print_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Verdict first, then summary, baselines, cost curve and statistics; and the folder in which all of it is."""
    about = evaluation.about
    console = Console(highlight=False, markup=False)
    seeds = "1 seed" if len(about["seeds"]) == 1 else f"{len(about['seeds'])} seeds"
    console.print(
        f"{about['name']}, {about['agent']}, {seeds} on {', '.join(about['instruments'])}, {about['start'][:10]} to "
        f"{about['end'][:10]}, {about['n_bars']:,} bars",
        style="bold",
        soft_wrap=True,
    )
    for number, sentence in enumerate(evaluation.verdict):
        console.print(f"  {sentence}", style="bold" if number == 0 else None, soft_wrap=True)
    for row in about["left_out"]:
        console.print(f"  left out: {row['path']}: {row['reason']}", soft_wrap=True)
    for note in about["notes"]:
        console.print(f"  note: {note}", soft_wrap=True)
    for table in (_summary(evaluation), _baselines(evaluation), _costs(evaluation), _statistics(evaluation)):
        console.print(table)
    console.print(f"all numbers: {folder / FOLDER}", soft_wrap=True)


def _summary(evaluation: Evaluation) -> Table:
    table = _table("over seeds", "", "interquartile mean", "95% interval", "drawing its actions")
    drawn = evaluation.policy_modes["stochastic"]
    for name, form in SUMMARY.items():
        row = evaluation.summary[name]
        other = _cell(form, drawn[name]["estimate"]) if name in drawn else ""
        table.add_row(_heading(name), _cell(form, row["estimate"]), _between(form, row), other)
    return table


def _baselines(evaluation: Evaluation) -> Table:
    table = _table("baselines at the same costs", "", *map(_heading, BASELINES))
    own = {name: evaluation.summary[name]["estimate"] for name in BASELINES if name != "difference"}
    rows: list[Mapping[str, Any]] = [{"label": "the policy", "difference": None, **own}, *evaluation.baselines]
    for row in rows:
        table.add_row(row["label"], *(_cell(form, row[name]) for name, form in BASELINES.items()))
    return table


def _costs(evaluation: Evaluation) -> Table:
    table = _table("costs of one side", "basis points", *map(_heading, COSTS), "seeds with profit")
    for row in evaluation.costs["rows"]:
        cells = [_cell(form, row[name]) for name, form in COSTS.items()]
        table.add_row(f"{row['cost_bp']:g}", *cells, percent(row["positive"]))
    return table


def _statistics(evaluation: Evaluation) -> Table:
    table = _table("statistics", "", "value", "95% interval", "meaning")
    table.columns[-1].justify = "left"
    for name, row in evaluation.statistics.items():
        form = signed_percent if name in IN_PERCENT else ratio
        meaning = row["meaning"] if row["value"] is not None else f"{row['meaning']}; unknown: {row['why']}"
        table.add_row(_heading(name), _cell(form, row["value"]), _between(form, row), meaning)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table


def _heading(name: str) -> str:
    return HEADINGS.get(name, name.replace("_", " "))


def _between(form: Any, row: Mapping[str, Any]) -> str:
    if row.get("low") is None or row.get("high") is None:
        return ""
    return f"{form(row['low'])} to {form(row['high'])}"


def _cell(form: Any, value: float | None) -> str:
    return NOTHING if value is None else form(value)
