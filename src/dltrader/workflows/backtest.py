"""Backtest a run: on its own test bars, or on any others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.data import load_bars, slice_bars
from dltrader.data.times import moment
from dltrader.envs.market import instrument_of
from dltrader.errors import BundleError, ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.result import BacktestResult
from dltrader.files import new_folder, write_json, write_text
from dltrader.runs import Run
from dltrader.workflows.entries import data_of_others, data_of_test, enter_backtest


def backtest_run(
    run: Run,
    *,
    bars: str | Mapping[str, str] | None = None,
    market: str | None = None,
    start: str | None = None,
    end: str | None = None,
    which: str | int = "best",
    keep: bool = True,
) -> BacktestResult:
    """Backtest a policy of a run.

    What is kept in `backtest/`: `metrics.json`, the metrics of the policy, of buy-and-hold and of the same exposure
    held constantly, how the policy traded, and what the trial ledger says (`entries.py`); `equity.csv`, time, equity,
    buy_and_hold and same_exposure, a row a bar, the last empty where the mean exposure is 0; `orders.csv` and
    `trades.csv`, the tables of `BacktestResult`.

    The trial ledger is told of every backtest, kept or not: whoever has seen it may choose by it.

    Args:
        run: The run.
        bars: A source URI, or names to URIs for a portfolio; by default the run's own bars, from where its test slice
            begins.
        market: Of a run on several markets, the one to trade; see also `backtest_markets`.
        start: No decision before this time; earlier bars only warm the features up.
        end: No bar after this time.
        which: Which of the run's policies, see `Run.policy`.
        keep: Whether the numbers are written to the run's folder, in place of those of the last backtest.

    Raises:
        RunError: The run has no such policy.
        BundleError: The policy's files are damaged, or it trades another number of instruments.
        ConfigError: A time cannot be read, or the run has several markets and none of them is named.
        SourceError: The bars cannot be had.
        BarsError: The bars break their rules, or are too few.
    """
    if market is not None and (bars is not None or not run.config.data.apart):
        raise ConfigError(
            f"market {market!r} is chosen among the markets of a run that has several; this backtest has one, "
            "so leave it out"
        )
    result, about = _tested(run, bars=bars, market=market, start=start, end=end, which=which)
    if keep:
        with new_folder(run.path / "backtest") as folder:
            keep_backtest(folder, result, about)
    return result


def _tested(
    run: Run,
    *,
    bars: str | Mapping[str, str] | None = None,
    market: str | None = None,
    start: str | None = None,
    end: str | None = None,
    which: str | int = "best",
) -> tuple[BacktestResult, dict[str, Any]]:
    """A backtest that the trial ledger has been told of, and what its metrics have to say of where it comes from."""
    began = time.monotonic()
    policy = run.policy(which)
    begin = None if start is None else moment(start, "start")
    if bars is None:
        if start is None or end is None:
            _require_one_test(run)
        frames = run.config.data.load()
        slices = run.config.data.cut(frames)
        history, test_start = slices.test
        if run.config.data.apart:
            history = {_market_of(market, history): history[_market_of(market, history)]}
        if end is not None:
            history = {name: slice_bars(frame, None, end) for name, frame in history.items()}
        result = backtest(policy, history, start=test_start if begin is None else begin)
        data = data_of_test(run, frames, slices, history)
    else:
        uris = {instrument_of(bars): bars} if isinstance(bars, str) else bars
        if len(uris) != len(policy.instruments):
            raise BundleError(
                f"the policy trades {len(policy.instruments)} instrument(s) ({', '.join(policy.instruments)}), "
                f"was given {len(uris)} ({', '.join(uris)}); give as many"
            )
        frames = {name: load_bars(uri, end=end) for name, uri in uris.items()}
        result = backtest(policy, frames, start=begin)
        data = data_of_others(uris, frames, result)
    on_test = bars is None and start is None and end is None
    about = {"bars": bars or run.config.data.bars, "market": market, "policy": which, "on_test": on_test}
    return result, about | enter_backtest(run, result, data, which=which, seconds=time.monotonic() - began)


def backtest_markets(run: Run, *, keep: bool = True, **tested: Any) -> dict[str, BacktestResult]:
    """Backtest a policy on every market of a run that has several, each by itself with the whole cash.

    Args:
        run: The run.
        keep: Whether the numbers are written to the run's folder, a folder a market.
        **tested: What is backtested, as for `backtest_run`: start, end, which.

    Raises:
        DLTraderError: As of `backtest_run`.
    """
    names = run.config.data.cut(run.config.data.load()).test[0]
    found = {name: _tested(run, market=name, **tested) for name in names}
    if keep:
        with new_folder(run.path / "backtest") as folder:
            for name, (result, about) in found.items():
                (folder / name).mkdir()
                keep_backtest(folder / name, result, about)
    return {name: result for name, (result, _) in found.items()}


def _market_of(market: str | None, history: Mapping[str, pd.DataFrame]) -> str:
    if market is None or market not in history:
        found = "none was named" if market is None else f"{market!r} is none of them"
        raise ConfigError(
            f"the run trades {', '.join(history)}, one at a time, and {found}; pass market=... or bars=..., "
            "or use backtest_markets for all"
        )
    return market


def _require_one_test(run: Run) -> None:
    """Raise a ConfigError where what a run is tested on is not in one piece: between its tests it has learned."""
    spans = run.config.data.spans
    if spans is not None and len(spans.test) > 1:
        named = ", ".join(f"{first} to {last}" for first, last in spans.test)
        raise ConfigError(
            f"{run.path} is a fold that is tested on several spans, {named}, and has learned from bars between them; "
            "backtest one of them with start and end"
        )


def keep_backtest(folder: Path, result: BacktestResult, about: dict[str, Any]) -> None:
    """Write the numbers of a backtest into a folder, as `backtest_run` says, and what it was a backtest of."""
    benchmark = result.benchmark
    assert benchmark is not None
    span = {"start": str(result.equity.index[0]), "end": str(result.equity.index[-1])}
    matched = result.matched
    equity = pd.DataFrame({"equity": result.equity, "buy_and_hold": benchmark.equity})
    equity["same_exposure"] = matched.equity if matched is not None else float("nan")
    behaviour = result.behaviour
    found = {
        "metrics": dict(result.metrics),
        "buy_and_hold": dict(benchmark.metrics),
        "same_exposure": dict(matched.metrics) if matched is not None else None,
        "behaviour": {"collapse": behaviour.collapse, **behaviour.numbers},
    }
    write_json(folder / "metrics.json", about | span | found)
    for name, table in {
        "equity.csv": equity.reset_index(),
        "orders.csv": result.orders,
        "trades.csv": result.trades,
    }.items():
        write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
