"""Shared encodings: bars are what is encoded, not samples, for actions do not move the market.

In an update every distinct bar of a minibatch is encoded once. While a rollout is collected the weights stand still, so
there every bar is encoded once for the whole rollout.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dltrader.agents.bars import BarSpace

AHEAD = 32
"""Bars encoded along with the one that a lane has reached: few large batches instead of many small ones."""

BATCH = {"cpu": 256, "cuda": 4096}
"""Windows encoded at a time. On a CPU they are to stay in the cache of a core: an LSTM of 64 units takes half the time
for a window, backward pass included, in batches of 256 instead of 1 536. A GPU wants them large."""

Encode = Callable[[Tensor], Tensor]
"""(batch, window, features) -> (batch, features_dim)."""


class BarEncoder(nn.Module):
    """Encodes bars by looking up their windows, equal bars once.

    It has no parameters, and its matrix is not saved: the weights of a network that has one are those of the network
    that is shown windows. With dropout, equal bars of a minibatch lose the same units.

    Shapes: (batch,) -> (batch, features_dim).

    Args:
        space: Has the matrix and says how long a window is.
    """

    rows: Tensor

    def __init__(self, space: BarSpace) -> None:
        super().__init__()
        self._n_bars, self._n_features = space.features.shape
        self._window_bars = space.window_bars
        self.register_buffer("rows", _shared(space.features).flatten(), persistent=False)
        self._kept: _Kept | None = None

    def forward(self, bars: Tensor, encode: Encode) -> Tensor:
        """Encode bars.

        Args:
            bars: (batch,) int64, indices of the windows' last bars.
            encode: The network for windows.
        """
        if self._kept is not None and not self.training and not torch.is_grad_enabled():
            return self._kept_for(self._kept, bars, encode)
        distinct, inverse = torch.unique(bars, return_inverse=True)
        encoded = torch.cat([encode(self.windows(part)) for part in distinct.split(self._batch)])
        # Indexing by brackets does the same in more than twice the time, backward pass included.
        return encoded.index_select(0, inverse)  # (batch, features_dim)

    def windows(self, bars: Tensor) -> Tensor:
        """The windows that end with these bars: (n,) -> (n, window, features)."""
        size = self._window_bars * self._n_features
        # Windows overlap in a view, in which each is one run of memory: copied at once, not row by row. The view is
        # made here because the overlap would not survive a move to another device.
        view = self.rows.as_strided((self._n_bars - self._window_bars + 1, size), (self._n_features, 1))
        # Zeros that a recurrent learner pads its sequences with are no bar: they get a window, and no weight in a loss.
        first = (bars - (self._window_bars - 1)).clamp(min=0)
        return view.index_select(0, first).view(-1, self._window_bars, self._n_features)

    def freeze(self, steps: int) -> None:
        """Keep what is encoded without gradients in evaluation mode, until `thaw`; the weights must not change.

        Args:
            steps: Bars that every lane is going to step.
        """
        self._kept = _Kept(self._n_bars, steps, self.rows.device)

    def advance(self) -> None:
        """Take note that the lanes have stepped one bar, if frozen."""
        if self._kept is not None:
            self._kept.steps -= 1

    def thaw(self) -> None:
        """Forget what was kept."""
        self._kept = None

    @property
    def _batch(self) -> int:
        return BATCH.get(self.rows.device.type, BATCH["cuda"])

    def _kept_for(self, kept: _Kept, bars: Tensor, encode: Encode) -> Tensor:
        places = kept.places.index_select(0, bars)
        missing = bars[places < 0]
        if len(missing):
            ahead = torch.arange(min(AHEAD, kept.steps + 1), device=bars.device)
            wanted = torch.unique(missing.unsqueeze(1) + ahead)  # (missing, ahead) -> (wanted,)
            wanted = wanted[wanted < self._n_bars]
            wanted = wanted[kept.places.index_select(0, wanted) < 0]
            for part in wanted.split(self._batch):
                kept.add(part, encode(self.windows(part)))
            places = kept.places.index_select(0, bars)
        return kept.encoded.index_select(0, places)


class _Kept:
    """Encodings of some bars of a matrix; it takes room for these, not for all.

    Attributes:
        steps: Bars that every lane has still to step.
        places: (bars,) int32, the row of every bar in `encoded`, or -1.
        encoded: (room, features_dim), filled from the top.
    """

    def __init__(self, n_bars: int, steps: int, device: torch.device) -> None:
        self.steps = steps
        self.places = torch.full((n_bars,), -1, dtype=torch.int32, device=device)
        self.encoded = torch.empty((0, 0), device=device)
        self._used = 0

    def add(self, bars: Tensor, encoded: Tensor) -> None:
        """Keep (n, features_dim) under (n,) bars."""
        end = self._used + len(bars)
        if end > len(self.encoded):
            grown = encoded.new_empty((max(end, 2 * len(self.encoded)), encoded.shape[1]))
            if self._used:
                grown[: self._used] = self.encoded[: self._used]
            self.encoded = grown
        self.encoded[self._used : end] = encoded
        self.places[bars] = torch.arange(self._used, end, dtype=torch.int32, device=bars.device)
        self._used = end


def _shared(features: npt.NDArray[np.float32]) -> Tensor:
    """A matrix as a tensor on the same memory."""
    with warnings.catch_warnings():
        # Torch knows no read-only tensors and warns of arrays that are; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(features)
