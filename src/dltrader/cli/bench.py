"""`dltrader bench`: measure, don't believe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dltrader.errors import ConfigError

app = typer.Typer(help="Measure speed and parity.", no_args_is_help=True)


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
        try:
            write_json(json, {"seed": seed} | found.to_mapping())
        except OSError as error:
            raise ConfigError(f"cannot write {json}: {error.strerror or error}") from None
    if found.mismatch is not None:
        raise typer.Exit(1)
