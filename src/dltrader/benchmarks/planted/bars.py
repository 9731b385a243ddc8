"""Bars of which it is known what can be predicted: fair ones, nothing; planted ones, one thing of known strength.

All is made of a real market's moves. A move is a bar relative to the close before it, in logarithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.benchmarks.oracle.signals import AR1
from dltrader.data import validate_bars
from dltrader.errors import BarsError, ConfigError

Array = npt.NDArray[Any]
PERSISTENCE = 0.9
"""Of what is planted: a signal that lasts about ten bars, so that it can pay for the trade that it asks for."""
LARGEST_MOVE = 0.25
"""Of a gap or a body. One in the sample bars is larger, Apple's gap of -0.64 in 2000: mirrored, it would nearly
double the price over night, and all but ruin whoever is short."""


@dataclass(frozen=True, eq=False)
class Moves:
    """What bars did, one element a bar.

    Attributes:
        gap: (bars,) ln(open / close before).
        high: (bars,) ln(high / open), at least 0.
        low: (bars,) ln(low / open), at most 0.
        body: (bars,) ln(close / open).
        volume: (bars,) units.
    """

    gap: Array
    high: Array
    low: Array
    body: Array
    volume: Array

    @classmethod
    def of(cls, bars: pd.DataFrame) -> Self:
        """The moves of all bars but the first, of which the close before is not known."""
        opened, high, low, closed, volume = bars.to_numpy()[1:].T
        before = bars["close"].to_numpy()[:-1]
        return cls(
            np.log(opened / before), np.log(high / opened), np.log(low / opened), np.log(closed / opened), volume
        )

    def __len__(self) -> int:
        """How many bars."""
        return len(self.gap)

    def taken(self, rows: Array) -> Moves:
        """The moves of these rows, in their order."""
        return Moves(self.gap[rows], self.high[rows], self.low[rows], self.body[rows], self.volume[rows])

    def limited(self, largest: float) -> Moves:
        """The same moves, gaps and bodies beyond the largest cut to it, and highs and lows in proportion to bodies."""
        inside = largest / np.maximum(np.abs(self.body), largest)  # 1 where nothing is cut
        return Moves(
            np.clip(self.gap, -largest, largest), self.high * inside, self.low * inside, self.body * inside, self.volume
        )

    def after(self, first: pd.DataFrame, times: pd.DatetimeIndex) -> pd.DataFrame:
        """Bars at these times that begin with one bar and move on from its close.

        Raises:
            BarsError: The moves lead to a price of 0 or beyond all numbers.
        """
        closed = math.log(first["close"].iloc[0]) + np.cumsum(self.gap + self.body)
        opened = closed - self.body
        with np.errstate(over="ignore", under="ignore"):
            prices = np.exp([opened, opened + self.high, opened + self.low, closed])
        made = pd.DataFrame(np.vstack([prices, self.volume]).T, columns=list(first.columns))
        return validate_bars(pd.concat([first, made]).set_axis(times), "the bars made of moves")


def block_shuffled(moves: Moves, block_bars: int, generator: np.random.Generator) -> Moves:
    """The same moves, cut into blocks whose order is drawn; only the last block may be shorter.

    What lasts longer than a block is gone; volatility still clusters within one.

    Raises:
        ConfigError: There are not at least two blocks.
    """
    if not 1 <= block_bars < len(moves):
        raise ConfigError(
            f"block_bars must be from 1 to {len(moves) - 1}, fewer than there are moves, was {block_bars}"
        )
    starts = np.arange(0, len(moves), block_bars)
    blocks = np.split(np.arange(len(moves)), starts[1:])
    return moves.taken(np.concatenate([blocks[block] for block in generator.permutation(len(blocks))]))


def tossed(moves: Moves, generator: np.random.Generator) -> Moves:
    """The same moves, every gap and every bar turned up or down by lot, so that prices are a martingale.

    Shuffled moves still drift, and blocks keep what holds within them: whoever is long grows. Here a move to u or 1 / u
    times the price goes up with probability 1 / (1 + u): the expected price is then the price itself, at every open and
    close, whatever has been seen before, and no policy has an expected gain. A bar that is turned around is mirrored as
    a whole. Source of the odds: Cox, Ross and Rubinstein 1979, "Option pricing: a simplified approach", Journal of
    Financial Economics 7(3).
    """
    gap = np.abs(moves.gap) * _toss(moves.gap, generator)
    body = np.abs(moves.body) * _toss(moves.body, generator)
    turned = np.sign(body) != np.sign(moves.body)
    return replace(
        moves,
        gap=gap,
        body=body,
        high=np.where(turned, -moves.low, moves.high),
        low=np.where(turned, -moves.high, moves.low),
    )


def fair(bars: pd.DataFrame, block_bars: int, generator: np.random.Generator) -> pd.DataFrame:
    """Bars of the same moves that nobody can predict, at the same times and from the same first bar.

    Raises:
        BarsError: There are fewer than three bars.
        ConfigError: A block is longer than they are.
    """
    moves = tossed(block_shuffled(_moves_of(bars), block_bars, generator), generator)
    return moves.after(bars.iloc[:1], _times(bars))


@dataclass(frozen=True, eq=False)
class Planted:
    """Bars in which one thing can be predicted.

    With z the AR(1) of unit variance, a gap is ln(open_t / close_{t-1}) = scale z_t - scale² / 2. At the close of t its
    z_t is known; an order fills at the open of t + 1, and what it earns up to the open of t + 2 is a body and a gap, of
    which scale persistence² z_t is to be expected.

    Attributes:
        bars: The bars.
        signal: (bars,) what a unit is expected to earn from the next open to the one after, as known at each close; nan
            at the first bar.
        law: Of the signal.
        scale: Standard deviation of the gaps.
        variance: Of what a unit earns, given the signal.
    """

    bars: pd.DataFrame
    signal: Array
    law: AR1
    scale: float
    variance: float

    @property
    def persistence(self) -> float:
        """Of gaps and signal."""
        return self.law.persistence

    def signal_of(self, gap: Any) -> Any:
        """The signal that a gap shows."""
        return self.persistence**2 * (gap + 0.5 * self.scale**2)

    def measured_strength(self) -> float:
        """The correlation of signal and earnings that the bars came to have."""
        opened = np.log(self.bars["open"].to_numpy())
        earned = opened[3:] - opened[2:-1]  # from the open after each of the bars 1 … n - 3 to the next
        return float(np.corrcoef(self.signal[1:-2], earned)[0, 1])


def planted(
    bars: pd.DataFrame,
    strength: float,
    block_bars: int,
    generator: np.random.Generator,
    *,
    persistence: float = PERSISTENCE,
) -> Planted:
    """Fair bars, their gaps closed, with gaps planted that can be predicted.

    The real gaps become a part of the bodies, so that the noise is that of whole days. The strength is the correlation
    of scale persistence² z_t with body and gap: with σ² the variance of the noise,

        strength = scale persistence² / √(σ² + scale²)

    Args:
        bars: A real market's.
        strength: Correlation of signal and earnings, above 0 and below persistence².
        block_bars: Bars of a block that stays together.
        generator: Of all that is drawn.
        persistence: Of the gaps from bar to bar.

    Raises:
        BarsError: There are fewer than three bars.
        ConfigError: A number is out of range.
    """
    if not 0.0 < strength < persistence**2:
        raise ConfigError(
            f"a strength must be above 0 and below {persistence**2:g}, the correlation that gaps alone would have, "
            f"was {strength:g}"
        )
    noise = tossed(block_shuffled(_moves_of(bars), block_bars, generator), generator)
    body = noise.gap + noise.body
    spread = float(np.sqrt(np.mean(body**2)))
    scale = strength * spread / math.sqrt(persistence**4 - strength**2)
    path = AR1(persistence, math.sqrt(1.0 - persistence**2)).sample(generator, 1, len(noise))[0]
    with_gaps = Moves(
        gap=scale * path - 0.5 * scale**2,
        high=np.maximum(noise.gap + noise.high, 0.0),
        low=np.minimum(noise.gap + noise.low, 0.0),
        body=body,
        volume=noise.volume,
    )
    law = AR1(persistence, scale * persistence**2 * math.sqrt(1.0 - persistence**2))
    return Planted(
        bars=with_gaps.after(bars.iloc[:1], _times(bars)),
        signal=np.concatenate([[np.nan], scale * persistence**2 * path]),
        law=law,
        scale=scale,
        variance=spread**2 + scale**2 * (1.0 - persistence**4),
    )


def _moves_of(bars: pd.DataFrame) -> Moves:
    if len(bars) < 3:
        raise BarsError(f"{len(bars)} bars are too few to be shuffled; at least 3 are needed")
    return Moves.of(bars).limited(LARGEST_MOVE)


def _times(bars: pd.DataFrame) -> pd.DatetimeIndex:
    assert isinstance(bars.index, pd.DatetimeIndex)
    return bars.index


def _toss(move: Array, generator: np.random.Generator) -> Array:
    """1 or -1 for every move, up with probability 1 / (1 + e^size)."""
    return np.where(generator.random(len(move)) * (1.0 + np.exp(np.abs(move))) < 1.0, 1.0, -1.0)
