"""What `dltrader walk-forward` prints: a row for each fold and seed, the stitched backtests, and a summary in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from dltrader.cli.many_tables import DASH
from dltrader.cli.tables import format_metric
from dltrader.data.times import moment

if TYPE_CHECKING:
    from dltrader.evaluation.result import BacktestResult
    from dltrader.workflows.walk_forward import WalkForward

STITCHED = "total_return", "sharpe", "max_drawdown", "turnover", "trades"


def print_walk_forward(walked: WalkForward) -> None:
    """A row for each fold and seed, one for each stitched backtest, what went wrong, and a summary."""
    console = Console(highlight=False, markup=False)
    rows = walked.rows
    for number, spans in enumerate(walked.folds, start=1):
        tests = ", ".join(_days(span) for span in spans.test)
        trained = ", ".join(_days(span) for span in spans.train)
        console.print(
            f"fold {number}: trained {trained}, validated {_days(spans.validation)}, tested {tests}", soft_wrap=True
        )
    console.print(_training_table(rows))
    paths = walked.paths
    if paths:
        console.print(_stitched_table(paths))
    for row in rows:
        if row["error"]:
            console.print(f"fold {row['fold']} seed {row['seed']} {row['status']}: {row['error']}", soft_wrap=True)
    for sentence in _summary(walked, rows, paths):
        console.print(sentence, soft_wrap=True)


def _training_table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="log growth on validation and test, beside buy and hold", title_justify="left")
    for heading in ("training", "status", "validation", "test", "held", "sharpe", "drawdown"):
        table.add_column(heading, justify="left" if heading in {"training", "status"} else "right", overflow="fold")
    for row in rows:
        table.add_row(
            f"fold-{row['fold']:02d}-s{row['seed']}",
            row["status"],
            _signed(row["validation_growth"]),
            _signed(row["growth"]),
            _signed(row["buy_and_hold_growth"]),
            format_metric("sharpe", row["sharpe"]),
            format_metric("max_drawdown", row["max_drawdown"]),
        )
    return table


def _stitched_table(paths: dict[tuple[int, int], BacktestResult]) -> Table:
    first = next(iter(paths.values()))
    index = first.equity.index
    several = len({number for _, number in paths}) > 1
    table = Table(
        title=f"all tests as one backtest, {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, {len(index) - 1:,} bars",
        title_justify="left",
    )
    table.add_column("seed" if not several else "seed, path")
    for name in STITCHED:
        table.add_column(name.replace("_", " "), justify="right")
    for (seed, number), result in paths.items():
        label = f"{seed}, {number + 1}" if several else str(seed)
        table.add_row(label, *(format_metric(name, result.metrics[name]) for name in STITCHED))
    if first.benchmark is not None:
        table.add_section()
        table.add_row("buy and hold", *(format_metric(name, first.benchmark.metrics[name]) for name in STITCHED))
    return table


def _summary(
    walked: WalkForward, rows: Sequence[dict[str, Any]], paths: dict[tuple[int, int], BacktestResult]
) -> list[str]:
    """What happened, in sentences."""
    said = []
    finished = sum(row["status"] == "finished" for row in rows)
    if finished < len(rows):
        said.append(f"{finished} of {len(rows)} trainings finished; the same command goes on with the others")
    scored = [row for row in rows if row["growth"] is not None and row["buy_and_hold_growth"] is not None]
    if scored:
        better = sum(row["growth"] > row["buy_and_hold_growth"] for row in scored)
        said.append(f"{better} of {len(scored)} tests grew more than buy and hold did")
    sharpes = [result.metrics["sharpe"] for result in paths.values()]
    sharpes = [sharpe for sharpe in sharpes if not math.isnan(sharpe)]
    if len(sharpes) > 1:
        said.append(
            f"sharpe out of sample {fmean(sharpes):.2f} \N{PLUS-MINUS SIGN} {stdev(sharpes):.2f} over {len(sharpes)} "
            f"curves, from {min(sharpes):.2f} to {max(sharpes):.2f}"
        )
    return [*said, f"kept in {walked.path}"]


def _days(span: Sequence[str]) -> str:
    first, last = (moment(time, "a span") for time in span)
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _signed(value: float | None) -> str:
    return DASH if value is None else f"{value:+.4f}"
