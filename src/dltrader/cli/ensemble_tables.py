"""What the commands print of an ensemble: how well its models forecast, what their votes weigh, what to type next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from dltrader.evaluation.forecast_scores import mean_scores

if TYPE_CHECKING:
    from dltrader.runs.ensemble_run import EnsembleRun

DASH = "\N{EN DASH}"


def print_scores(run: EnsembleRun) -> None:
    """A row a model and question: log loss, that of the base rate and calibration error, on bars not learned from."""
    scores = run.scores
    if scores.empty:
        return
    validated, crossed = scores[scores["fold"] == 0], mean_scores(scores)
    n_folds = int(scores["fold"].max())
    table = Table(
        title="forecasts: log loss, beside that of the base rate, and calibration error", title_justify="left"
    )
    parts = ["valid.", *(["folds"] if n_folds else [])]
    table.add_column("model", no_wrap=True)
    table.add_column("of", no_wrap=True)
    table.add_column("weight", justify="right")
    for part in parts:
        for heading in (part, "base", "cal."):
            table.add_column(heading, justify="right")
    for _, row in validated.iterrows():
        if row["model"] == "ensemble":
            table.add_section()
        cells: list[pd.Series[Any] | None] = [row]
        if n_folds:
            same = crossed[(crossed["model"] == row["model"]) & (crossed["question"] == row["question"])]
            cells.append(same.iloc[0] if len(same) else None)
        table.add_row(
            row["model"], row["question"], f"{row['weight']:.2f}", *(text for cell in cells for text in _cells(cell))
        )
    Console(soft_wrap=True, highlight=False).print(table)


def _cells(row: pd.Series[Any] | None) -> list[str]:
    if row is None:
        return [DASH, DASH, DASH]
    return [_number(float(row[name])) for name in ("log_loss", "base_rate", "calibration_error")]


def _number(value: float) -> str:
    return DASH if math.isnan(value) else f"{value:.3f}"
