"""`dltrader tune`: search for a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dltrader.cli.executors import Ray, executor_on, plugins_of
from dltrader.config import parse_overrides

EXAMPLES = (
    "Examples:  dltrader tune ppo_mlp --space ppo --trials 32 --jobs 2   |   "
    "dltrader tune mine.yaml train.total_timesteps=20000 --space space.yaml --trials 50 --seeds 3 --out runs/tuned"
)


def tune(
    context: typer.Context,
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped configuration.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Dotted keys with new values.")
    ] = None,
    *,
    space: Annotated[
        str, typer.Option(metavar="SPACE", help="What is searched: a YAML file, or the name of a shipped space.")
    ],
    trials: Annotated[int, typer.Option(min=1, help="How many trials there are to be, those of earlier calls too.")],
    out: Annotated[Path | None, typer.Option(help="The study's folder; by default runs/NAME-tune.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of a trial, whose mean is its score.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings that run at once.")] = 1,
    batch: Annotated[
        int, typer.Option(min=1, help="Trials that are drawn together, before any of them has ended.")
    ] = 8,
    pruning: Annotated[bool, typer.Option(help="End trainings early that are behind the median of others.")] = True,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="End trainings that take longer; their trials fail.")
    ] = None,
    ray: Ray = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Search for the configuration that grows most on the validation bars; the test bars are not looked at.

    The same command goes on with the study that it has left, after Ctrl-C too, or with more --trials. The result does
    not depend on --jobs. A trial that fails keeps none of the others from going on.
    """
    from dltrader.cli.tune_tables import print_tuned
    from dltrader.workflows.tune import tune as tune_config

    with executor_on(ray) as executor:
        tuned = tune_config(
            config,
            space,
            trials=trials,
            overrides=parse_overrides(overrides or []),
            out=out,
            seeds=seeds,
            jobs=jobs,
            batch=batch,
            prune=pruning,
            time_limit=time_limit,
            plugins=plugins_of(context),
            executor=executor,
            progress=not quiet,
        )
    print_tuned(tuned)
    if tuned.best is None:
        raise typer.Exit(1)
