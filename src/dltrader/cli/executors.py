"""Where several trainings run, by what was typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dltrader.workflows.jobs import Executor

Ray = Annotated[
    str | None,
    typer.Option(
        metavar="auto|ADDRESS",
        help="Run the trainings on a Ray cluster that is there, in place of this machine's processes: HOST:PORT, "
        "ray://HOST:PORT, or auto for that of RAY_ADDRESS or of this machine.",
    ),
]


@contextmanager
def executor_on(ray: str | None) -> Iterator[Executor | None]:
    """The executor on a Ray cluster; None, which leaves the choice to the workflow, where none is named.

    Raises:
        ConfigError: The cluster does not answer.
        MissingExtraError: Ray is not installed.
    """
    if ray is None:
        yield None
        return
    from dltrader.distributed.ray import RayCluster

    with RayCluster(ray) as cluster:
        yield cluster


def plugins_of(context: typer.Context) -> list[str]:
    """The plugins that were named before the verb."""
    return (context.parent.params["plugin"] or []) if context.parent else []
