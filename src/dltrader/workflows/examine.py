"""Examine: one seed on the bars of an evaluation, in a process of its own or in this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dltrader.agents.policy import Policy
from dltrader.agents.succession import Succession
from dltrader.envs.contract import EnvConfig
from dltrader.evaluation.examined import Examined, examine
from dltrader.runs import Run
from dltrader.workflows.subjects import succession_of
from dltrader.workflows.walk_forward import WalkForward


@dataclass(frozen=True, eq=False)
class Examination:
    """What a process is told.

    Attributes:
        seed: Of the training.
        path: Where its policy lies.
        kind: What lies there: a run's policy, or those of a walk-forward's folds.
        frames: Instrument -> bars, history included.
        start: No decision before this time.
        env: The environment in plain values, because it may hold functions that plugins have registered.
        costs_bp: Basis points of one side to try.
        context: Markets that features look at.
    """

    seed: int
    path: str
    kind: str
    frames: Mapping[str, pd.DataFrame]
    start: pd.Timestamp | None
    env: Mapping[str, Any]
    costs_bp: tuple[float, ...]
    context: Mapping[str, pd.DataFrame]


def examine_one(examination: Examination) -> Examined:
    """Load a policy and examine it.

    Raises:
        DLTraderError: The policy cannot be loaded, or cannot trade these bars.
    """
    policy: Policy | Succession
    if examination.kind == "walk_forward":
        policy = succession_of(WalkForward.open(examination.path), examination.seed)
    else:
        policy = Run.open(examination.path).policy()
    return examine(
        policy,
        examination.frames,
        EnvConfig.from_mapping(examination.env),
        start=examination.start,
        seed=examination.seed,
        path=examination.path,
        costs_bp=examination.costs_bp,
        context=examination.context,
    )
