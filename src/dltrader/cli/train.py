"""`dltrader train`: policies and ensembles, one or many."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from dltrader.cli.executors import Ray, executor_on, plugins_of
from dltrader.config import parse_overrides
from dltrader.errors import ConfigError

EXAMPLES = (
    "Examples:  dltrader train ppo_attention   |   "
    "dltrader train configs/ppo_lstm.yaml train.total_timesteps=50000 data.bars=csv:prices.csv --out runs/mine   |   "
    "dltrader train ensemble --jobs 2   |   dltrader train ppo_mlp ppo_lstm --seeds 5 --jobs 2   |   "
    "dltrader train --resume runs/mine"
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
        int | None,
        typer.Option(
            min=1,
            help="Of several trainings, how many run at once; of an ensemble, how many of those of its members.",
            show_default="1; of an ensemble one a core",
        ),
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
    """Train a policy, an ensemble with its members, or several of either; Ctrl-C ends early, --resume goes on.

    Several run in processes of their own, here or on Ray: one that fails is shown with its log, the others go on, the
    exit code is 1. So do the members of an ensemble, which is not there without one of them: the exit code is then 2.
    """
    if resume is not None:
        if any(option is not None for option in (out, seeds, time_limit, ray)):
            raise ConfigError(
                "--resume goes on in the run's own folder: --out, --seeds, --time-limit, --ray do not fit"
            )
        named = [word for word in (config, *(words or [])) if word is not None]
        _resume(resume, named, jobs=jobs, plugins=plugins_of(context), progress=not quiet)
        return
    if config is None:
        raise ConfigError("train what? name a configuration, such as ppo_mlp or mine.yaml, or --resume a run folder")
    configs, overrides = _split_words(config, words or [])
    from dltrader.runs.ensemble import EnsembleConfig, load_experiment

    experiments = [load_experiment(one, overrides) for one in configs]
    is_one = seeds is None and len(experiments) == 1
    if is_one and isinstance(experiments[0], EnsembleConfig):
        _refuse(time_limit=time_limit)
        from dltrader.cli.tables import print_run
        from dltrader.workflows.ensemble import train_ensemble

        with executor_on(ray) as executor:
            print_run(
                train_ensemble(
                    experiments[0],
                    out=out,
                    jobs=jobs,
                    plugins=plugins_of(context),
                    executor=executor,
                    progress=not quiet,
                )
            )
        return
    if is_one and ray is None:
        _refuse(jobs=jobs, time_limit=time_limit)
        from dltrader.cli.tables import print_run
        from dltrader.workflows.train import train as train_run

        print_run(train_run(experiments[0], out=out, progress=not quiet))
        return

    from dltrader.cli.many_tables import print_trained
    from dltrader.workflows import many

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


def _refuse(**options: Any) -> None:
    """Raise a ConfigError where an option of several trainings is given for one."""
    if any(value is not None for value in options.values()):
        raise ConfigError("--jobs and --time-limit are for several trainings; add --seeds N or configurations")


def _resume(run: Path, words: list[str], *, jobs: int | None, plugins: list[str], progress: bool) -> None:
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
    believed = configs[0] if configs else None
    print_run(resume(run, believed, overrides, jobs=jobs, plugins=plugins, progress=progress))


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
