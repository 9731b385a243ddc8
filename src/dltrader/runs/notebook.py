"""How a run shows itself in a notebook."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dltrader.evaluation.formats import format_metric, label_of
from dltrader.evaluation.notebook import BLUE, GREY, SHOWN, heading, sparkline, table

if TYPE_CHECKING:
    from dltrader.runs.run import Run


def run_html(run: Run) -> str:
    """Where a run stands, and its last backtest, if there was one, beside buy-and-hold.

    Raises:
        RunError: Its files are damaged.
    """
    manifest, found = run.manifest, run.metrics
    best = manifest["best"]
    facts = [str(run.path), str(manifest["status"]), run.config.label]
    if best is not None:
        facts.append(f"best after {best['steps']:,} bars, validation growth {best['validation_growth']:+.3f}")
    columns = {"policy": found.get("metrics"), "buy and hold": found.get("buy_and_hold")}
    shown = {name: metrics for name, metrics in columns.items() if metrics}
    body = ""
    if shown:
        rows = [
            [label_of(name), *(format_metric(name, _known(metrics.get(name))) for metrics in shown.values())]
            for name in SHOWN
        ]
        body = sparkline(_equity(run.path)) + table(["", *shown], rows, colours=[None, BLUE, GREY][: 1 + len(shown)])
    return f"<div>{heading(run.config.name, ', '.join(facts))}{body}</div>"


def _equity(path: Path) -> dict[str, pd.Series[float]]:
    """Colour -> equity of the last backtest; empty where it was one of several markets."""
    file = path / "backtest" / "equity.csv"
    if not file.is_file():
        return {}
    equity = pd.read_csv(file)
    return {GREY: equity["buy_and_hold"], BLUE: equity["equity"]}


def _known(value: float | None) -> float:
    return math.nan if value is None else value
