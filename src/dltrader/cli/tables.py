"""What the commands print: rich tables, percent where people read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from dltrader.data import fingerprint
from dltrader.envs.contract import EnvConfig
from dltrader.errors import DLTraderError

if TYPE_CHECKING:
    from dltrader.benchmarks.env_speed import EnvSpeed
    from dltrader.benchmarks.parity import Parity
    from dltrader.benchmarks.speed import Speed
    from dltrader.evaluation.result import BacktestResult
    from dltrader.runs import Run

PERCENT = {
    "total_return", "annual_return", "annual_volatility", "max_drawdown", "win_rate", "exposure", "net_exposure",
    "in_market", "flips",
}  # fmt: skip
WHOLE = {"max_drawdown_bars", "trades", "commission"}
PRINTED_BARS = 40
COMPARED = ("total_return", "sharpe", "max_drawdown", "trades")


def print_run(run: Run) -> None:
    """Where a training ended, and what to type next."""
    from dltrader.cli.ensemble_tables import print_scores
    from dltrader.runs.ensemble_run import EnsembleRun

    manifest = run.manifest
    best = manifest["best"]
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{run.path}: {manifest['status']}", style="bold")
    is_ensemble = isinstance(run, EnsembleRun)
    if isinstance(run, EnsembleRun):
        print_scores(run)
    if best is not None:
        growth = best["validation_growth"]
        learned = f"learned from {best['steps']:,} bars" if is_ensemble else f"after {best['steps']:,} bars"
        console.print(f"{'' if is_ensemble else 'best '}on the validation bars: {learned}, log growth {growth:+.4f}")
        trading = trading_line(run, best["steps"])
        if trading:
            console.print(trading)
        collapse = best.get("behaviour")  # runs of earlier versions have none
        if collapse:
            who = "ensemble" if is_ensemble else "best policy"
            console.print(f"on the validation bars the {who} {collapse}", style="bold")
    for line in standing_lines([manifest]):
        console.print(line)
    if (run.path / "policy").is_dir():
        console.print(f"next: dltrader backtest {run.path}")
    elif is_ensemble:
        console.print("it ended before all members had been trained, so there is no ensemble yet")
    else:
        console.print("it ended before the first update, so there is no policy")
    if (run.path / "state").is_dir() or (is_ensemble and manifest["status"] != "finished"):
        console.print(f"to go on with it: dltrader train --resume {run.path}")


def standing_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many trials stand behind data, and how often their test bars have been looked at, in words.

    Args:
        found: Of each of what was tested, its metrics or the manifest of its training; of several the most is said.
    """
    told = [one for one in found if "trials" in one]  # earlier versions kept none
    if not told:
        return []
    unknown = next((one["trials_unknown"] for one in told if one["trials"] is None), None)
    if unknown is not None:
        return [f"trials behind these data: unknown, {unknown}"]
    looks = max(one["test_looked_before"] for one in told)
    trials = max(one["trials"] for one in told)
    return [
        f"test bars looked at {looks:,} {'time' if looks == 1 else 'times'} before",
        f"trials behind these data: {trials:,}",
    ]


def print_standing(run: Run) -> None:
    """What the trial ledger said at the last backtest of a run, of several markets at that of each."""
    folder = run.path / "backtest"
    files = [folder / "metrics.json"] if run.metrics else sorted(folder.glob("*/metrics.json"))
    for line in standing_lines([json.loads(file.read_text(encoding="utf-8")) for file in files]):
        Console(soft_wrap=True, highlight=False).print(line)


def trading_line(run: Run, steps: int) -> str | None:
    """How a checkpoint traded the validation bars; None where that is not recorded, as in runs of earlier versions."""
    curve = run.curve
    if "validation_turnover" not in curve.columns:
        return None
    row = curve[curve["steps"] == steps].iloc[-1]
    exposure, turnover, entropy, correlation = (
        format_metric(name, float(row[f"validation_{name}"]))
        for name in ("net_exposure", "turnover", "exposure_entropy", "correlation")
    )
    return (
        f"net exposure {exposure}, turnover {turnover} a year, entropy of exposure {entropy}, "
        f"correlation with buy-and-hold {correlation}"
    )


def print_backtest(result: BacktestResult) -> None:
    """The metrics of a policy and how it traded, beside buy-and-hold and the same exposure held constantly."""
    index = result.equity.index
    table = Table(
        title=f"{', '.join(result.bars)}, {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, {len(index) - 1:,} bars",
        title_justify="left",
    )
    table.add_column("")
    headings = (result.policy, "buy and hold", "same exposure")
    columns = zip(headings, (result, result.benchmark, result.matched), strict=True)
    shown = [(heading, one) for heading, one in columns if one is not None]
    for heading, _ in shown:
        table.add_column(heading, justify="right")
    for part in ([one.metrics for _, one in shown], [one.behaviour.numbers for _, one in shown]):
        for name in part[0]:
            table.add_row(name.replace("_", " "), *(format_metric(name, numbers[name]) for numbers in part))
        table.add_section()
    console = Console()
    console.print(table)
    remark = trading_remark(result)
    if remark:
        console.print(remark)
    if len(result.rejections):
        console.print(f"{len(result.rejections)} order(s) refused by the broker")


def print_backtests(results: Mapping[str, BacktestResult]) -> None:
    """One line a market: the policy beside buy-and-hold, and the mean of both."""
    first = next(iter(results.values()))
    table = Table(title=f"{first.policy} on {len(results)} markets, each by itself", title_justify="left")
    for heading in ("", "return", "buy and hold", "sharpe", "buy and hold", "max drawdown", "buy and hold", "trades"):
        table.add_column(heading, justify="right" if heading else "left")
    rows = {name: (result.metrics, result.benchmark.metrics) for name, result in results.items() if result.benchmark}
    for name, pair in rows.items():
        table.add_row(name, *_market_cells(*pair))
    means = [{key: fmean(row[i][key] for row in rows.values()) for key in COMPARED} for i in range(2)]
    table.add_section()
    table.add_row("mean", *_market_cells(*means))
    console = Console()
    console.print(table)
    idle = [f"{name}: {remark}" for name, result in results.items() if (remark := trading_remark(result))]
    if idle:
        console.print("\n".join(idle))


def _market_cells(policy: Mapping[str, float], held: Mapping[str, float]) -> list[str]:
    cells = [format_metric(name, metrics[name]) for name in COMPARED[:-1] for metrics in (policy, held)]
    return [*cells, f"{policy[COMPARED[-1]]:.4g}"]


def trading_remark(result: BacktestResult) -> str | None:
    """What a reader of good numbers must know: that the policy did not trade, or merely held, or flips; else None."""
    return result.behaviour.remark


def print_runs(folder: Path, runs: Sequence[Run]) -> None:
    """One line a run."""
    if not runs:
        Console().print(f"no runs in {folder}; make one with: dltrader train ppo_mlp")
        return
    table = Table("run", "status", "bars", "data", "agent", "validation growth", "test return", "buy and hold")
    for run in runs:
        try:
            table.add_row(*_run_cells(run))
        except (DLTraderError, KeyError) as error:
            # One damaged folder must not hide the others.
            table.add_row(str(run.path), f"unreadable: {error}")
    Console().print(table)


def _run_cells(run: Run) -> list[str]:
    manifest, metrics = run.manifest, run.metrics
    tested = bool(metrics.get("on_test"))  # the last backtest may have been one of other bars
    best = manifest["best"]
    return [
        str(run.path),
        manifest["status"],
        f"{manifest['checkpoints'][-1]['steps']:,}" if manifest["checkpoints"] else "0",
        str(run.config.data.bars),
        run.config.label,
        f"{best['validation_growth']:+.3f}" if best else "",
        *(
            format_metric("total_return", metrics[who]["total_return"]) if tested else ""
            for who in ("metrics", "buy_and_hold")
        ),
    ]


def print_bars(uri: str, bars: pd.DataFrame) -> None:
    """The first and last bars, their span and their fingerprint."""
    table = Table("time", *bars.columns, title=uri, title_justify="left")
    for i in [*range(min(3, len(bars))), *range(max(3, len(bars) - 3), len(bars))]:
        row = bars.iloc[i]
        cells = [f"{value:,.0f}" if name == "volume" else f"{value:,.6g}" for name, value in row.items()]
        table.add_row(f"{bars.index[i]:%Y-%m-%d %H:%M}", *cells)
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{len(bars):,} bars, {bars.index[0]:%Y-%m-%d %H:%M} to {bars.index[-1]:%Y-%m-%d %H:%M} UTC")
    console.print(f"sha256 {fingerprint(bars)}")


def print_env_speed(speed: EnvSpeed) -> None:
    """Medians of the benchmark, and their ratios."""
    table = Table("", "bare Cerebro", "TradingEnv", "ratio", title=f"bars/s, {speed.bars:,} bars", title_justify="left")
    for label, (bare, env) in {"no orders": speed.quiet, "an order on every bar": speed.busy}.items():
        table.add_row(label, f"{bare:,.0f}", f"{env:,.0f}", f"{env / bare:.2f}")
    console = Console()
    console.print(table)
    console.print(f"reset after the first: {speed.reset_ms:.2f} ms; medians of {speed.repeats} interleaved repeats")


def print_speed(speed: Speed) -> None:
    """Bars per second stepped and learned from, what a bar costs on longer markets, and the memory of a training."""
    from dltrader.evaluation.formats import TIMES
    from dltrader.plotting.speed import growth_over, machine_line, memory_line, stock_ratios
    from dltrader.plotting.text import significant

    def table(title: str, *headings: str) -> Table:
        made = Table(title=title, title_justify="left")
        for heading in headings:
            made.add_column(heading, justify="right" if heading else "left")
        return made

    stepping = table(f"stepping {speed.bars:,} bars, an order on each", "", "bars/s")
    for name, value in speed.stepping.items():
        stepping.add_row(name, f"{value:,.0f}")
    ways = list(next(iter(speed.learning.values())))
    learning = table("learning with PPO, bars/s and multiple of the better stock way", "", *ways)
    for extractor, speeds in speed.learning.items():
        ratios = stock_ratios(speeds)
        learning.add_row(extractor, *(f"{speeds[way]:,.0f}  {TIMES}{ratios[way]:.1f}" for way in ways))
    sizes = list(next(iter(speed.growth.values())))
    growth = table("growth, µs per bar on longer markets", "", *(f"{size:,} bars" for size in sizes), "growth")
    for name, costs in speed.growth.items():
        growth.add_row(name, *(significant(costs[size]) for size in sizes), f"{100 * growth_over(costs):+z.0f} %")
    console = Console(soft_wrap=True, highlight=False)
    for one in (stepping, learning, growth):
        console.print(one)
    console.print(f"memory: {memory_line(speed.peak)}")
    how = "each measured once" if speed.repeats == 1 else f"medians of {speed.repeats} interleaved repeats"
    console.print(f"{how} on {machine_line(speed.machine)}")


def print_parity(parity: Parity, *, seed: int) -> None:
    """How much was compared, the largest difference, and the smallest case on which the engines differ."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"{parity.episodes:,} episodes, {parity.bars:,} bars, {parity.fills:,} fills, "
        f"{parity.refusals:,} refused orders; "
        f"largest relative difference {parity.largest:.1e}"
    )
    console.print(
        f"among them {parity.random_starts:,} random starts, {parity.ruins:,} ruins, {parity.limit_moves:,} limit moves"
    )
    found = parity.mismatch
    if found is None:
        console.print("no mismatch")
        return
    console.print(f"mismatch in episode {found.episode} of seed {seed}; the smallest case of it:", style="bold")
    console.print(f"{found.what} after {found.bar} bars: Cerebro says {found.cerebro}")
    console.print(f"{' ' * len(f'{found.what} after {found.bar} bars:')} the vectorised market {found.vector}")
    case, default = found.case, EnvConfig().to_mapping()
    rules = {name: value for name, value in case.config.to_mapping().items() if value != default.get(name)}
    console.print(f"\nrules other than the default, reset with seed {case.seed}, start {case.start}:")
    console.print(yaml.safe_dump(rules, sort_keys=False).rstrip())
    console.print(f"\nactions:\n{case.actions.tolist()}")
    for name, frame in case.bars.items():
        console.print(f"\nbars of {name}, {_last_of(len(frame))}:")
        console.print(frame.iloc[-PRINTED_BARS:].to_csv().rstrip())


def _last_of(n_bars: int) -> str:
    return f"all {n_bars}" if n_bars <= PRINTED_BARS else f"the last {PRINTED_BARS} of {n_bars}; all are in --json FILE"


def format_metric(name: str, value: float | None) -> str:
    """A metric as people read it; nothing where it is undefined."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    if name in WHOLE:
        return f"{value:,.0f}"
    is_huge = abs(value) >= 1e6  # what is earned in hours, over a year
    if name in PERCENT:
        return f"{100 * value:.2g} %" if is_huge else f"{100 * value:.1f} %"
    return f"{value:.2g}" if is_huge else f"{value:.2f}"
