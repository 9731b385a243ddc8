"""Reading: what a member takes of the window that an ensemble is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dltrader.errors import BundleError
from dltrader.registry import did_you_mean

Matrix = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]


def require_columns(member: str, own: Sequence[str], shown: Sequence[str]) -> None:
    """Check that a member is shown the features that it reads.

    Raises:
        BundleError: One is not there.
    """
    lacking = next((column for column in own if column not in shown), None)
    if lacking is not None:
        raise BundleError(
            f"the member {member} reads the feature {lacking!r}, which the ensemble does not show; train it on the "
            f"ensemble's features{did_you_mean(lacking, shown)}"
        )


def places_of(own: Sequence[str], shown: Sequence[str] | None) -> Places | None:
    """Where a member's columns are among those shown: (columns,); None where they are all that is shown."""
    if shown is None or tuple(shown) == tuple(own):
        return None
    return np.array([shown.index(column) for column in own], np.intp)


def read(member: str, market: Matrix, rows: int, shown: Sequence[str] | None, places: Places | None) -> Matrix:
    """The newest rows and the own columns of windows: (n, rows, columns), one row after the other in memory.

    Args:
        member: Its name, for the message.
        market: (n, rows or more, columns shown), the newest row last.
        rows: That it reads.
        shown: The columns of the windows; None: its own.
        places: Of `places_of`.

    Raises:
        BundleError: The windows are too short, or of other columns.
    """
    if market.ndim != 3 or market.shape[1] < rows or (shown is not None and market.shape[2] != len(shown)):
        columns = "" if shown is None else f" and {len(shown)} columns"
        raise BundleError(
            f"the member {member} reads windows of {rows} rows or more{columns}, was given an array of shape "
            f"{market.shape}; show it (n, rows, columns)"
        )
    newest = market[:, market.shape[1] - rows :]
    # Of equal layout whoever cut the window: how numbers lie in memory may decide about the last bit of a result.
    return np.ascontiguousarray(newest if places is None else newest.take(places, axis=2))
