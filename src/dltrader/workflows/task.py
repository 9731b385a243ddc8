"""A training that can begin: what is made of a configuration and bars before there is a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.trained import TrainedPolicy
from dltrader.envs.arrays import require_device
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.market import Market, context_of
from dltrader.envs.markets import Markets
from dltrader.envs.stepper import Prepare
from dltrader.errors import ConfigError
from dltrader.features import FittedPipeline
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import Slices


@dataclass(frozen=True)
class Task:
    """A training that can begin: what has been made of a configuration and bars.

    Attributes:
        experiment: The configuration.
        slices: Its bars.
        markets: The training bars as the agent meets them.
        environments: What it learns in.
        prepare: The user's hook.
        context: The markets that features look at.
    """

    experiment: ExperimentConfig
    slices: Slices
    markets: Markets
    environments: Any
    prepare: Prepare | None
    context: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        experiment: ExperimentConfig,
        frames: Mapping[str, pd.DataFrame],
        prepare: Prepare | None,
        *,
        context: Mapping[str, pd.DataFrame] | None = None,
    ) -> Task:
        """Make all that a training needs, before there is a folder and an hour is spent.

        Raises:
            ConfigError: Configuration, hook and machine do not go together.
            BarsError: A slice is too short.
        """
        slices = experiment.data.cut(frames)
        context = context_of(experiment.env, context)
        markets = _learned_from(experiment, slices.train, context)
        for later, start in (slices.validation, slices.test):
            _markets(experiment, later, context, pipeline=markets.pipeline, start=start)
        _require_fit(experiment, markets, prepare)
        return cls(experiment, slices, markets, _environments(experiment, markets, prepare), prepare, context)


def _learned_from(
    experiment: ExperimentConfig, frames: Mapping[str, pd.DataFrame], context: Mapping[str, pd.DataFrame]
) -> Markets:
    """The training bars as markets; pieces between which bars are left out are markets of their own."""
    spans = experiment.data.spans
    if spans is None or len(spans.train) == 1:
        return _markets(experiment, frames, context)
    pieces: dict[str, dict[str, pd.DataFrame]] = {}
    for number, piece in enumerate(spans.pieces(frames), start=1):
        if experiment.data.apart:
            pieces |= {f"{name} {number}": {name: frame} for name, frame in piece.items()}
        else:
            pieces[f"{' '.join(piece)} {number}"] = piece
    return Markets.build(pieces, experiment.env, context=context, steps=1)  # a short piece has short episodes


def _markets(
    experiment: ExperimentConfig,
    frames: Mapping[str, pd.DataFrame],
    context: Mapping[str, pd.DataFrame],
    *,
    pipeline: FittedPipeline | None = None,
    start: pd.Timestamp | None = None,
) -> Markets:
    """Bars as the market or the markets that the configuration makes of them; later ones are traded to their ends."""
    config = experiment.env if start is None else experiment.env.model_copy(update={"episode_bars": None})
    if experiment.data.apart:
        return Markets.build(frames, config, pipeline=pipeline, start=start, context=context)
    return Markets.of(Market.build(frames, config, pipeline=pipeline, start=start, context=context))


def _environments(experiment: ExperimentConfig, markets: Markets, prepare: Prepare | None) -> Any:
    """What the agent learns in, on the engine of the configuration.

    Raises:
        ConfigError: There is no memory for so many, or for what the agent keeps of them.
    """
    n_envs = experiment.train.n_envs
    if experiment.train.engine == "vector":
        together = experiment.train.lanes_per_episode
        lanes = LanesVecEnv(markets, experiment.env, n_envs, together=together, windows=False)
        experiment.agent.require_room(n_envs, lanes.observation_space, lanes.action_space)
        return lanes
    return [partial(TradingEnv, markets, experiment.env, prepare=prepare)] * n_envs


def _require_fit(experiment: ExperimentConfig, markets: Markets, prepare: Prepare | None) -> None:
    """Raise a ConfigError where agent, environment, hook and machine do not go together."""
    if prepare is not None and experiment.train.engine != "cerebro":
        raise ConfigError(
            f"a prepare hook changes a Cerebro, and train.engine is {experiment.train.engine}, which has none: sizers, "
            "commissions and orders of yours would have no effect; set train.engine: cerebro"
        )
    require_device(experiment.train.device, "train.device")
    agent, n_envs = experiment.agent, experiment.train.n_envs
    agent.require(n_envs)
    agent.require_length(experiment.train.total_timesteps)
    network = TrainedPolicy.network_for(agent, experiment.env, markets.pipeline, markets.n_instruments)
    agent.require_bars(markets)
    if experiment.train.engine == "cerebro":  # lanes show other observations, and are asked when they are made
        agent.require_room(n_envs, network.observation_space, network.action_space)
