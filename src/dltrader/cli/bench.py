"""`dltrader bench`: measure, don't believe."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Measure this machine.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure this machine."""


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
