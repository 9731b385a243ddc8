"""Bars that are handed over: taken in place of those that an experiment names, which then tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pandas as pd

from dltrader.data import in_memory
from dltrader.envs.market import context_of, frames_of
from dltrader.runs.experiment import Experiment

E = TypeVar("E", bound=Experiment)

Frames = Mapping[str, pd.DataFrame]
Bars = pd.DataFrame | Frames


def bars_for(
    experiment: E, bars: Bars | None, context: Frames | None
) -> tuple[E, dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The experiment as `telling_of` has it, its bars, and those of the markets that features look at.

    Raises:
        ConfigError: A market is missing, or two instruments have the same name.
        SourceError: A source is missing or does not answer.
        BarsError: Bars break their rules.
    """
    frames = experiment.data.load() if bars is None else frames_of(bars)
    seen = context_of(experiment.env, context)
    return _telling(experiment, None if bars is None else frames, context), frames, seen


def telling_of(experiment: E, bars: Bars | None, context: Frames | None) -> E:
    """The experiment, with the names of bars and markets that are handed over in place of those to be loaded.

    Args:
        experiment: What is trained.
        bars: Bars at hand, in place of those that `data.bars` names: a frame, or instruments to frames.
        context: Bars at hand of markets that features look at.

    Raises:
        BarsError: Bars break their rules.
    """
    return _telling(experiment, None if bars is None else frames_of(bars), context)


def _telling(experiment: E, frames: Frames | None, context: Frames | None) -> E:
    if frames is not None:
        experiment = experiment.with_overrides({"data.bars": in_memory(frames)})
    if context:
        experiment = experiment.with_overrides({"env.context": experiment.env.context | in_memory(context)})
    return experiment
