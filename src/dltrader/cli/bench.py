"""`dltrader bench`: measure, don't believe."""

from __future__ import annotations

from typing import Annotated

import typer

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
) -> None:
    """Whether the vectorised market says what Cerebro says, on every bar; exit code 1 if not."""
    from dltrader.benchmarks.parity import measure_parity
    from dltrader.cli.tables import print_parity

    found = measure_parity(episodes=episodes, seed=seed)
    print_parity(found)
    if found.mismatch is not None:
        raise typer.Exit(1)
