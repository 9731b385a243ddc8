"""What samples must have for anything to be learned from them."""

from __future__ import annotations

import numpy as np

from dltrader.errors import BarsError
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import SIDES


def require_enough(train: Samples, validation: Samples, least: int, learner: str) -> None:
    """Check that there is enough to learn from, and anything to stop by.

    Args:
        train: To learn from.
        validation: To stop by and to calibrate on.
        least: So many are needed to learn from.
        learner: As the message calls what learns.

    Raises:
        BarsError: There are fewer, or none to validate on.
    """
    if len(train) < least:
        raise BarsError(
            f"{learner} has {len(train)} rows to learn from, and needs at least {least}; load more bars, or choose "
            "shorter features, window_bars or horizons"
        )
    if not len(validation):
        raise BarsError(
            f"{learner} has no row to validate on; load more bars, or let validation begin earlier or end later"
        )


def require_sides(train: Samples, learner: str) -> None:
    """Check that more than one side occurs among what is learned from.

    Raises:
        BarsError: All samples have the same.
    """
    found = np.unique(train.side)
    if len(found) < 2:
        raise _one_class(learner, len(train), SIDES[int(found[0])])


def require_wins(train: Samples, horizon: int, learner: str) -> None:
    """Check that trades over a horizon both win and lose among what is learned from.

    Raises:
        BarsError: All do the same.
    """
    found = np.unique(train.wins[horizon])
    if len(found) < 2:
        what = "a win" if found[0] else "no win"
        raise _one_class(learner, len(train), f"{what} over {horizon} bars")


def _one_class(learner: str, n_samples: int, found: str) -> BarsError:
    return BarsError(
        f"{learner} has one label only to learn: all {n_samples} rows are {found}; load other bars, or choose a longer "
        "horizon, lower costs or another rule in labels"
    )
