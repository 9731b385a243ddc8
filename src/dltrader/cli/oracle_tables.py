"""What `dltrader bench oracle` takes and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dltrader.errors import ConfigError
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from dltrader.benchmarks.oracle.training import Setting, Standing


def chosen_settings(
    shipped: Mapping[str, Setting], names: Sequence[str], tasks: str | None, agents: str | None
) -> dict[str, Setting]:
    """The settings by these names, of these tasks and agents; of all where nothing is named.

    Raises:
        ConfigError: There is no such setting, or none is left.
    """
    for name in names:
        if name not in shipped:
            raise ConfigError(f"no setting {name!r}{did_you_mean(name, shipped)}")
    chosen = {name: shipped[name] for name in names or shipped}
    wanted = {"task": _listed(tasks), "agent": _listed(agents)}
    for part, kinds in wanted.items():
        if kinds:
            chosen = {name: setting for name, setting in chosen.items() if getattr(setting, part).name in kinds}
    if not chosen:
        known = ", ".join(f"{name} ({one.task.name}, {one.agent.name})" for name, one in shipped.items())
        raise ConfigError(
            f"no setting has tasks {tasks or 'of any kind'} and agents {agents or 'of any kind'}: {known}"
        )
    return chosen


def print_standings(standings: Sequence[Standing]) -> None:
    """Task by agent: the fraction of the optimum, its interval, steps and seconds."""
    table = Table(title="fraction of the optimum, interquartile mean over seeds", title_justify="left")
    for heading in ("task", "agent"):
        table.add_column(heading, no_wrap=True)
    for heading in ("fraction", "95 %", "seeds", "M steps", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for standing in standings:
        low, high = standing.interval
        table.add_row(
            standing.task,
            standing.agent,
            f"{standing.fraction:.4f}",
            f"{low:.3f} … {high:.3f}",
            str(len(standing.fractions)),
            f"{standing.steps / 1e6:g}",
            f"{standing.seconds:.0f}",
        )
    Console().print(table)


def _listed(text: str | None) -> set[str]:
    return set() if text is None else {part.strip() for part in text.split(",")}
