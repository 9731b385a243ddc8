"""The stationary bootstrap: whole stretches of returns are drawn, so that what depends on each other stays together.

Sources: Politis and Romano 1994, "The stationary bootstrap", Journal of the American Statistical Association 89(428);
Politis and White 2004, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23(1),
corrected in 28(4) of 2009. Both are those of arch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dltrader.errors import ConfigError, MissingExtraError
from dltrader.evaluation.metrics import ROUNDING

Array = npt.NDArray[np.float64]
CHUNK_ELEMENTS = 2_000_000
"""Numbers drawn at once: 16 MB."""
FEWEST = 20
"""Returns below which nothing can be said about how they depend on each other."""


def draws_of(n: int, *, block: float, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions of returns, drawn in blocks of random length from a circle.

    Args:
        n: Returns.
        block: Mean length of a block, at least 1.
        resamples: Rows in all.
        seed: Of the draws.

    Yields:
        (rows, n) each as many rows as fit in memory.
    """
    if resamples < 1:
        raise ConfigError(f"resamples must be 1 or more, was {resamples}")
    if not block >= 1.0:
        raise ConfigError(f"block must be 1 return or more, was {block:g}")
    generator = np.random.default_rng(seed)
    bootstrap = _arch().StationaryBootstrap(block, np.zeros(n), seed=generator)
    rows = max(1, CHUNK_ELEMENTS // n)
    for start in range(0, resamples, rows):
        yield np.stack([bootstrap.update_indices() for _ in range(min(rows, resamples - start))])


def optimal_blocks(series: npt.ArrayLike) -> Array:
    """The mean block length that suits each of (n,) or (n, k) series, at least 1; 1 for one that never varies."""
    columns = np.asarray(series, np.float64).reshape(len(np.asarray(series)), -1)
    found = np.ones(columns.shape[1])
    varied = np.ptp(columns, axis=0) > ROUNDING
    # arch looks at autocorrelations up to the root of n: too few returns have none.
    if varied.any() and len(columns) >= FEWEST:
        found[varied] = np.fmax(_arch().optimal_block_length(columns[:, varied])["stationary"].to_numpy(), 1.0)
    return found


def _arch() -> Any:
    try:
        import arch.bootstrap  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError("arch", "report") from None
    return arch.bootstrap
