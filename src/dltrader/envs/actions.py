"""Action schemes: what an agent's action asks of its exposure.

An exposure is a position's value as a fraction of equity: 1 is fully long, -1 fully short. With n instruments a level
of 1 asks for 1/n of equity in each, so that all together stay within what one instrument would use. A scheme turns an
action and the exposures asked for last into the exposures asked for now; what orders that takes is the engine's affair.
Schemes that count in units (`units.py`) do the same with units held in place of exposures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces
from pydantic import AfterValidator, Field

from dltrader.config import NamedConfig
from dltrader.envs.numeric import Number, higher, lower, nearest, take
from dltrader.envs.readings import (
    choice_space,
    read_choices,
    read_choices_of_lanes,
    read_numbers,
    read_numbers_of_lanes,
)
from dltrader.errors import ConfigError
from dltrader.registry import Registry


class ActionScheme(NamedConfig, ABC):
    """The base of all schemes.

    Attributes:
        rebalances: Whether an unchanged exposure is traded back to after prices have moved it.
        in_units: Whether it asks for units rather than for exposures.
    """

    rebalances: ClassVar[bool] = False
    in_units: ClassVar[bool] = False

    @abstractmethod
    def space(self, n_instruments: int, *, allow_short: bool) -> spaces.Space[Any]:
        """The Gymnasium space of the actions for so many instruments."""

    @abstractmethod
    def read(self, action: Any, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The parts of one action, one an instrument, checked.

        Raises:
            ActionError: The action lies outside the space.
        """

    @abstractmethod
    def read_lanes(self, actions: Any, n_lanes: int, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The parts of one action a lane, one array an instrument, checked.

        Raises:
            ActionError: There are more or fewer actions than lanes, or one lies outside the space.
        """

    @abstractmethod
    def targets(
        self, parts: Sequence[Number], held: Sequence[Number], *, allow_short: bool, leverage: float
    ) -> Sequence[Number]:
        """The exposures, or units, that the parts of an action ask for; floats, or arrays with one element a lane."""

    def exposures(self, action: Any, held: Sequence[float], *, allow_short: bool, leverage: float) -> Sequence[float]:
        """The exposures asked for, one an instrument, as fractions of equity; units where the scheme counts in them.

        Args:
            action: One action of the space.
            held: The exposures asked for and reached last.
            allow_short: Whether exposures below 0 may be asked for.
            leverage: The largest gross exposure.

        Raises:
            ActionError: The action lies outside the space.
        """
        parts = self.read(action, len(held), allow_short=allow_short)
        return self.targets(parts, held, allow_short=allow_short, leverage=leverage)

    def require(self, *, allow_short: bool, leverage: float) -> None:
        """Check the scheme against the limits of the account.

        Raises:
            ConfigError: The scheme asks for what the account does not allow.
        """

    @property
    def ignored(self) -> float:
        """The largest change of an exposure that a scheme which rebalances leaves alone, a fraction of the leverage."""
        return 0.0


def ascending(levels: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Levels as they are, if they are two or more in ascending order.

    Raises:
        ConfigError: They are not.
    """
    if levels is not None and (len(levels) < 2 or list(levels) != sorted(set(levels))):
        raise ConfigError(f"levels must be two or more different numbers in ascending order, was {list(levels)}")
    return levels


class TargetPosition(ActionScheme):
    """Action k asks for the k-th exposure level; an unchanged level sends no order."""

    name: Literal["target_position"] = "target_position"
    levels: Annotated[tuple[float, ...] | None, AfterValidator(ascending)] = Field(
        None, description="Exposures in ascending order; null is -1, 0, 1, or 0, 1 where short selling is not allowed"
    )

    def levels_for(self, *, allow_short: bool) -> tuple[float, ...]:
        """The exposure levels in force."""
        if self.levels is not None:
            return self.levels
        return (-1.0, 0.0, 1.0) if allow_short else (0.0, 1.0)

    def space(self, n_instruments: int, *, allow_short: bool) -> spaces.Space[Any]:
        """Discrete over the levels; with several instruments MultiDiscrete."""
        return choice_space(len(self.levels_for(allow_short=allow_short)), n_instruments)

    def read(self, action: Any, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The indices of the levels chosen."""
        return read_choices(action, n_instruments, len(self.levels_for(allow_short=allow_short)))

    def read_lanes(self, actions: Any, n_lanes: int, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The indices of the levels chosen."""
        return read_choices_of_lanes(actions, n_lanes, n_instruments, len(self.levels_for(allow_short=allow_short)))

    def targets(
        self, parts: Sequence[Number], held: Sequence[Number], *, allow_short: bool, leverage: float
    ) -> Sequence[Number]:
        """The levels chosen, shared among the instruments."""
        del leverage  # `require` has seen to it
        levels = self.levels_for(allow_short=allow_short)
        share = 1.0 / len(held)
        shared = [level * share for level in levels]
        return [take(shared, choice) for choice in parts]

    def require(self, *, allow_short: bool, leverage: float) -> None:
        """No short level without short selling, none beyond the leverage."""
        levels = self.levels_for(allow_short=allow_short)
        if not allow_short and levels[0] < 0:
            raise ConfigError(
                f"action.levels holds the short level {levels[0]:g}, but allow_short is false; "
                "leave out negative levels or set allow_short: true"
            )
        if max(map(abs, levels)) > leverage:
            raise ConfigError(
                f"action.levels must stay within the leverage {leverage:g}, was {list(levels)}; "
                "raise leverage or lower the levels"
            )


class BuySellHold(ActionScheme):
    """0 holds, 1 buys one unit, 2 sells one; a unit is 1/max_units of full exposure.

    At the largest position a further buy holds, at the smallest a further sell. The smallest is -max_units, or 0 where
    short selling is not allowed.
    """

    name: Literal["buy_sell_hold"] = "buy_sell_hold"
    max_units: int = Field(1, ge=1, le=1000, description="Units from flat to full exposure")

    def space(self, n_instruments: int, *, allow_short: bool) -> spaces.Space[Any]:
        """Discrete(3); with several instruments MultiDiscrete."""
        del allow_short  # the same three actions either way
        return choice_space(3, n_instruments)

    def read(self, action: Any, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """0, 1 or 2."""
        del allow_short
        return read_choices(action, n_instruments, 3)

    def read_lanes(self, actions: Any, n_lanes: int, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """0, 1 or 2."""
        del allow_short
        return read_choices_of_lanes(actions, n_lanes, n_instruments, 3)

    def targets(
        self, parts: Sequence[Number], held: Sequence[Number], *, allow_short: bool, leverage: float
    ) -> Sequence[Number]:
        """One unit up, one down, or what was held."""
        del leverage  # full exposure is 1, which any leverage allows
        scale = self.max_units * len(held)
        lowest, highest = (-float(self.max_units) if allow_short else 0.0), float(self.max_units)
        steps = [take((0.0, 1.0, -1.0), choice) for choice in parts]
        units = [nearest(exposure * scale) + step for exposure, step in zip(held, steps, strict=True)]
        return [lower(higher(unit, lowest), highest) / scale for unit in units]


class TargetWeight(ActionScheme):
    """The action is the exposure itself, one weight in [-1, 1] an instrument, traded to on every bar.

    Weights whose absolute values sum to more than 1 are scaled down to 1, and multiplied by the leverage. Where short
    selling is not allowed a negative weight asks for no position.
    """

    name: Literal["target_weight"] = "target_weight"
    least_change: float = Field(
        0.0,
        ge=0,
        lt=1,
        exclude_if=lambda change: change == 0.0,
        description="Changes of the exposure at the close up to this are not traded, a fraction of the leverage; 0: "
        "every weight is traded to on every bar",
    )
    rebalances: ClassVar[bool] = True

    def space(self, n_instruments: int, *, allow_short: bool) -> spaces.Space[Any]:
        """Box in [-1, 1], symmetric even without short selling, as Gaussian policies expect."""
        del allow_short
        return spaces.Box(-1.0, 1.0, (n_instruments,), np.float32)

    def read(self, action: Any, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The weights."""
        del allow_short
        return read_numbers(action, n_instruments)

    def read_lanes(self, actions: Any, n_lanes: int, n_instruments: int, *, allow_short: bool) -> Sequence[Any]:
        """The weights."""
        del allow_short
        return read_numbers_of_lanes(actions, n_lanes, n_instruments)

    def targets(
        self, parts: Sequence[Number], held: Sequence[Number], *, allow_short: bool, leverage: float
    ) -> Sequence[Number]:
        """The weights, scaled to the leverage."""
        del held
        weights = parts if allow_short else [higher(weight, 0.0) for weight in parts]
        gross = 0.0
        for weight in weights:
            gross = gross + abs(weight)
        scale = leverage / higher(gross, 1.0)
        return [weight * scale for weight in weights]

    @property
    def ignored(self) -> float:
        """The least change."""
        return self.least_change


ACTIONS: Registry[type[ActionScheme]] = Registry(
    "action scheme",
    {
        "target_position": f"{__name__}:TargetPosition",
        "buy_sell_hold": f"{__name__}:BuySellHold",
        "target_weight": f"{__name__}:TargetWeight",
        "target_units": "dltrader.envs.units:TargetUnits",
        "trade_units": "dltrader.envs.units:TradeUnits",
    },
)
