"""Tabular Q-learning: what every choice is worth in each of a few hundred states.

A state is a quantile bin of each of a few features on the newest bar, and the exposure held. There is no network: what
is learned can be read from the table.

Sources: as in `dltrader.agents.q_table_update`; for the states, Ritter 2017, "Machine learning for trading", SSRN
3015609.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from gymnasium import spaces
from pydantic import Field, model_validator
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from dltrader.agents.bars import BarSpace
from dltrader.agents.config import AgentConfig
from dltrader.agents.judgement import Judgement
from dltrader.agents.q_table_learning import QLearning
from dltrader.agents.q_table_network import QTableNetwork
from dltrader.agents.q_table_states import Array, Numbers, States, edges_of
from dltrader.envs.markets import Markets
from dltrader.errors import ConfigError
from dltrader.registry import did_you_mean

LARGEST = 2**22
"""Values in a table at most: with more, a training of a hundred million bars meets each some twenty times."""

Bins = Annotated[int, Field(ge=2, le=1000)]


class QTableConfig(AgentConfig):
    """Q-learning on a table, with defaults that suit trading, for action schemes with one choice a bar."""

    name: Literal["q_table"] = "q_table"
    features: tuple[str, ...] | None = Field(
        None, min_length=1, description="The columns of env.features that are binned, by name; null is all of them"
    )
    bins: Bins | tuple[Bins, ...] = Field(
        4, description="Quantile bins of every feature, in [2, 1000], or a list with one number a feature"
    )
    positions: Annotated[int, Field(ge=1, le=1000)] | tuple[float, ...] = Field(
        3,
        description="Exposures told apart, of which the nearest counts: so many from -1 to 1, or a list in ascending "
        "order",
    )
    gamma: float = Field(0.95, ge=0, le=1, description="Discount per bar; 0.95 looks about 20 bars ahead")
    learning_rate: float = Field(
        0.1, gt=0, le=1, description="Share of its error that a value makes up for with every visit, at the start"
    )
    learning_rate_end: float = Field(0.01, gt=0, le=1, description="The same in the end, and at least")
    schedule: Literal["linear", "constant", "visits"] = Field(
        "linear",
        description="How the share comes down: linear over the training, not at all, or for every value by itself, as "
        "learning_rate / visits^visits_power",
    )
    visits_power: float = Field(0.7, gt=0, le=1, description="How fast, with schedule: visits; 1 takes means")
    epsilon_start: float = Field(1.0, ge=0, le=1, description="Share of random actions after agent.learning_starts")
    epsilon_end: float = Field(0.05, ge=0, le=1, description="Share of random actions in the end")
    epsilon_fraction: float = Field(
        0.5, gt=0, le=1, description="Share of the training over which epsilon falls, linearly, from its very start"
    )
    optimism: float = Field(
        0.0,
        ge=-1000,
        le=1000,
        description="Value of every choice before it is tried, in standard deviations of the discounted return of "
        "random trading; what is untried looks good with a few of them, and is tried without epsilon",
    )
    double: bool = Field(
        default=False, description="Whether two tables are learned, of which each judges what the other chooses"
    )
    trace_decay: float = Field(
        0.0,
        ge=0,
        le=1,
        description="λ of Q(λ): how much of an error is put down to the choice before, and so on; 0 is one-step",
    )
    learning_starts: int = Field(
        2_048,
        ge=1,
        description="Bars traded at random before the first update, over all environments, from which the scale of the "
        "reward is taken",
    )

    updates_often: ClassVar[bool] = True
    acts: ClassVar[str] = "makes one choice, so it needs a Discrete"
    remedy: ClassVar[str] = "trade one instrument with env.action: target_position or buy_sell_hold"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for start, end in (("epsilon_start", "epsilon_end"), ("learning_rate", "learning_rate_end")):
            if getattr(self, end) > getattr(self, start):
                raise ConfigError(
                    f"{end} must not be above {start} {getattr(self, start):g}, was {getattr(self, end):g}"
                )
        if self.features is not None and len(set(self.features)) < len(self.features):
            raise ConfigError(f"features must be different ones, was {list(self.features)}")
        levels = self.levels
        if not levels or any(low >= high for low, high in pairwise(levels)):
            raise ConfigError(f"positions must be numbers in ascending order, was {list(levels)}")
        if self.features is not None:
            self._bins_of(len(self.features), key="bins")
        return self

    @property
    def levels(self) -> tuple[float, ...]:
        """The exposures that are told apart, ascending."""
        if not isinstance(self.positions, int):
            return self.positions
        return tuple(np.linspace(-1.0, 1.0, self.positions).tolist()) if self.positions > 1 else (0.0,)

    @classmethod
    def takes(cls, action_space: spaces.Space[Any]) -> bool:
        """One choice."""
        return isinstance(action_space, spaces.Discrete)

    def require_length(self, total_timesteps: int) -> None:
        """Bars enough to learn from after those at random."""
        if self.learning_starts >= total_timesteps:
            raise ConfigError(
                f"agent.learning_starts must be below the {total_timesteps} bars of train.total_timesteps, or nothing "
                f"is ever learned, was {self.learning_starts}"
            )

    def require_bars(self, markets: Markets) -> None:
        """Features of these names, of which bins can be formed."""
        self._edges(markets)

    def network(self, observation_space: spaces.Dict, action_space: spaces.Space[Any]) -> QTableNetwork:
        """The table, with every value at its start.

        Raises:
            ConfigError: The agent cannot act on such a space, or the table would be too large.
        """
        self.require_action(action_space)
        assert isinstance(action_space, spaces.Discrete)
        market: Any = observation_space["market"]
        columns = (market.window if isinstance(market, BarSpace) else market).shape[-1]
        bins = self._bins_of(columns if self.features is None else len(self.features))
        states, n_choices = States(bins, self.levels), int(action_space.n)
        n_values = math.prod(bins) * len(self.levels) * n_choices  # may be more than `len` can say
        if n_values > LARGEST:
            raise ConfigError(
                f"agent q_table would have {n_values:,} values: {' x '.join(map(str, bins))} bins x "
                f"{len(self.levels)} positions x {n_choices} choices, and {LARGEST:,} are allowed; name a few of "
                "env.features in agent.features, or lower agent.bins"
            )
        return QTableNetwork(
            observation_space, action_space, states=states, n_tables=1 + self.double, start=self.optimism
        )

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """The best choice that was tried, and its worth."""
        del state, episode_start
        assert isinstance(network, QTableNetwork)
        return network.judge(observation)

    def learner(self, env: VecEnv, *, seed: int, device: str) -> QLearning:
        """A learner on the environments; on the CPU, whatever the device: there is nothing to compute."""
        del device
        self.require_action(env.action_space)
        assert isinstance(env.observation_space, spaces.Dict)
        network = self.network(env.observation_space, env.action_space)
        markets = env.get_attr("markets")[0] if env.has_attr("markets") else None
        if isinstance(markets, Markets):
            columns, edges = self._edges(markets)
            network.set_columns(columns)
            network.set_edges(edges)
            names = tuple(markets.first.feature_names[column] for column in columns)
        elif self.features is not None:
            raise ConfigError(
                f"agent.features is {list(self.features)}, and the columns of these environments have no names; leave "
                "it out, and all are binned"
            )
        else:
            names = tuple(f"column {column}" for column in range(len(network.states.bins)))
        return QLearning(self, network, env, names=names, edges_known=isinstance(markets, Markets), seed=seed)

    def epsilon(self, progress: float) -> float:
        """Share of random actions when so much of the training is done, in [0, 1]."""
        left = max(0.0, 1.0 - progress / self.epsilon_fraction)
        return self.epsilon_end + (self.epsilon_start - self.epsilon_end) * left

    def step_size(self, progress: float, visits: Numbers) -> float | Array:
        """Share of an error that is made up for: one for all values, or one for each by its visits, (n,)."""
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "linear":
            return self.learning_rate + (self.learning_rate_end - self.learning_rate) * progress
        return np.maximum(self.learning_rate / np.maximum(visits, 1) ** self.visits_power, self.learning_rate_end)

    def _bins_of(self, n_features: int, *, key: str = "agent.bins") -> tuple[int, ...]:
        if isinstance(self.bins, int):
            return (self.bins,) * n_features
        if len(self.bins) != n_features:
            raise ConfigError(
                f"{key} must be one number, or one for each of {n_features} features, was {list(self.bins)}"
            )
        return self.bins

    def _edges(self, markets: Markets) -> tuple[Sequence[int], Array]:
        """The columns that are binned, and the edges of their bins, by the bars on which decisions are made."""
        names = markets.first.feature_names
        for name in self.features or ():
            if name not in names:
                raise ConfigError(f"unknown feature {name!r} in agent.features{did_you_mean(name, names)}")
        columns = [names.index(name) for name in self.features or names]
        rows = np.concatenate([market.features[market.first :, columns] for market in markets.each.values()])
        return columns, edges_of(rows, self._bins_of(len(columns)), [names[column] for column in columns])
