"""`dltrader evaluate`: what a configuration is worth over many seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dltrader.cli.executors import plugins_of
from dltrader.config import parse_overrides
from dltrader.errors import ConfigError

EXAMPLES = (
    "Examples:  dltrader evaluate ppo_mlp train.total_timesteps=50000 --seeds 5 --jobs 2   |   "
    "dltrader evaluate runs/demo   |   dltrader evaluate runs/demo --seeds 5 --costs 0,5,10   |   "
    "dltrader evaluate runs/demo-walk-forward"
)


def evaluate(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|CONFIG|FOLDER",
            help="A run, a configuration, or a folder of runs of one configuration or of a walk-forward.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]…", help="Of a configuration: dotted keys with new values."),
    ] = None,
    *,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="How many; 10 of a configuration, a run alone unless more are asked for."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Seeds that are trained, and then tested, at once.")] = 1,
    bars: Annotated[
        str | None, typer.Option(help="A source URI; by default the configuration's own test bars.")
    ] = None,
    market: Annotated[str | None, typer.Option(help="Of a configuration with several markets, the one.")] = None,
    start: Annotated[str | None, typer.Option(help="No decision before this date.")] = None,
    end: Annotated[str | None, typer.Option(help="No bar after this date.")] = None,
    costs: Annotated[
        str, typer.Option(metavar="BP,BP,…", help="Costs of one side at which the policy is tried, in basis points.")
    ] = "0,1,2,5,10,20",
    out: Annotated[
        Path | None, typer.Option(help="Where evaluation/ is kept; by default beside what was evaluated.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Evaluate seeds of one configuration: verdict, intervals, baselines, cost curve, statistics.

    A configuration is trained first; of a run, with --seeds N, the other seeds are trained into RUN-seeds. What did not
    finish is left out and shown, and the exit code is 1.
    """
    from dltrader.cli.evaluation_tables import print_evaluation
    from dltrader.workflows.evaluate import evaluate as evaluate_seeds

    evaluation = evaluate_seeds(
        what,
        parse_overrides(overrides or []),
        seeds=seeds,
        jobs=jobs,
        bars=bars,
        market=market,
        start=start,
        end=end,
        costs=_numbers(costs),
        out=out,
        plugins=plugins_of(context),
        progress=not quiet,
    )
    print_evaluation(evaluation, out or Path(evaluation.about["path"]))
    if evaluation.about["left_out"]:
        raise typer.Exit(1)


def _numbers(text: str) -> list[float]:
    """Basis points from a list.

    Raises:
        ConfigError: A part is no number.
    """
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(f"--costs must be numbers of basis points such as 0,1,2,5,10,20, was {text!r}") from None
