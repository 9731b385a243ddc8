"""`dltrader bench`: measure, don't believe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from dltrader.config import parse_overrides
from dltrader.errors import ConfigError

app = typer.Typer(help="Measure speed, parity and what agents learn.", no_args_is_help=True)


@app.command(epilog="Example:  dltrader bench env --repeats 9")
def env(
    *,
    bars: Annotated[int, typer.Option(min=500, help="Bars of an episode.")] = 3000,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 7,
) -> None:
    """Steps per second of TradingEnv beside the bare Cerebro loop with the same orders, and the time of a reset."""
    from dltrader.benchmarks.env_speed import measure_env
    from dltrader.cli.tables import print_env_speed

    print_env_speed(measure_env(bars=bars, repeats=repeats))


@app.command(epilog="Example:  dltrader bench parity --episodes 1000")
def parity(
    *,
    episodes: Annotated[int, typer.Option(min=1, help="Random episodes to compare.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of bars, configurations and actions.")] = 0,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the counts here, and the smallest case of a mismatch.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Whether the vectorised market says what Cerebro says, on every bar; exit code 1 if not.

    On a mismatch the smallest case of it is printed: bars, rules and actions on which it shows again.
    """
    from rich.console import Console
    from rich.progress import Progress

    from dltrader.benchmarks.parity import measure_parity
    from dltrader.cli.tables import print_parity
    from dltrader.files import write_json

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("episodes", total=episodes)
        found = measure_parity(
            episodes=episodes, seed=seed, watch=lambda parity: progress.update(task, completed=parity.episodes)
        )
    print_parity(found, seed=seed)
    if json is not None:
        with writing(json):
            write_json(json, {"seed": seed} | found.to_mapping())
    if found.mismatch is not None:
        raise typer.Exit(1)


@app.command(
    epilog="Examples:  dltrader bench speed --quick   |   dltrader bench speed --json speed.json --out speed.png"
)
def speed(
    *,
    bars: Annotated[int, typer.Option(min=1500, help="Bars of the market.")] = 3000,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Interleaved repeats; medians are shown.", show_default="3; quick: 1")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer lanes, shorter markets, a small training.")] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write what was measured here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Draw it here: a .png, .svg or .pdf.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """How fast bars are stepped and learned from, how that grows with the market, and the memory it takes.

    About eight minutes on two cores, three with --quick.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from dltrader.benchmarks.speed import QUICK, measure_speed
    from dltrader.cli.tables import print_speed
    from dltrader.files import write_json
    from dltrader.plotting import plot_speed, save_figure
    from dltrader.plotting.style import kind_of

    if out is not None:
        kind_of(out)
    for file in (json, out):
        if file is not None:
            require_writable(file)
    sizes: dict[str, Any] = dict(QUICK) if quick else {}
    if repeats is not None:
        sizes["repeats"] = repeats
    console = Console(stderr=True)
    line = TextColumn("measuring {task.description} ...")
    # No thread refreshes the line: it would run beside what is measured.
    hidden = quiet or not console.is_terminal
    with Progress(line, console=console, transient=True, disable=hidden, auto_refresh=False) as progress:
        task = progress.add_task("stepping", total=None)
        found = measure_speed(
            bars=bars, watch=lambda what: progress.update(task, description=what, refresh=True), **sizes
        )
    print_speed(found)
    if json is not None:
        with writing(json):
            write_json(json, found.to_mapping())
    if out is not None:
        with writing(out):
            save_figure(plot_speed(found), out)


@app.command(
    epilog="Examples:  dltrader bench oracle --seeds 10 --jobs 2 --out oracle.png   |   "
    "dltrader bench oracle discrete8_ppo agent.gamma=0.95 --tuning"
)
def oracle(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SETTING]… [KEY=VALUE]…", help="Shipped settings, by default all of them, and what to change."
        ),
    ] = None,
    *,
    tasks: Annotated[str | None, typer.Option(help="Only these tasks, with commas between.")] = None,
    agents: Annotated[str | None, typer.Option(help="Only these agents, with commas between.")] = None,
    extractors: Annotated[str | None, typer.Option(help="Only these extractors, with commas between.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds, from 0 on.")] = 10,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Score the last policies through prices and costs, in backtrader (cerebro) or the vectorised market "
            "(vector); the scores are the same.",
            show_default="arrays, without prices",
        ),
    ] = None,
    tuning: Annotated[
        bool, typer.Option("--tuning", help="Score on other paths than those of the test, to choose settings by.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write the fractions and policies here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Draw the policies here: a .png, .svg or .pdf.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Train agents on tasks whose optimum is known, and show the fraction of it that they reach.

    All settings with ten seeds take about two hours on two cores that have nothing else to do.
    """
    from rich.console import Console
    from rich.progress import Progress

    from dltrader.benchmarks.oracle.training import measure_oracle, shipped_settings
    from dltrader.cli.oracle_tables import chosen_settings, engine_of, print_standings
    from dltrader.files import write_json
    from dltrader.plotting import plot_oracle, save_figure
    from dltrader.plotting.style import kind_of

    names = [word for word in words or [] if "=" not in word]
    chosen = chosen_settings(shipped_settings(), names, tasks=tasks, agents=agents, extractors=extractors)
    if overrides := parse_overrides([word for word in words or [] if "=" in word]):
        chosen = {name: setting.with_overrides(overrides) for name, setting in chosen.items()}
    through = engine_of(engine)
    if out is not None:
        kind_of(out)
    for file in (json, out):
        if file is not None:
            require_writable(file)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("trainings", total=len(chosen) * seeds)
        found = measure_oracle(
            chosen.items(),
            seeds=range(seeds),
            jobs=jobs,
            engine=through,
            tuning=tuning,
            watch=lambda *_: progress.advance(task),
        )
    print_standings(found, tuning=tuning)
    if json is not None:
        with writing(json):
            paths = "tuning" if tuning else "test"
            write_json(json, {"paths": paths, "standings": [standing.to_mapping() for standing in found]})
    if out is not None:
        with writing(out):
            save_figure(plot_oracle(found), out)


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """What cannot be written is said in one line."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}") from None


def require_writable(file: Path) -> None:
    """Refuse a file that cannot be written, before minutes are spent on what it shall hold."""
    with writing(file):
        if file.is_dir():
            raise IsADirectoryError(None, "it is a folder", str(file))
        with tempfile.TemporaryFile(dir=file.parent):
            pass
