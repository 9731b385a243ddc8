"""Backtest a run: on its own test bars, or on any others."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dltrader.data import load_bars, slice_bars
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.result import BacktestResult
from dltrader.runs import Run
from dltrader.runs.files import new_folder, write_json, write_text


def backtest_run(
    run: Run,
    *,
    bars: str | None = None,
    start: str | None = None,
    end: str | None = None,
    which: str | int = "best",
) -> BacktestResult:
    """Backtest a policy of a run and keep the numbers in its folder.

    Args:
        run: The run.
        bars: A source URI; by default the run's own bars, from where its test slice begins.
        start: No decision before this time; earlier bars only warm the features up.
        end: No bar after this time.
        which: Which of the run's policies, see `Run.policy`.

    Raises:
        RunError: The run has no such policy.
        BundleError: The policy's files are damaged, or it trades another number of instruments.
        SourceError: The bars cannot be had.
        BarsError: The bars break their rules, or are too few.
    """
    policy = run.policy(which)
    if bars is None:
        frames = run.config.data.load()
        history, test_start = run.config.data.cut(frames).test
        if end is not None:
            history = {name: slice_bars(frame, None, end) for name, frame in history.items()}
        result = backtest(policy, history, start=start or test_start)
    else:
        result = backtest(policy, load_bars(bars, end=end), start=start)
    _keep(run, result, {"bars": bars or run.config.data.bars, "policy": which})
    return result


def _keep(run: Run, result: BacktestResult, about: dict[str, Any]) -> None:
    benchmark = result.benchmark
    assert benchmark is not None
    span = {"start": str(result.equity.index[0]), "end": str(result.equity.index[-1])}
    equity = pd.DataFrame({"equity": result.equity, "buy_and_hold": benchmark.equity})
    with new_folder(run.path / "backtest") as folder:
        write_json(
            folder / "metrics.json",
            about | span | {"metrics": dict(result.metrics), "buy_and_hold": dict(benchmark.metrics)},
        )
        for name, table in {
            "equity.csv": equity.reset_index(),
            "orders.csv": result.orders,
            "trades.csv": result.trades,
        }.items():
            write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
