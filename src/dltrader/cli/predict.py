"""`dltrader predict`: JSON in, JSON out."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dltrader.errors import ConfigError, RunError

if TYPE_CHECKING:
    from dltrader.workflows.predict_lines import Reply

EXAMPLES = (
    "Examples:  dltrader predict runs/ensemble < snapshots.jsonl > answers.jsonl   |   "
    "dltrader predict runs/ensemble --bars csv:prices.csv --follow --every 60   |   "
    "dltrader predict runs/ensemble --schema"
)


def predict(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Run folders: an ensemble; or ensembles and policies, which then vote with equal shares.",
            show_default=False,
        ),
    ] = None,
    *,
    bars: Annotated[
        str | None, typer.Option("--bars", metavar="URI", help="Answer the newest bar of this source instead.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Stay, and answer every line, or every newer bar of --bars, as it comes.")
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.01,
            max=86_400,
            help="With --bars --follow, how often to ask it; once a day at least.",
            show_default="60",
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Append every prediction to this file, for dltrader monitor.",
            show_default="as the first run's configuration says",
        ),
    ] = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Keep no log of predictions.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of snapshots and answers, of the runs if named.")
    ] = False,
) -> None:
    """Read a snapshot a line from standard input, and write an answer a line: JSON in, JSON out.

    A line that cannot be answered is answered with {"line": its number, "error": why}, and the next one is read.
    Answers are written at once, so that another program can wait for each; the models stay loaded until the input ends.

    Every prediction is appended to a log, which dltrader monitor joins with what happened.

    The exit code is 0 where all was answered by all models that are there, and logged, 1 where a line or a model failed
    or a prediction was not logged, 2 where the runs or the log cannot be used.
    """
    if schema:
        if bars is not None or follow or every is not None:
            raise ConfigError("--schema only prints the schema: --bars, --follow and --every do not fit")
        typer.echo(json.dumps(_schema(runs or []), indent=2))
        return
    if every is not None and not (follow and bars):
        raise ConfigError("--every says how often --bars --follow asks its source; add these two, or leave it out")
    if not runs:
        raise ConfigError("predict with what? name a run folder, such as runs/ensemble; list runs with: dltrader runs")

    if log is not None and no_log:
        raise ConfigError("--log and --no-log contradict each other; leave one out")
    _require_streams(reads=bars is None)

    from dltrader.runs import Run
    from dltrader.workflows.predict import EnsemblePredictor
    from dltrader.workflows.predict_lines import replies, replies_to_bars
    from dltrader.workflows.predict_log import logged_by

    predictor = EnsemblePredictor.open(*(opened := [Run.open(run) for run in runs]))
    kept = None if no_log else logged_by(predictor, opened, log, tell=lambda why: typer.echo(why, err=True))
    if bars is None:
        complete = _write(replies(predictor, sys.stdin.buffer))
    else:
        complete = _write(replies_to_bars(predictor, bars, every=(every or 60.0) if follow else None))
    if not complete or (kept is not None and kept.lost):
        raise typer.Exit(1)


def _require_streams(*, reads: bool) -> None:
    """See that there is somewhere to write, and to read from: Python has None for a stream that was closed."""
    closed = [name for name in (["stdin"] if reads else []) + ["stdout"] if getattr(sys, name) is None]
    if closed:
        raise ConfigError(f"{closed[0]} is closed, and snapshots in and answers out need it; give it a file or a pipe")


def _schema(runs: list[Path]) -> object:
    from dltrader.forecast.schema import schema_of

    if not runs:
        return schema_of()
    from dltrader.workflows.predict import EnsemblePredictor

    return schema_of(EnsemblePredictor.open(*runs).ensemble)


def _write(replies: Iterable[Reply]) -> bool:
    """Write replies as they come; whether all are complete.

    Raises:
        RunError: Answers cannot be written, because the disk is full, or snapshots not be read.
    """
    complete = True
    try:
        for reply in replies:
            sys.stdout.write(reply.line + "\n")
            sys.stdout.flush()
            complete &= reply.complete
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered finds no way out either
        if isinstance(error, BrokenPipeError):  # who read has gone: there is nobody to tell
            return False
        raise RunError(f"snapshots are not read or answers not written any more: {error.strerror}") from None
    return complete
