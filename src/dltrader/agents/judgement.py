"""A judgement: what a learner's networks say of bars, beside the action that they take.

The actor tells how likely it was to do what, the critic what it expects of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

if TYPE_CHECKING:
    from dltrader.agents.policy import Policy

Array = npt.NDArray[np.float64]


class Gaussian(NamedTuple):
    """Normally distributed numbers, of which actions are made.

    Attributes:
        mean: (n, numbers).
        deviation: (n, numbers), standard deviation; 0 where nothing is left to chance.
        squashed: Whether the hyperbolic tangent of a number is the action, which is otherwise cut to [-1, 1].
    """

    mean: Array
    deviation: Array
    squashed: bool = False


class Judgement(NamedTuple):
    """What is said of n bars.

    Attributes:
        action: The likeliest action of each, as `predict` gives it.
        odds: (n, choices), the probability of each choice, rows sum to 1; or of numbers their distribution.
        value: (n,), expected discounted sum of the rewards to come, in the scale that was learned in; None without a
            critic.
        state: To be given back on the next bar; None without a memory.
    """

    action: Any
    odds: Array | Gaussian
    value: Array | None = None
    state: Any = None


def certain(choices: Any, n_choices: int) -> Array:
    """The odds of who leaves nothing to chance: (n,) -> (n, n_choices)."""
    odds: Array = np.eye(n_choices)[np.asarray(choices, np.int64)]
    return odds


def judge_by_action(
    policy: Policy, space: spaces.Space[Any], observation: Any, state: Any, episode_start: Any
) -> Judgement:
    """What can be said of anything with `predict`: its action for certain, and no value.

    Args:
        policy: Who decides.
        space: Of its actions, Discrete or Box.
        observation: A batch of observations.
        state: What it gave last.
        episode_start: (n,) bool.
    """
    action, state = policy.predict(observation, state, episode_start, deterministic=True)
    if isinstance(space, spaces.Discrete):
        return Judgement(action, certain(action, int(space.n)), state=state)
    mean = np.asarray(action, np.float64)
    return Judgement(action, Gaussian(mean, np.zeros_like(mean)), state=state)
