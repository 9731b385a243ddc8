"""Stitching: the out-of-sample pieces of a walk-forward as one backtest, in which positions and costs carry over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from dltrader.agents.policy import Policy
from dltrader.agents.succession import Succession
from dltrader.data import periods_per_year
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.folds import Leg, paths_of
from dltrader.evaluation.pieces import Piece, scores_of
from dltrader.evaluation.result import BacktestResult
from dltrader.files import new_folder
from dltrader.runs import Run
from dltrader.workflows.backtest import keep_backtest
from dltrader.workflows.entries import enter_result
from dltrader.workflows.fold_jobs import Plan

Paths = Mapping[int, BacktestResult]
"""Backtests by the path's number, from 0 on; anchored and sliding folds have one path."""


def stitched(path: Sequence[Leg], policies: Mapping[int, Policy], plan: Plan) -> BacktestResult:
    """One backtest over a path: on every bar the policy of the fold decides that is tested there.

    Args:
        path: The folds and their bars, in the order of time and without a gap.
        policies: By the number of the fold.
        plan: Has the bars.
    """
    starts = [plan.times[leg.span.first] for leg in path]
    end = plan.times[path[-1].span.stop - 1]
    frames = {name: frame.loc[frame.index <= end] for name, frame in plan.frames.items()}
    succession = Succession([policies[leg.fold] for leg in path], starts)
    return backtest(succession, frames, context=plan.context, start=starts[0])


def stitched_paths(plan: Plan, seed: int) -> Paths:
    """The backtests of a seed, each fold by its run's best policy.

    Raises:
        RunError: A run is missing or has no policy.
        BundleError: A policy's files are damaged.
    """
    policies = {fold.number: Run.open(plan.path(fold.number, seed)).policy() for fold in plan.folds}
    return {number: stitched(path, policies, plan) for number, path in enumerate(paths_of(plan.folds))}


def fold_scores(plan: Plan, paths: Paths) -> dict[int, Mapping[str, float]]:
    """What every fold earned out of sample, by its number: on all of its tests together."""
    pieces: dict[int, list[tuple[pd.Timestamp, Piece]]] = {}
    for number, path in enumerate(paths_of(plan.folds)):
        ends = [plan.times[leg.span.first] for leg in path[1:]] + [plan.times[path[-1].span.stop - 1]]
        for leg, end in zip(path, ends, strict=True):
            first = plan.times[leg.span.first]
            pieces.setdefault(leg.fold, []).append((first, Piece(paths[number], first, end)))
    periods = periods_per_year(next(iter(plan.frames.values())))
    in_order = {fold: sorted(of_it, key=lambda each: each[0]) for fold, of_it in pieces.items()}
    return {
        fold: scores_of([piece for _, piece in of_it], periods_per_year=periods) for fold, of_it in in_order.items()
    }


def keep_paths(plan: Plan, seed: int, paths: Paths, *, seconds: float) -> None:
    """Write the backtests of a seed into `seed-N/`, and where there are several paths into `seed-N/path-01/` and on.

    The trial ledger is told of the first path only: all are one look at the same bars.

    Args:
        plan: What was planned.
        seed: The seed.
        paths: Its backtests.
        seconds: How long they took.
    """
    into = seed_folder(plan.folder, seed)
    standing = enter_result(
        "walk-forward",
        plan.experiment.with_overrides({"seed": seed}),
        paths[0],
        sha256=plan.data_sha256,
        folder=str(into.resolve()),
        seconds=seconds,
    )
    about = standing | {
        "bars": plan.experiment.data.bars,
        "market": None,
        "policy": "best",
        "on_test": True,
        "seed": seed,
        "folds": len(plan.folds),
    }
    with new_folder(into) as folder:
        for number, result in paths.items():
            part = folder / f"path-{number + 1:02d}" if len(paths) > 1 else folder
            part.mkdir(exist_ok=True)
            keep_backtest(part, result, about | {"path": number})


def seed_folder(folder: Path, seed: int) -> Path:
    """Where the backtests of a seed are kept."""
    return folder / f"seed-{seed}"
