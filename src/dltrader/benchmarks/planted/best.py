"""The best policy on planted bars: it knows what was planted, and what trades cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from dltrader.benchmarks.oracle.dynamic import Grid, relative_values
from dltrader.benchmarks.planted.bars import Planted
from dltrader.envs.actions import BuySellHold, TargetPosition
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.features import FeatureSpec, NoScaling

PER_SD = 20
"""Nodes to a standard deviation of the signal: twice as many change the growth by less than a thousandth."""
LEVELS = 41
"""Exposures between which it chooses where an agent may take any."""


class BestPolicy:
    """Takes the exposures that grow most in the long run, by what the last gap says of the next opens.

    With s the signal, the log growth of a step at exposure q is, to second order in a bar's return,

        s q - variance q² / 2 - (commission + slippage) abs(q - q₋₁)

    which is solved by dynamic programming (`oracle.dynamic`). Like any policy it sees bars up to the close, here the
    last gap alone; it remembers the level it asked for.

    Args:
        planted: What was planted. Its bars are not looked at.
        config: Exposures that are allowed, and costs.

    Attributes:
        gain: The log growth per step that it has in the long run.

    Raises:
        ConfigError: There are costs of another kind, or actions are units, which are no exposures.
    """

    name = "best"

    def __init__(self, planted: Planted, config: EnvConfig) -> None:
        costs = config.costs
        if costs.per_unit or costs.impact:
            raise ConfigError(
                f"the best policy knows costs in proportion to the value traded, found env.costs.per_unit "
                f"{costs.per_unit:g} and env.costs.impact {costs.impact:g}; set both to 0"
            )
        if config.action.in_units:
            raise ConfigError(
                f"the best policy chooses among exposures, found env.action {config.action.name}, which counts in "
                "units; take target_position, buy_sell_hold or target_weight"
            )
        self._planted = planted
        self._levels = levels_of(config)
        levels = np.array(self._levels)
        self._toll = costs.commission + costs.slippage
        self._grid = Grid.of(planted.law, per_sd=PER_SD)
        tolerance = 1e-5 * planted.law.sd  # of the most that can be earned by a step
        values = relative_values(self._grid, levels, psi=self._toll, risk=0.5 * planted.variance, tolerance=tolerance)
        self._worth = values.worth  # (nodes, levels)
        self._flat = int(np.argmin(np.abs(levels)))
        self.gain = values.gain

    def adapt(self, config: EnvConfig) -> EnvConfig:
        """Levels to choose from, and the last gap to see."""
        return config.model_copy(
            update={
                "action": TargetPosition(levels=self._levels),
                "window_bars": 1,
                "features": (FeatureSpec.of("gap"),),
                "scaling": NoScaling(),
            }
        )

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[int, int]:
        """The level of the best exposure; the state is the level before, at first no exposure."""
        del episode_start, deterministic
        held = self._flat if state is None else state
        signal = self._planted.signal_of(float(observation["market"][-1, 0]))
        worth = np.array([np.interp(signal, self._grid.nodes, column) for column in self._worth.T])
        moved = np.abs(np.array(self._levels) - self._levels[held])
        level = int(np.argmax(worth - self._toll * moved))
        return level, level


def levels_of(config: EnvConfig) -> tuple[float, ...]:
    """The exposures that may be held, ascending; where any may, so many that more would not matter."""
    action = config.action
    if isinstance(action, TargetPosition):
        return action.levels_for(allow_short=config.allow_short)
    if isinstance(action, BuySellHold):
        lowest, units = -action.max_units if config.allow_short else 0, action.max_units
        return tuple(unit / units for unit in range(lowest, units + 1))
    return tuple(np.linspace(-config.leverage if config.allow_short else 0.0, config.leverage, LEVELS).tolist())
