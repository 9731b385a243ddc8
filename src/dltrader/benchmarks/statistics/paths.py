"""Returns whose Sharpe ratio is known, and which depend on those before them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Array = npt.NDArray[np.float64]
Paths = Callable[[np.random.Generator, int, int], Array]
"""Draws (paths, bars) with mean 0 and variance 1, from a generator, a number of paths and one of bars."""

BURN_IN = 500
"""Bars before the first, after which a variance has forgotten where it began."""


def autoregressive(phi: float) -> Paths:
    """x_t = phi x_{t-1} + e_t, with normal e."""

    def draw(generator: np.random.Generator, paths: int, bars: int) -> Array:
        shocks = generator.standard_normal((paths, bars))
        shocks[:, 1:] *= np.sqrt(1.0 - phi**2)  # the first is drawn as any other, from variance 1
        return np.asarray(lfilter([1.0], [1.0, -phi], shocks, axis=1), np.float64)

    return draw


def garch(alpha: float, beta: float, *, freedom: float | None = None) -> Paths:
    """x_t = s_t e_t with s_t^2 = (1 - alpha - beta) + alpha x_{t-1}^2 + beta s_{t-1}^2.

    Source: Bollerslev 1986, "Generalized autoregressive conditional heteroskedasticity", Journal of Econometrics 31(3).

    Args:
        alpha: Weight of the last square.
        beta: Weight of the last variance.
        freedom: Degrees of freedom, above 2, of Student's t from which e is drawn, with variance 1; None is normal.
    """

    def draw(generator: np.random.Generator, paths: int, bars: int) -> Array:
        shape = (BURN_IN + bars, paths)
        if freedom is None:
            shocks = generator.standard_normal(shape)
        else:
            shocks = generator.standard_t(freedom, shape) * np.sqrt((freedom - 2.0) / freedom)
        drawn = np.empty(shape)
        variance = np.ones(paths)
        for bar, shock in enumerate(shocks):
            drawn[bar] = np.sqrt(variance) * shock
            variance = 1.0 - alpha - beta + alpha * drawn[bar] ** 2 + beta * variance
        return np.ascontiguousarray(drawn[BURN_IN:].T)

    return draw


PATHS: dict[str, Paths] = {
    "AR(1), phi 0.1": autoregressive(0.1),
    "AR(1), phi 0.2": autoregressive(0.2),
    "AR(1), phi 0.3": autoregressive(0.3),
    "GARCH(1,1), normal": garch(0.10, 0.85),
    "GARCH(1,1), Student t(6)": garch(0.08, 0.90, freedom=6.0),
}
