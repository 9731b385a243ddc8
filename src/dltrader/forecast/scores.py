"""Scores of probabilities: how much they say of what came, and how far they can be taken at their word.

Probabilities are (n, classes), rows sum to 1, or (n,), that of class 1 of two. Classes are (n,) whole numbers. A score
is proper where nobody expects to better it by saying something else than what they believe: log loss and Brier score
are, the calibration error is not, which the base rate alone can make zero.
Source of the notion: Gneiting and Raftery 2007, Strictly Proper Scoring Rules, Prediction, and Estimation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dltrader.forecast.vote import Array

Classes = npt.NDArray[np.integer]

LEAST_PROBABILITY = 1e-15
"""What is said to be impossible is scored as this likely, so that one surprise does not make a mean infinite."""


def log_loss(probabilities: Array, classes: Classes) -> float:
    """Mean of -ln p of what came, in nats; nan of nothing. Good 1952; 0 is perfect, ln k knows nothing of k classes."""
    return _mean(log_losses(probabilities, classes))


def log_losses(probabilities: Array, classes: Classes) -> Array:
    """-ln p of what came, one by one: (n,); of two forecasts on the same bars, the differences can be tested."""
    given: Array = by_class(probabilities)[np.arange(len(classes)), classes]
    losses: Array = -np.log(np.maximum(given, LEAST_PROBABILITY))
    return losses


def brier_score(probabilities: Array, classes: Classes) -> float:
    """Mean squared distance of the probabilities from what came; nan of nothing.

    Of (n,) probabilities it is the mean of (p - y)^2, in [0, 1], as scikit-learn's `brier_score_loss` has it; of
    (n, classes) that of the sum over classes, in [0, 2], which for two classes is twice as much. Brier 1950.
    """
    if probabilities.ndim == 1:
        return _mean((probabilities - classes) ** 2)
    came = np.eye(probabilities.shape[1])[classes]  # (n, classes)
    return _mean(((probabilities - came) ** 2).sum(axis=1))


def calibration_error(probabilities: Array, classes: Classes, *, bins: int = 10) -> float:
    """Expected calibration error: mean over forecasts of |said - came| of the bin that each falls into; nan of nothing.

    Of (n,) probabilities it asks how often class 1 came, of (n, classes) how often the likeliest class did. Bins are
    equally wide. Sampling error alone makes it about sqrt(2 / pi) times the mean over bins of sqrt(p (1 - p) / count).
    Source: Guo, Pleiss, Sun and Weinberger 2017, arXiv 1706.04599, section 2.
    """
    table = reliability(probabilities, classes, bins=bins)
    if not table.counts.sum():
        return math.nan
    filled = table.counts > 0
    gaps = np.abs(table.said[filled] - table.came[filled])
    return float((gaps * table.counts[filled]).sum() / table.counts.sum())


@dataclass(frozen=True, eq=False)
class Reliability:
    """What was said against what came, a row a bin of what was said.

    Attributes:
        edges: (bins + 1,), from 0 to 1.
        counts: (bins,), forecasts that fell into each; a bin has its upper edge and not its lower one.
        said: (bins,), their mean probability; nan in an empty bin.
        came: (bins,), how often it came; nan in an empty bin.
    """

    edges: Array
    counts: npt.NDArray[np.int64]
    said: Array
    came: Array


def reliability(probabilities: Array, classes: Classes, *, bins: int = 10) -> Reliability:
    """The calibration curve, over equally wide bins: of class 1, or of (n, classes) of the likeliest class."""
    said, came = _asked(probabilities, classes)
    edges = np.linspace(0.0, 1.0, bins + 1)
    where = np.clip(np.searchsorted(edges, said, side="left") - 1, 0, bins - 1)
    counts = np.bincount(where, minlength=bins)
    full = np.maximum(counts, 1)
    means = [np.bincount(where, values, minlength=bins) / full for values in (said, came)]
    said_mean, came_mean = (np.where(counts > 0, mean, np.nan) for mean in means)
    return Reliability(edges, counts.astype(np.int64), said_mean, came_mean)


def base_rates(classes: Classes, n_classes: int) -> Array:
    """How often each class came: (n_classes,); equally often where there is nothing to count."""
    counts = np.bincount(classes, minlength=n_classes).astype(np.float64)
    rates: Array = counts / counts.sum() if counts.sum() else np.full(n_classes, 1.0 / n_classes)
    return rates


def base_rate_log_loss(train: Classes, classes: Classes, n_classes: int = 3) -> float:
    """Log loss of who always says how often each class came in training: what a forecaster has to beat.

    Args:
        train: Classes that the rates are counted in.
        classes: Classes that they are scored on.
        n_classes: How many there can be: 3 sides, 2 for wins.
    """
    rates = base_rates(train, n_classes)
    return log_loss(np.broadcast_to(rates, (len(classes), n_classes)), classes)


def by_class(probabilities: Array) -> Array:
    """(n, classes) of either form of probabilities."""
    return np.column_stack([1.0 - probabilities, probabilities]) if probabilities.ndim == 1 else probabilities


def _asked(probabilities: Array, classes: Classes) -> tuple[Array, Array]:
    """What was said of each bar's question, and 1 where it came: (n,) each."""
    if probabilities.ndim == 1:
        return probabilities, (classes == 1).astype(np.float64)
    likeliest = probabilities.argmax(axis=1)
    return probabilities.max(axis=1), (likeliest == classes).astype(np.float64)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan
