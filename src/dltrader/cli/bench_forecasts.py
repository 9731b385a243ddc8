"""`dltrader bench forecasts`: how near forecasters come to the best that anybody can say of bars not yet seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dltrader.cli.bench import require_writable, writing
from dltrader.config import parse_overrides
from dltrader.errors import ConfigError
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from dltrader.benchmarks.forecasts.setting import Setting


def forecasts(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SETTING]… [KEY=VALUE]…", help="Shipped settings, by default all of them, and what to change."
        ),
    ] = None,
    *,
    members: Annotated[str | None, typer.Option(help="Only these forecasters, with commas between.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of bars and trainings, from 0 on.")] = 1,
    shuffles: Annotated[int, typer.Option(min=1, help="The same where bars are shuffled.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    json: Annotated[Path | None, typer.Option("--json", help="Write what was measured here.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Train forecasters where the best possible log loss is known exactly, and show what share of it they achieve.

    On planted bars (ar1, sine) each model shall achieve 90 % of what there is over the base rate, on unseen bars and
    calibrated to 0.03, and the ensemble be no worse than its best member; on shuffled bars none shall beat the base
    rate more often than by chance. The exit code is 1 where one falls short.
    """
    from rich.console import Console
    from rich.progress import Progress

    from dltrader.benchmarks.forecasts.standings import measure_forecasts
    from dltrader.cli.forecasts_tables import print_forecasts
    from dltrader.files import write_json

    settings = _settings(words or [], members)
    if json is not None:
        require_writable(json)
    # What nobody can know needs many trials to be told from luck; what can be known shows in one.
    each = {name: range(shuffles if setting.task.name == "shuffled" else seeds) for name, setting in settings.items()}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("trials", total=sum(map(len, each.values())))
        found = measure_forecasts(settings, seeds=each, jobs=jobs, watch=lambda *_: progress.advance(task))
    print_forecasts(found)
    if json is not None:
        with writing(json):
            write_json(json, {"settings": [one.to_mapping() for one in found]})
    if not all(one.is_as_asked for one in found):
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Make it a command."""
    app.command(
        epilog="Examples:  dltrader bench forecasts --jobs 2   |   dltrader bench forecasts ar1 --members lgb --seeds 5"
        "   |   dltrader bench forecasts shuffled task.bars=sample:IBM --shuffles 40"
    )(forecasts)


def _settings(words: Sequence[str], members: str | None) -> dict[str, Setting]:
    """The settings that are named, or all, with dotted keys replaced and only some of their members."""
    from dltrader.benchmarks.forecasts.setting import shipped_settings

    shipped = shipped_settings()
    names = [word for word in words if "=" not in word]
    for name in names:
        if name not in shipped:
            raise ConfigError(f"no setting {name!r}{did_you_mean(name, shipped)}")
    chosen = {name: shipped[name] for name in names or shipped}
    if overrides := parse_overrides([word for word in words if "=" in word]):
        chosen = {name: setting.with_overrides(overrides) for name, setting in chosen.items()}
    if members is None:
        return chosen
    wanted = [member.strip() for member in members.split(",")]
    return {name: setting.with_members(wanted) for name, setting in chosen.items()}
