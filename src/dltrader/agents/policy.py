"""The role every trader plays: something with `predict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Observation = Mapping[str, npt.NDArray[np.float32]]


@runtime_checkable
class Policy(Protocol):
    """What Stable-Baselines3 calls a policy; see also `Adapting`."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """The action for one observation or for a batch of them.

        Args:
            observation: What the environment shows: "market" (window, features) and "account" (n,), batched or not.
            state: What the policy returned last, for those with a memory; None at the start of an episode.
            episode_start: (batch,) bool, true where an episode begins.
            deterministic: Whether to take the likeliest action rather than to draw one.

        Returns:
            The action, or a batch of them, and the policy's state.
        """
        ...


@runtime_checkable
class Adapting(Protocol):
    """A policy that needs to see or do other things than the configuration says, at the same costs and cash."""

    def adapt(self, config: Any) -> Any:
        """The `EnvConfig` under which the policy works, made from the one given."""
        ...
