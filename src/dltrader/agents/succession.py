"""A succession: policies that trade one account one after the other, each from a time on.

The account is never closed at a border. What one policy has bought the next one finds, keeps or sells, and only what it
changes costs anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dltrader.agents.policy import Policy
from dltrader.envs.contract import EnvConfig, FloatArray
from dltrader.envs.market import Market
from dltrader.errors import ConfigError
from dltrader.features import FittedPipeline


@dataclass(frozen=True, eq=False)
class Succession:
    """Policies by the times from which they decide; `on` a market it is one policy.

    Attributes:
        policies: Who decides, in order; one may decide several times. All see and do the same kinds of things.
        starts: The first bar of each, UTC; strictly increasing. Before the first of them the first policy decides.

    Raises:
        ConfigError: There are none, their numbers differ, or times do not increase.
        BundleError: They were trained to see or to do different things.
    """

    policies: Sequence[Policy]
    starts: Sequence[pd.Timestamp]

    def __post_init__(self) -> None:
        """Check that they can follow each other."""
        if not self.policies or len(self.policies) != len(self.starts):
            raise ConfigError(
                f"a succession needs a start for every policy, was given {len(self.policies)} policies and "
                f"{len(self.starts)} starts"
            )
        if any(later <= earlier for earlier, later in zip(self.starts[:-1], self.starts[1:], strict=True)):
            raise ConfigError(f"the starts of a succession must increase, were {', '.join(map(str, self.starts))}")
        first = self.env_config
        for policy in self.policies[1:]:
            found = getattr(policy, "env_config", None)
            if first is not None and found is not None:
                first.require_trained_alike(found)

    @property
    def name(self) -> str:
        """For titles and tables: the names that there are."""
        return " then ".join(dict.fromkeys(str(getattr(one, "name", type(one).__name__)) for one in self.policies))

    @property
    def env_config(self) -> EnvConfig | None:
        """The environment in which the first was trained."""
        return getattr(self.policies[0], "env_config", None)

    @property
    def pipeline(self) -> FittedPipeline | None:
        """What computes the features of the first."""
        return getattr(self.policies[0], "pipeline", None)

    def on(self, market: Market, config: EnvConfig) -> Policy:
        """The policy that trades a market from its first bar on, every part of it with features and scaling of its own.

        Args:
            market: What is traded.
            config: By which it was built.
        """
        computed: list[tuple[FittedPipeline, FloatArray]] = [(market.pipeline, market.features)]
        features = []
        for policy in self.policies:
            pipeline = getattr(policy, "pipeline", None) or market.pipeline
            found = next((matrix for known, matrix in computed if known == pipeline), None)
            if found is None:
                found = Market.build(market.bars, config, pipeline=pipeline, context=market.context).features
                computed.append((pipeline, found))
            features.append(found)
        return _OnMarket(
            tuple(self.policies),
            tuple(features),
            tuple(int(market.times.searchsorted(start)) for start in self.starts),
            market.first,
            config.window_bars,
        )


class _Place(NamedTuple):
    """Where a succession stands: its state between two decisions."""

    bar: int
    who: int
    memory: Any


@dataclass(frozen=True, eq=False)
class _OnMarket:
    """A succession on the bars of one market, which it counts from the first decision on.

    Attributes:
        policies: Who decides.
        features: (bars, features) of each.
        begins: The first bar of each.
        first: The bar of the first decision.
        window_bars: Rows that a policy sees.
    """

    policies: tuple[Policy, ...]
    features: tuple[FloatArray, ...]
    begins: tuple[int, ...]
    first: int
    window_bars: int

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, _Place]:
        """What the policy decides whose turn it is; one that takes over has no memory of what it has not seen."""
        del episode_start
        place = _Place(self.first - 1, -1, None) if state is None else state
        bar = place.bar + 1
        who = max(0, int(np.searchsorted(self.begins, bar, side="right")) - 1)
        # The same policy behind a border goes on as if there were none.
        begins = place.who < 0 or self.policies[who] is not self.policies[place.who]
        seen = {**observation, "market": self.features[who][bar + 1 - self.window_bars : bar + 1]}
        action, memory = self.policies[who].predict(
            seen,
            state=None if begins else place.memory,
            episode_start=np.array([begins]),
            deterministic=deterministic,
        )
        return action, _Place(bar, who, memory)
