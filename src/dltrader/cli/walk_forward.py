"""`dltrader walk-forward`: train again and again, and trade what came next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dltrader.cli.executors import Ray, executor_on, plugins_of
from dltrader.config import parse_overrides

EXAMPLES = (
    "Examples:  dltrader walk-forward ppo_mlp --folds 5 --seeds 5 --jobs 2 --report   |   "
    "dltrader walk-forward mine.yaml train.total_timesteps=20000 --scheme sliding walk_forward.train=1260 "
    "walk_forward.test_bars=252 --warm-start   |   dltrader walk-forward mine.yaml --scheme cpcv --groups 6 "
    "--test-groups 2"
)


def walk_forward(
    context: typer.Context,
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped configuration.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]…", help="Dotted keys with new values, those of walk_forward.* too."),
    ] = None,
    *,
    scheme: Annotated[
        str | None, typer.Option(help="anchored, sliding or cpcv; by default what CONFIG says, else anchored.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=1, help="Trainings, each tested on what came next.", show_default="5")
    ] = None,
    groups: Annotated[int | None, typer.Option(help="Of cpcv: groups of bars.", show_default="6")] = None,
    test_groups: Annotated[
        int | None, typer.Option(help="Of cpcv: groups that a fold is tested on.", show_default="2")
    ] = None,
    purge: Annotated[int | None, typer.Option(metavar="BARS", help="Bars left out before a test.")] = None,
    embargo: Annotated[
        int | None, typer.Option(metavar="BARS", help="Bars left out behind a test, or at least so many before it.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each fold.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings that run at once.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The folder; by default runs/NAME-walk-forward.")] = None,
    warm_start: Annotated[
        bool, typer.Option("--warm-start", help="Begin a fold with the best weights of the fold before.")
    ] = False,
    time_limit: Annotated[float | None, typer.Option(metavar="SECONDS", help="End trainings that take longer.")] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Then evaluate it, and write the report that `dltrader report` writes.")
    ] = False,
    ray: Ray = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Train on what was known and trade what came next, fold by fold, all tests as one backtest of one account.

    The same command goes on with what it has left, after Ctrl-C or a kill too, with the same result. A fold that fails
    keeps none of the others from going on; the exit code is then 1.
    """
    from dltrader.cli.walk_forward_tables import print_walk_forward
    from dltrader.workflows.walk_forward import walk_forward as walk

    if report:
        from dltrader.workflows.evaluate import require_extras

        require_extras("arch", "jinja2")
    options = {
        "scheme": scheme,
        "folds": folds,
        "groups": groups,
        "test_groups": test_groups,
        "purge_bars": purge,
        "embargo_bars": embargo,
    }
    with executor_on(ray) as executor:
        walked = walk(
            config,
            parse_overrides(overrides or []),
            folds={name: value for name, value in options.items() if value is not None},
            seeds=seeds,
            out=out,
            jobs=jobs,
            time_limit=time_limit,
            warm_start=warm_start,
            executor=executor,
            progress=not quiet,
            plugins=plugins_of(context),
        )
    print_walk_forward(walked)
    if report and walked.finished_seeds:
        from dltrader.cli.report import print_report
        from dltrader.workflows.report import report as write_report

        print_report(write_report(walked.path, jobs=jobs, plugins=plugins_of(context), progress=not quiet))
    if walked.status != "finished":
        raise typer.Exit(1)
