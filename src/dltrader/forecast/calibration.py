"""Calibration: one number, fitted on bars that were not learned from, which makes probabilities mean what they say.

A temperature T divides what a model says by how sure it may be of it: above 1 it is less sure than it said. Logits are
divided around those of the base rates, p_k ~ b_k (q_k / b_k)^(1/T), so that a model that turns out to know nothing is
left with how often each class comes, not with equal chances; with equal base rates it is the usual temperature.
Source: Guo, Pleiss, Sun and Weinberger 2017, arXiv 1706.04599, section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dltrader.errors import BundleError
from dltrader.forecast.scores import LEAST_PROBABILITY, Classes, by_class
from dltrader.forecast.vote import Array

HOTTEST, COLDEST = 1e4, 0.05
"""Temperatures between which one is looked for; at the hottest nothing is left but the base rates."""

PULL = 10.0
"""How firmly 1/T is held to 1, as one over a variance, in nats: before anything is seen, 1 give or take 0.3. A few bars
that all went well would else make any forecaster sure of itself."""

HALVINGS = 60
"""Of the interval in which the best sharpness is looked for: more change no bit of it."""


@dataclass(frozen=True)
class Temperature:
    """Makes probabilities of what a model says.

    Attributes:
        value: T; 1 leaves probabilities as they are.
        base: Base rates of the classes that it turns to as it grows; None: equal chances.
    """

    value: float = 1.0
    base: tuple[float, ...] | None = None

    @classmethod
    def fit(cls, logits: Array, classes: Classes, *, base: Sequence[float] | None = None) -> Self:
        """The temperature of the least log loss, drawn a little towards 1; of nothing, 1.

        The sum of log losses and `PULL` / 2 (1/T - 1)^2 is convex in 1/T, so there is one best, found by halving the
        interval in which its slope changes sign. On the bars that it is fitted on its log loss is never above that of
        T = 1.

        Args:
            logits: (n, classes), or what `logits_of` makes of probabilities.
            classes: (n,), what came.
            base: Base rates of the classes.
        """
        centre = cls._centre(base)
        away = logits - centre  # (n, classes)
        came = away[np.arange(len(classes)), classes]

        def slope(sharpness: float) -> float:
            """Derivative by 1/T of the sum of log losses and the pull."""
            expected = (_softmax(centre + sharpness * away) * away).sum(axis=1)
            return float((expected - came).sum()) + PULL * (sharpness - 1.0)

        low, high = 1.0 / HOTTEST, 1.0 / COLDEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        # Of nothing the halves would close in on 1 and miss it by a bit.
        value = 2 / (low + high) if len(classes) else 1.0
        return cls(value, None if base is None else tuple(float(rate) for rate in base))

    def probabilities(self, logits: Array) -> Array:
        """What may be believed: (n, classes), rows sum to 1."""
        centre = self._centre(self.base)
        return _softmax(centre + (logits - centre) / self.value)

    def of_probabilities(self, probabilities: Array) -> Array:
        """The same of what a model says in probabilities, (n, classes) or (n,) of class 1 of two, in the same form."""
        calibrated = self.probabilities(logits_of(probabilities))
        return calibrated[:, 1] if probabilities.ndim == 1 else calibrated

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` turns into an equal temperature."""
        return {"value": self.value, "base": None if self.base is None else list(self.base)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            BundleError: They are not those of a temperature.
        """
        try:
            base = values["base"]
            made = cls(float(values["value"]), None if base is None else tuple(float(rate) for rate in base))
        except (KeyError, TypeError, ValueError):
            raise BundleError(f"found {values!r}, a temperature has a value and a base; save the model again") from None
        if not (made.value > 0 and np.isfinite(made.value) and all(0 <= rate <= 1 for rate in made.base or ())):
            raise BundleError(f"a temperature is above 0 and base rates lie in [0, 1], found {values!r}")
        return made

    @staticmethod
    def _centre(base: Sequence[float] | None) -> Array | float:
        return 0.0 if base is None else np.log(np.maximum(base, LEAST_PROBABILITY))


def logits_of(probabilities: Array) -> Array:
    """Logits, (n, classes), of probabilities in either form: (n, classes), or (n,) of class 1 of two."""
    logits: Array = np.log(np.maximum(by_class(probabilities), LEAST_PROBABILITY))
    return logits


def _softmax(logits: Array) -> Array:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = odds / odds.sum(axis=1, keepdims=True)
    return shares
