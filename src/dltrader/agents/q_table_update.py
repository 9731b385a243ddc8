"""What one step teaches a table: errors, shared out along the trails that led to them, over all lanes at once.

- *error*: what a choice turned out to be worth, less what the table said
- *trail*: the last choices of a lane, which an error is put down to as well
- *weight*: how much of it: 1 for the newest choice, and γλ less for each one before

Sources: Watkins and Dayan 1992, "Q-learning", Machine Learning 8; Watkins 1989, "Learning from delayed rewards"
(Q(λ), whose trails end where a choice was not the best); Singh and Sutton 1996, Machine Learning 22 (replacing traces);
van Hasselt 2010, "Double Q-learning", NeurIPS.
"""

from __future__ import annotations

import math

import numpy as np

from dltrader.agents.q_table_states import Array, Numbers

LEAST_WEIGHT = 0.01
"""Where a weight has fallen to this, the trail ends."""

LONGEST_TRAIL = 64
"""And after so many bars whatever the weight: what a step costs grows with it."""


class Trails:
    """The last choices of every lane with their weights.

    Args:
        n_lanes: Lanes.
        decay: γλ, by which weights fall with every bar; 0 keeps the newest choice only.

    Attributes:
        places: (length, lanes) places of choices in the table, in no order.
        weights: (length, lanes) 1 for the newest; 0 where nothing is.
        newest: The row that was written last.
    """

    def __init__(self, n_lanes: int, decay: float) -> None:
        length = LONGEST_TRAIL
        if decay < 1.0:
            length = 1 if decay == 0.0 else math.ceil(math.log(LEAST_WEIGHT) / math.log(decay))
        self.decay = decay
        self.places = np.zeros((min(max(length, 1), LONGEST_TRAIL), n_lanes), np.int64)
        self.weights = np.zeros(self.places.shape)
        self.newest = 0

    def add(self, places: Numbers, kept: Array) -> None:
        """Put a choice of every lane at the head of its trail.

        Args:
            places: (lanes,) where it stands in the table; where it stood on the trail before, it is replaced.
            kept: (lanes,) bool, whether what came before stays: not if this choice was not the best.
        """
        self.newest = (self.newest + 1) % len(self.places)
        self.weights *= self.decay * kept
        self.weights[self.places == places] = 0.0
        self.places[self.newest] = places
        self.weights[self.newest] = 1.0

    def clear(self, lanes: Array) -> None:
        """Forget the trails of some lanes, (lanes,) bool: their episodes are over."""
        self.weights[:, lanes] = 0.0


def targets(values: Array, chosen: Numbers, after: Numbers, rewards: Array, discount: Array) -> Array:
    """What choices turned out to be worth: the reward, and the discounted worth of the state that they led to.

    With two tables the one that is taught says which choice is best there, and the other what it is worth, so that
    luck which made a choice look best does not also make it look worth more than it is.

    Args:
        values: (tables, states, choices).
        chosen: (lanes,) the table that is taught.
        after: (lanes,) states come to.
        rewards: (lanes,).
        discount: (lanes,) gamma, or 0 where nothing follows.
    """
    if len(values) == 1:
        following = values[0, after].max(axis=1)
    else:
        following = values[1 - chosen, after, values[chosen, after].argmax(axis=1)]
    return np.asarray(rewards + discount * following)


class Teacher:
    """Moves the values of a table towards their targets, each once, however many lanes it concerns.

    `n` lanes with the same choice in the same state move its value as far as they would one after the other,
    1 - (1 - step)^n of the way to the mean of their targets: never beyond it, as the sum of their steps would.

    Args:
        values: (places,) the table, flat; it is changed in place.
    """

    def __init__(self, values: Array) -> None:
        self._values = values
        # As large as the table, so that duplicates are found without sorting; only what is touched is ever read.
        self._mass, self._pull = np.zeros_like(values), np.zeros_like(values)

    def teach(self, places: Numbers, weights: Array, errors: Array, step: float | Array) -> None:
        """Take errors into account.

        Args:
            places: (n,) places in the table; some may be the same.
            weights: (n,) above 0: how much of an error concerns the place.
            errors: (n,) target less value.
            step: Share of an error of weight 1 that is made up for, in (0, 1]; or one for each, (n,), equal where
                places are.
        """
        self._mass[places] = self._pull[places] = 0.0
        np.add.at(self._mass, places, weights)
        np.add.at(self._pull, places, weights * errors)
        mass = self._mass[places]
        share = 1.0 - (1.0 - step) ** mass
        self._values[places] += share * self._pull[places] / mass  # equal places are given equal values
