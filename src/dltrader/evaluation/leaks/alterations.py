"""Other bars in place of those that must not be known: plausible ones, so that no feature fails on them.

Each kind is a whole other history at the same times and near the same prices, made once; an alteration takes the bars
of it at some times. `scaled` multiplies every bar by a factor of its own, `shuffled` puts the bars of each month in
another place, `replaced` draws random walks. `removed` leaves the bars out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.evaluation.leaks.tables import Frames, Rows

KINDS = ("scaled", "shuffled", "replaced", "removed")

CHUNK = 21
"""Bars within which a shuffle or a walk stays near the price."""

FACTOR = 0.1
"""Standard deviation of the logarithm of a factor."""

Columns: TypeAlias = npt.NDArray[np.float64]
PRICES = ["open", "high", "low", "close"]


@dataclass(frozen=True, eq=False)
class Altered:
    """Bars and other histories of them.

    Attributes:
        frames: The bars as they are.
        clock: The times by which bars are counted: those of the instruments traded.
        others: Kind -> other bars at the same times.
    """

    frames: Frames
    clock: pd.DatetimeIndex
    others: Mapping[str, Frames]

    @classmethod
    def of(cls, frames: Frames, clock: pd.DatetimeIndex, seed: int = 0) -> Altered:
        """Make the other histories of all instruments, drawn from a seed."""
        others: dict[str, Frames] = {}
        for kind, make in _MAKERS.items():
            drawn = {}
            for name, frame in frames.items():
                generator = np.random.default_rng([seed, zlib.crc32(f"{kind} {name}".encode())])
                drawn[name] = frame.assign(**make(frame, generator))
            others[kind] = drawn
        return cls(frames, clock, others)

    def where(self, hidden: npt.NDArray[np.bool_], kind: str) -> dict[str, pd.DataFrame]:
        """The bars, with others in place of those that are hidden.

        Args:
            hidden: (clock,) which; a bar between two times of the clock goes with the later one, as nobody knows it
                before.
            kind: One of `KINDS`.
        """
        result = {}
        for name, frame in self.frames.items():
            place = np.minimum(self.clock.searchsorted(frame.index), len(self.clock) - 1)
            masked = hidden[place]
            if kind == "removed":
                result[name] = frame.loc[~masked]
                continue
            other = self.others[kind][name]
            columns = list(frame.columns)
            values = np.where(masked[:, None], other[columns].to_numpy(), frame.to_numpy())
            result[name] = pd.DataFrame(values, frame.index, columns)
        return result

    def after(self, row: int, kind: str, keep: int | None = None) -> dict[str, pd.DataFrame]:
        """The bars up to a row of the clock, and others from then on.

        Args:
            row: The last bar that stays.
            kind: One of `KINDS`.
            keep: Leave only so many of the others; None for all.
        """
        frames = self.where(np.arange(len(self.clock)) > row, kind)
        if keep is None or row + keep + 1 >= len(self.clock):
            return frames
        return {name: frame.loc[frame.index <= self.clock[row + keep]] for name, frame in frames.items()}

    def close_of(self, row: int, kind: str, keep: int | None = None) -> dict[str, pd.DataFrame]:
        """As `after`, and the bar of the row itself closes elsewhere within its range: it is known to its open only."""
        frames = self.after(row, kind, keep)
        for frame in frames.values():
            place = frame.index.get_indexer(self.clock[row : row + 1])
            if place[0] >= 0:
                high, low, close = (float(frame[name].to_numpy()[place[0]]) for name in ("high", "low", "close"))
                frame.iloc[place[0], list(frame.columns).index("close")] = other_close(high, low, close)
        return frames

    def comb(self, offset: int, memory: int, gap: int, kind: str) -> tuple[dict[str, pd.DataFrame], Rows]:
        """Blocks of `memory` bars that stay and of `gap` others between them, and the last rows of the blocks.

        What remembers no more than a block must be the same at the last bar of each as over the whole bars.
        """
        n_bars, period = len(self.clock), memory + gap
        rows = np.arange(n_bars)
        return self.where((rows - offset - 1) % period < gap, kind), rows[offset::period]


def other_close(high: float, low: float, close: float) -> float:
    """Another close within a bar's range: the end of it that is further away."""
    return low if close > (low + high) / 2 else high


def _scaled(frame: pd.DataFrame, generator: np.random.Generator) -> dict[str, Columns]:
    factors, volumes = (np.exp(_away_from_zero(generator.normal(0.0, sd, len(frame)))) for sd in (FACTOR, 5 * FACTOR))
    return {name: frame[name].to_numpy() * factors for name in PRICES} | {
        "volume": np.rint(frame["volume"].to_numpy() * volumes)
    }


def _shuffled(frame: pd.DataFrame, generator: np.random.Generator) -> dict[str, Columns]:
    order = np.arange(len(frame))
    for start in range(0, len(frame), CHUNK):
        part = order[start : start + CHUNK]
        if len(part) > 1:
            order[start : start + CHUNK] = np.roll(part, int(generator.integers(1, len(part))))
    return {str(name): frame[name].to_numpy()[order] for name in [*PRICES, "volume"]}


def _replaced(frame: pd.DataFrame, generator: np.random.Generator) -> dict[str, Columns]:
    n_bars = len(frame)
    starts = np.arange(n_bars) // CHUNK * CHUNK
    close = frame["close"].to_numpy()
    returns = np.diff(np.log(close), prepend=np.log(close[0]))
    volatility = max(float(returns.std()), 1e-3)
    steps = _away_from_zero(generator.normal(0.0, volatility, n_bars))
    walk = np.cumsum(steps)
    walk -= (walk - steps)[starts]  # every chunk begins anew at the price of its first bar
    closes = close[starts] * np.exp(walk)
    opens = closes * np.exp(generator.normal(0.0, volatility / 2, n_bars))
    reach = np.exp(np.abs(generator.normal(0.0, volatility / 2, (2, n_bars))))
    volume = generator.permutation(frame["volume"].to_numpy())
    high, low = np.maximum(opens, closes) * reach[0], np.minimum(opens, closes) / reach[1]
    return {"open": opens, "high": high, "low": low, "close": closes, "volume": volume}


def _away_from_zero(draws: Columns) -> Columns:
    """Draws moved by a tenth of their spread, so that none changes too little to be seen."""
    moved: Columns = draws + np.where(draws < 0, -0.1, 0.1) * draws.std()
    return moved


_MAKERS: Mapping[str, Callable[[pd.DataFrame, np.random.Generator], dict[str, Columns]]] = {
    "scaled": _scaled,
    "shuffled": _shuffled,
    "replaced": _replaced,
}
