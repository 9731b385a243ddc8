"""Action schemes that count in units: how many shares, coins or contracts to hold, whatever they are worth.

They do not look at equity: who asks for more than the account can pay is refused by the broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces
from pydantic import AfterValidator, Field

from dltrader.envs.actions import ActionScheme, ascending
from dltrader.envs.numeric import Number, higher, lower, take
from dltrader.envs.readings import (
    choice_space,
    read_choices,
    read_choices_of_lanes,
    read_numbers,
    read_numbers_of_lanes,
)
from dltrader.errors import ConfigError


class TargetUnits(ActionScheme):
    """The action is the position itself, in units: one of some levels, or any number up to the largest.

    With `band` an action is a band of positions instead: a position inside is kept, one outside is moved to the nearer
    edge. That is the form of the best policy where costs are in proportion to the trade (Davis and Norman 1990,
    "Portfolio selection with transaction costs", Mathematics of Operations Research 15(4)), and an agent that explores
    pays only for what leads out of the band. Of levels action 0, 1, 2 … is the band from the lowest level to the
    lowest, to the second, … to the highest, then from the second to the second, and so on; that from the lowest to the
    highest holds whatever is held. Without levels an action is the middle of the band, as a fraction of the largest
    position, and its width: -1 is none, 1 reaches the largest position either way.
    """

    name: Literal["target_units"] = "target_units"
    levels: Annotated[tuple[float, ...] | None, AfterValidator(ascending)] = Field(
        None, description="Units in ascending order; null for any number up to the largest"
    )
    largest: float = Field(1.0, gt=0, description="Units of the largest position without levels")
    band: bool = Field(default=False, description="Whether an action is a band of positions that are left alone")

    in_units: ClassVar[bool] = True

    def space(self, n_instruments: int, *, allow_short: bool) -> spaces.Space[Any]:
        """Discrete over the levels or their bands; a Box in [-1, 1] of one number an instrument, or two for a band."""
        del allow_short
        if self.levels is None:
            return spaces.Box(-1.0, 1.0, (n_instruments * self._numbers,), np.float32)
        return choice_space(self._choices, n_instruments)

    def read(self, action: Any, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The choices, or pairs or single numbers."""
        del allow_short
        if self.levels is None:
            return self._paired(read_numbers(action, n_instruments * self._numbers))
        return read_choices(action, n_instruments, self._choices)

    def read_lanes(self, actions: Any, n_lanes: int, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The choices, or pairs or single numbers."""
        del allow_short
        if self.levels is None:
            return self._paired(read_numbers_of_lanes(actions, n_lanes, n_instruments * self._numbers))
        return read_choices_of_lanes(actions, n_lanes, n_instruments, self._choices)

    def targets(
        self, parts: Sequence[Number], held: Sequence[Number], *, allow_short: bool, leverage: float
    ) -> Sequence[Number]:
        """The units; none below zero where short selling is not allowed."""
        del leverage  # what cannot be paid is refused
        asked = [self._target(part, units) for part, units in zip(parts, held, strict=True)]
        return asked if allow_short else [higher(units, 0.0) for units in asked]

    def require(self, *, allow_short: bool, leverage: float) -> None:
        """No short level without short selling."""
        del leverage
        if not allow_short and self.levels is not None and self.levels[0] < 0:
            raise ConfigError(
                f"action.levels holds the short level {self.levels[0]:g}, but allow_short is false; "
                "leave out negative levels or set allow_short: true"
            )

    @property
    def _numbers(self) -> int:
        """How many numbers of a Box an instrument takes."""
        return 2 if self.band else 1

    @property
    def _choices(self) -> int:
        assert self.levels is not None
        n_levels = len(self.levels)
        return n_levels * (n_levels + 1) // 2 if self.band else n_levels

    def _paired(self, numbers: list[Any]) -> Sequence[Any]:
        return list(zip(numbers[0::2], numbers[1::2], strict=True)) if self.band else numbers

    def _target(self, part: Any, held: Number) -> Number:
        """The units that one part asks for, of those held."""
        if not self.band:
            return part * self.largest if self.levels is None else take(self.levels, part)
        bottom, top = self._edges(part)
        return lower(higher(held, bottom), top)

    def _edges(self, part: Any) -> tuple[Number, Number]:
        """The lowest and the highest position of a band."""
        if self.levels is not None:
            bottoms, tops = zip(*self.bands(), strict=True)
            return take(bottoms, part), take(tops, part)
        middle, width = part[0] * self.largest, 0.5 * (part[1] + 1.0) * self.largest
        return higher(middle - width, -self.largest), lower(middle + width, self.largest)

    def bands(self) -> list[tuple[float, float]]:
        """The band of every choice among levels, from its lowest to its highest position; none without levels."""
        levels = self.levels or ()
        return [(bottom, top) for i, bottom in enumerate(levels) for top in levels[i:]]


class TradeUnits(ActionScheme):
    """Action k trades the k-th number of units; a position stays within the largest either way."""

    name: Literal["trade_units"] = "trade_units"
    trades: Annotated[tuple[float, ...], AfterValidator(ascending)] = Field(
        (-1.0, 0.0, 1.0), description="Units to buy, negative to sell, in ascending order"
    )
    largest: float = Field(1.0, gt=0, description="Units of the largest position")

    in_units: ClassVar[bool] = True

    def space(self, n_instruments: int, *, allow_short: bool) -> spaces.Space[Any]:
        """Discrete over the trades; with several instruments MultiDiscrete."""
        del allow_short  # the same trades either way
        return choice_space(len(self.trades), n_instruments)

    def read(self, action: Any, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The indices of the trades."""
        del allow_short
        return read_choices(action, n_instruments, len(self.trades))

    def read_lanes(self, actions: Any, n_lanes: int, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The indices of the trades."""
        del allow_short
        return read_choices_of_lanes(actions, n_lanes, n_instruments, len(self.trades))

    def targets(
        self, parts: Sequence[Number], held: Sequence[Number], *, allow_short: bool, leverage: float
    ) -> Sequence[Number]:
        """The units held and traded together; none below zero where short selling is not allowed."""
        del leverage  # what cannot be paid is refused
        lowest = -self.largest if allow_short else 0.0
        asked = [units + take(self.trades, part) for part, units in zip(parts, held, strict=True)]
        return [lower(higher(units, lowest), self.largest) for units in asked]
