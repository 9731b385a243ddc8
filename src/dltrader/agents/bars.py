"""Bars by name: an observation that gives the index of a bar in a matrix instead of a window cut out of it.

A window of 32 bars with 16 features takes 2 KiB, and a rollout holds thousands of them; its last bar says as much.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

PAGE = 4096
"""Bars on a page. Stable-Baselines3 makes every observation float32, which counts without gaps only to 2^24 = 16.8
million; page and row as two numbers count to 2^36."""

Numbers = npt.NDArray[np.float32]


def to_numbers(bars: npt.ArrayLike) -> Numbers:
    """Indices as float32 tells them apart, page and row: (…,) -> (…, 2)."""
    return np.stack(np.divmod(bars, PAGE), axis=-1).astype(np.float32)


def to_bars(numbers: torch.Tensor) -> torch.Tensor:
    """The indices again: (…, 2) -> (…,) int64."""
    page, row = numbers.long().unbind(-1)
    return page * PAGE + row


class BarSpace(spaces.Box):  # noqa: PLW1641 - spaces have no hash
    """The space of `market` where a bar is named instead of its window shown.

    Whoever reads such an observation finds the windows here, so a network built for this space knows them.

    Args:
        features: (bars, features) float32, one row after the other in memory; it is shared, never copied or written to.
        window: The space of windows, (window_bars, features): what an observation would show otherwise.

    Attributes:
        features: The matrix.
        window: The space of windows.
    """

    def __init__(self, features: npt.NDArray[np.float32], window: spaces.Box) -> None:
        self.features = features
        self.window = window
        pages = (len(features) - 1) // PAGE
        super().__init__(np.zeros(2, np.float32), np.array([pages, PAGE - 1], np.float32), dtype=np.float32)

    @property
    def window_bars(self) -> int:
        """Bars in a window."""
        return self.window.shape[0]

    def sample(self, mask: None = None, probability: None = None) -> Any:
        """Any bar that ends a window."""
        del mask, probability
        return to_numbers(self.np_random.integers(self.window_bars - 1, len(self.features)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: the matrix lives once, however often an algorithm copies its spaces."""
        return self

    def __eq__(self, other: object, /) -> bool:
        """Whether the other names the same bars."""
        return (
            isinstance(other, BarSpace)
            and self.window == other.window
            and (self.features is other.features or np.array_equal(self.features, other.features, equal_nan=True))
        )

    def __repr__(self) -> str:
        """How many bars there are, and what a window is."""
        return f"BarSpace({len(self.features)} bars, window={self.window})"


def names_bars(space: spaces.Space[Any]) -> bool:
    """Whether observations of a space name a bar."""
    return isinstance(space, spaces.Dict) and any(isinstance(part, BarSpace) for part in space.values())


def windowed(space: spaces.Dict) -> spaces.Dict:
    """The space of the same observations with their windows shown."""
    return spaces.Dict({name: part.window if isinstance(part, BarSpace) else part for name, part in space.items()})
