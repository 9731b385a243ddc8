"""The verbs of `dltrader`. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import dltrader
from dltrader.cli import (
    bench,
    bench_forecasts,
    bench_planted,
    bench_predict,
    bench_statistics,
    check,
    data,
    evaluate,
    monitor,
    predict,
    report,
    train,
    trials,
    tune,
    walk_forward,
)
from dltrader.errors import ConfigError

app = typer.Typer(
    help="Deep-reinforcement-learning traders on backtrader.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
bench_forecasts.add_to(bench.app)
bench_planted.add_to(bench.app)
bench_predict.add_to(bench.app)
bench_statistics.add_to(bench.app)
app.add_typer(bench.app, name="bench")
app.command(name="tune", epilog=tune.EXAMPLES)(tune.tune)
app.command(name="walk-forward", epilog=walk_forward.EXAMPLES)(walk_forward.walk_forward)
app.command(name="check", epilog=check.EXAMPLES)(check.check)
app.command(name="evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(name="monitor", epilog=monitor.EXAMPLES)(monitor.monitor_predictions)
app.command(name="predict", epilog=predict.EXAMPLES)(predict.predict)
app.command(name="report", epilog=report.EXAMPLES)(report.report)
app.command(name="compare", epilog=report.COMPARE_EXAMPLES)(report.compare)
app.command(name="trials", epilog=trials.EXAMPLES)(trials.trials)
app.command(name="train", epilog=train.EXAMPLES)(train.train)

TestedBars = Annotated[str | None, typer.Option("--bars", help="A source URI; by default the run's own test bars.")]
TestedMarket = Annotated[
    str | None, typer.Option("--market", help="Of a run on several markets, the one; by default each of them.")
]
Start = Annotated[str | None, typer.Option(help="No decision before this date.")]
End = Annotated[str | None, typer.Option(help="No bar after this date.")]
Which = Annotated[str, typer.Option("--policy", help="best, final, or the number of a checkpoint.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def _version(*, show: bool) -> None:
    if show:
        typer.echo(f"dltrader {dltrader.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    plugin: Annotated[
        list[str] | None,
        typer.Option(help="A Python module to import first, which registers features, rewards or sources of yours."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=lambda show: _version(show=show), is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Deep-reinforcement-learning traders on backtrader."""
    del version
    if plugin and "" not in sys.path:
        sys.path.append("")  # a module of yours lies beside you, where an installed script does not look
    for module in plugin or []:
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigError(f"cannot import the plugin {module!r}: {error}") from None


@app.command(
    epilog="Examples:  dltrader backtest runs/demo   |   "
    "dltrader backtest runs/demo --bars sample:IBM --start 2010-01-01"
)
def backtest(
    run: RunFolder,
    *,
    bars: TestedBars = None,
    market: TestedMarket = None,
    start: Start = None,
    end: End = None,
    policy: Which = "best",
) -> None:
    """Backtest a run's policy in Cerebro, beside buy-and-hold at the same costs."""
    from dltrader.cli.tables import print_backtest, print_backtests, print_standing
    from dltrader.runs import Run
    from dltrader.workflows.backtest import backtest_markets, backtest_run

    opened = Run.open(run)
    if opened.config.data.apart and bars is None and market is None:
        print_backtests(backtest_markets(opened, start=start, end=end, which=_which(policy)))
    else:
        print_backtest(backtest_run(opened, bars=bars, market=market, start=start, end=end, which=_which(policy)))
    print_standing(opened)


def _which(policy: str) -> str | int:
    return int(policy) if policy.isdecimal() else policy


@app.command(epilog="Examples:  dltrader plot runs/demo --out images   |   dltrader plot runs/demo --bars sample:IBM")
def plot(
    run: RunFolder,
    *,
    out: Annotated[Path | None, typer.Option(help="A folder; by default plots/ in the run.")] = None,
    suffix: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    bars: TestedBars = None,
    market: TestedMarket = None,
    start: Start = None,
    end: End = None,
    policy: Which = "best",
) -> None:
    """Draw a run's backtest, by default on its test bars, and its learning curves."""
    from dltrader.runs import Run
    from dltrader.workflows.plot import plot_run

    tested = {"bars": bars, "market": market, "start": start, "end": end, "which": _which(policy)}
    for file in plot_run(Run.open(run), out, suffix=suffix, **tested):
        typer.echo(file)


@app.command(epilog="Example:  dltrader runs")
def runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs are.")] = Path("runs"),
) -> None:
    """List the runs in a folder."""
    from dltrader.cli.tables import print_runs
    from dltrader.runs import Run

    print_runs(folder, Run.all_in(folder))
