"""What `dltrader bench oracle` takes and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast, get_args

from rich import box
from rich.console import Console
from rich.table import Table

from dltrader.errors import ConfigError
from dltrader.plotting.text import brief, plural
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from dltrader.benchmarks.oracle.prices import Engine
    from dltrader.benchmarks.oracle.training import Setting, Standing

DASH = "\N{EN DASH}"


def chosen_settings(
    shipped: Mapping[str, Setting],
    names: Sequence[str],
    *,
    tasks: str | None = None,
    agents: str | None = None,
    extractors: str | None = None,
) -> dict[str, Setting]:
    """The settings by these names, of these tasks, agents and extractors; of all where nothing is named.

    Raises:
        ConfigError: There is no such setting, or none is left.
    """
    for name in names:
        if name not in shipped:
            raise ConfigError(f"no setting {name!r}{did_you_mean(name, shipped)}")
    chosen = {name: shipped[name] for name in names or shipped}
    wanted = {"tasks": _listed(tasks), "agents": _listed(agents), "extractors": _listed(extractors)}
    for part, kinds in wanted.items():
        if kinds:
            chosen = {name: setting for name, setting in chosen.items() if _parts(setting)[part] in kinds}
    if not chosen:
        asked = " and ".join(f"{part} {', '.join(kinds)}" for part, kinds in wanted.items() if kinds)
        known = "; ".join(f"{name} ({', '.join(_parts(one).values())})" for name, one in shipped.items())
        raise ConfigError(f"no setting has {asked}; there are, with task, agent and extractor: {known}")
    return chosen


def engine_of(name: str | None) -> Engine | None:
    """The engine of that name, or none.

    Raises:
        ConfigError: There is no such engine.
    """
    from dltrader.benchmarks.oracle.prices import Engine

    if name is not None and name not in get_args(Engine):
        raise ConfigError(f"--engine must be {' or '.join(get_args(Engine))}, or left out, was {name!r}")
    return cast("Engine | None", name)


def print_standings(standings: Sequence[Standing], *, tuning: bool = False) -> None:
    """Task by agent: the fraction of the optimum, its interval, the optimum itself, steps and seconds of a training.

    Args:
        standings: What was measured.
        tuning: Whether on the paths that settings are chosen by, which is said below.
    """
    seeds = plural(max(len(standing.fractions) for standing in standings), "seed")
    table = Table(
        title=f"fraction of the optimum, interquartile mean over {seeds}",
        title_justify="left",
        box=box.SIMPLE_HEAD,  # with lines between the columns, the table would be wider than 80 letters
        padding=(0, 1, 0, 0),
    )
    table.add_column("task", no_wrap=True)
    table.add_column("agent")
    for heading in ("fraction", "95 %", "optimum", "steps", "s/seed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for standing in standings:
        low, high = standing.interval
        table.add_row(
            standing.task,
            standing.agent,
            f"{standing.fraction:.4f}",
            f"{low:.3f} … {high:.3f}" if len(standing.fractions) > 1 else DASH,  # one seed says nothing of others
            f"{standing.optimum:.4f}",
            brief(standing.steps).replace(".0", ""),
            f"{standing.seconds:.0f}",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print("optimum: reward per step of the optimal policy; of ritter its Sharpe ratio")
    if tuning:
        console.print("scored on the paths of --tuning: choose by these numbers, report those without")


def _parts(setting: Setting) -> dict[str, str]:
    """What settings are chosen by."""
    return {
        "tasks": setting.task.name,
        "agents": setting.agent.name,
        "extractors": setting.agent.extractor_name or "none",
    }


def _listed(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",")]
