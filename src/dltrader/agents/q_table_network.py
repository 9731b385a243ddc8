"""The table as a policy: its values are the weights that are saved, its edges say which state an observation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy

from dltrader.agents.bars import BarSpace, to_bars
from dltrader.agents.judgement import Judgement, certain
from dltrader.agents.q_table_states import Array, Numbers, States


class QTableNetwork(BasePolicy):
    """Looks up what every choice is worth, and takes the best that was tried in training.

    Nothing is computed by a network, so it stays on the CPU. The NumPy arrays `values` and `counts` are the tensors
    `table` and `visits` themselves, not copies.

    Args:
        observation_space: A Dict with `market`, windows or bars by name, and `account`, the exposure first.
        action_space: Discrete.
        states: How states are numbered.
        n_tables: 1, or 2 of which each is judged by the other.
        start: The value of every choice before anything is learned.

    Attributes:
        table: (tables, states, choices) float64, discounted sums of scaled rewards.
        visits: (tables, states, choices) int64, how often each was learned from.
        columns: (features,) int64, the columns of `market` that are binned.
        edges: (edges,) float64, as `States.numbers` takes them.
    """

    table: torch.nn.Parameter
    visits: torch.Tensor
    columns: torch.Tensor
    edges: torch.Tensor

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        *,
        states: States,
        n_tables: int,
        start: float,
    ) -> None:
        super().__init__(observation_space, action_space)
        market = observation_space["market"]
        self._bars = market.features if isinstance(market, BarSpace) else None
        self.states = states
        shape = (n_tables, len(states), int(action_space.n))
        self.table = torch.nn.Parameter(torch.full(shape, start, dtype=torch.float64), requires_grad=False)
        self.register_buffer("visits", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("columns", torch.arange(len(states.bins)))
        self.register_buffer("edges", torch.zeros(states.n_edges, dtype=torch.float64))

    def set_columns(self, columns: Sequence[int]) -> None:
        """Say which columns of `market` are binned: (features,)."""
        self.columns.copy_(torch.tensor(columns))

    def set_edges(self, edges: Array) -> None:
        """Say where the bins begin: (edges,), as `States.numbers` takes them."""
        self.edges.copy_(torch.from_numpy(edges))

    @property
    def values(self) -> Array:
        """(tables, states, choices), the table itself."""
        return np.asarray(self.table.detach().numpy())

    @property
    def counts(self) -> Numbers:
        """(tables, states, choices), the visits themselves."""
        return np.asarray(self.visits.numpy())

    def rows(self, observation: Mapping[str, Array]) -> Array:
        """The newest values of the features that are binned: (n, features)."""
        market = observation["market"]
        if self._bars is None:
            return np.asarray(market[:, -1][:, self.columns.numpy()])
        bars = to_bars(torch.as_tensor(market)).numpy()
        return np.asarray(self._bars[bars[:, None], self.columns.numpy()])

    def numbers(self, observation: Mapping[str, Array]) -> Numbers:
        """The states of a batch of observations: (n,)."""
        return self.states.numbers(self.rows(observation), observation["account"][:, 0], self.edges.numpy())

    def worth(self, states: Numbers) -> Array:
        """What every choice is worth in each state, by the mean of the tables: (n,) -> (n, choices)."""
        values = self.values
        return np.asarray(values[0, states] if len(values) == 1 else 0.5 * (values[0, states] + values[1, states]))

    def best(self, states: Numbers) -> Numbers:
        """The best choice of those that were tried: (n,) -> (n,)."""
        return np.asarray(self.worth_of_tried(states).argmax(axis=1))

    def judge(self, observation: Mapping[str, Array]) -> Judgement:
        """The best choice on each of a batch of observations for certain, and what it is worth."""
        worth = self.worth_of_tried(self.numbers(observation))
        best = worth.argmax(axis=1)
        return Judgement(best, certain(best, worth.shape[1]), worth.max(axis=1))

    def worth_of_tried(self, states: Numbers) -> Array:
        """What every choice that was tried is worth in each state: (n,) -> (n, choices), -inf of one that was not.

        What was never tried still has the value that it started with, which says nothing, and if it is optimistic would
        be taken. In a state that was never met, choices are worth what they are in the others of the same exposure.
        """
        worth = self.worth(states)
        tried = self.counts[:, states].sum(axis=0) > 0  # (n, choices)
        if not tried.all():
            met = tried.any(axis=1)
            worth = np.where(tried | ~met[:, None], worth, -np.inf)
            if not met.all():
                worth[~met] = self._elsewhere()[states[~met] % len(self.states.levels)]
        return worth

    def _elsewhere(self) -> Array:
        """The mean worth of every choice at each level of exposure, over all that was tried: (levels, choices)."""
        by_level = (-1, len(self.states.levels), self.values.shape[2])
        counts = self.counts.sum(axis=0).reshape(by_level)  # (bins, levels, choices)
        worth = self.values.mean(axis=0).reshape(by_level)
        total = counts.sum(axis=0)
        mean = np.where(total > 0, (worth * counts).sum(axis=0) / np.maximum(total, 1), -np.inf)
        return np.where(total.any(axis=1, keepdims=True), mean, worth.mean(axis=0))

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:
        del deterministic  # it is sure of itself either way
        return torch.from_numpy(self.best(self.numbers({name: part.numpy() for name, part in observation.items()})))
