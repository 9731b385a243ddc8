"""The verbs of `dltrader`. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import datetime as dt
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

import dltrader
from dltrader.cli import (
    bench,
    bench_planted,
    bench_statistics,
    check,
    data,
    evaluate,
    report,
    trials,
    tune,
    walk_forward,
)
from dltrader.cli.executors import Ray, executor_on, plugins_of
from dltrader.config import parse_overrides
from dltrader.errors import ConfigError

app = typer.Typer(
    help="Deep-reinforcement-learning traders on backtrader.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
bench_planted.add_to(bench.app)
bench_statistics.add_to(bench.app)
app.add_typer(bench.app, name="bench")
app.command(name="tune", epilog=tune.EXAMPLES)(tune.tune)
app.command(name="walk-forward", epilog=walk_forward.EXAMPLES)(walk_forward.walk_forward)
app.command(name="check", epilog=check.EXAMPLES)(check.check)
app.command(name="evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(name="report", epilog=report.EXAMPLES)(report.report)
app.command(name="compare", epilog=report.COMPARE_EXAMPLES)(report.compare)
app.command(name="trials", epilog=trials.EXAMPLES)(trials.trials)

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
    epilog="Examples:  dltrader train ppo_attention   |   "
    "dltrader train configs/ppo_lstm.yaml train.total_timesteps=50000 data.bars=csv:prices.csv --out runs/mine   |   "
    "dltrader train ppo_mlp ppo_lstm --seeds 5 --jobs 2   |   dltrader train --resume runs/mine"
)
def train(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG", help="A YAML file, or the name of a shipped configuration.", show_default=False
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONFIG]… [KEY=VALUE]…", help="More configurations; dotted keys with new values."),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder, or that of the runs where there are several; by default one below runs/."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Train with so many seeds, from the configuration's own on.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Of several trainings, how many run at once.", show_default="1")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of several trainings, end those that take longer.")
    ] = None,
    ray: Ray = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Go on with the training of a run folder that ended early, from its last checkpoint."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Train a policy, or several; Ctrl-C ends early and leaves runs that can be loaded.

    Several run in processes of their own, here or on Ray: one that fails is shown with its log, the others go on, the
    exit code is 1.
    """
    if resume is not None:
        if any(option is not None for option in (out, seeds, jobs, time_limit, ray)):
            raise ConfigError(
                "--resume goes on in the run's own folder: --out, --seeds, --jobs, --time-limit, --ray do not fit"
            )
        _resume(resume, [word for word in (config, *(words or [])) if word is not None], progress=not quiet)
        return
    if config is None:
        raise ConfigError("train what? name a configuration, such as ppo_mlp or mine.yaml, or --resume a run folder")
    configs, overrides = _split_words(config, words or [])
    if seeds is None and len(configs) == 1 and ray is None:
        if jobs is not None or time_limit is not None:
            raise ConfigError("--jobs and --time-limit are for several trainings; add --seeds N or configurations")
        from dltrader.cli.tables import print_run
        from dltrader.workflows.train import train as train_run

        print_run(train_run(config, overrides, out=out, progress=not quiet))
        return

    from dltrader.cli.many_tables import print_trained
    from dltrader.runs import ExperimentConfig
    from dltrader.workflows import many

    experiments = [ExperimentConfig.load(one, overrides) for one in configs]
    with executor_on(ray) as executor:
        trained = many.train_many(
            [each for experiment in experiments for each in many.seeds(experiment, seeds or 1)],
            out=out or _new_folder("many" if len(configs) > 1 else experiments[0].name),
            jobs=jobs or 1,
            time_limit=time_limit,
            plugins=plugins_of(context),
            executor=executor,
            progress=not quiet,
        )
    print_trained(trained)
    if any(each.status != "finished" for each in trained):
        raise typer.Exit(1)


def _resume(run: Path, words: list[str], *, progress: bool) -> None:
    """Resume a run; words are a configuration and overrides that it is believed to have.

    Raises:
        ConfigError: There is more than one configuration.
    """
    from dltrader.cli.tables import print_run
    from dltrader.workflows.resume import resume

    configs = [word for word in words if "=" not in word]
    if len(configs) > 1:
        raise ConfigError(f"--resume takes one configuration, which is compared with the run's; found {configs}")
    overrides = parse_overrides([word for word in words if "=" in word])
    print_run(resume(run, configs[0] if configs else None, overrides, progress=progress))


def _split_words(config: str, words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Configurations and overrides; whatever has no `=` must be a configuration.

    Raises:
        ConfigError: A word is neither.
    """
    configs = [word for word in words if "=" not in word]
    if configs:
        from dltrader.registry import did_you_mean
        from dltrader.runs.experiment import shipped_configs

        shipped = shipped_configs()
        for word in configs:
            if word not in shipped and not Path(word).suffix and not Path(word).is_file():
                raise ConfigError(
                    f"cannot read {word!r}; write key=value, such as train.total_timesteps=50000, or name a "
                    f"configuration{did_you_mean(word, shipped)}"
                )
    return [config, *configs], parse_overrides([word for word in words if "=" in word])


def _new_folder(name: str) -> Path:
    return Path("runs") / f"{name}-{dt.datetime.now():%Y%m%d-%H%M%S}"


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
