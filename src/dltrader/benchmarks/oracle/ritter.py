"""Ritter's task: a table of ticks and holdings, whose best policy trades a price that reverts."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dltrader.benchmarks.oracle.signals import AR1, Array, Paths
from dltrader.benchmarks.oracle.tasks import Task, before, costs_of
from dltrader.envs.actions import ActionScheme
from dltrader.envs.contract import Costs
from dltrader.envs.units import TradeUnits
from dltrader.errors import ConfigError


class Ritter(Task):
    """Ritter's tabular task: a price that reverts to 50, traded in lots at spread and impact, for mean-variance reward.

    ln(price / 50) is an AR(1), y' = (1 - ln2 / 5) y + 0.1 ε, and the price lies on the ticks 0.1 … 100. Action 0 … 10
    trades -500 … 500 units in hundreds; a position stays within ±1000. What is shown is ln(price / 50).

    Source: Ritter 2017, "Machine learning for trading", SSRN 3015609.
    """

    name: Literal["ritter"] = "ritter"
    kappa: float = Field(1e-4, gt=0, le=1, description="Aversion to variance, per money unit, in (0, 1]")
    discount: float = Field(0.999, ge=0, lt=1, description="Worth of a reward one step later, in [0, 1)")

    levels: ClassVar[tuple[float, ...] | None] = tuple(100.0 * lots for lots in range(-10, 11))
    trades: ClassVar[tuple[float, ...]] = tuple(100.0 * lots for lots in range(-5, 6))
    signal: ClassVar[AR1] = AR1(persistence=1.0 - math.log(2.0) / 5.0, shock=0.1)
    price: ClassVar[float] = 50.0
    tick: ClassVar[float] = 0.1
    ticks: ClassVar[int] = 1000
    lot: ClassVar[float] = 100.0
    steps_per_year: ClassVar[int] = 260

    @property
    def largest(self) -> float:
        """A thousand units."""
        return 1000.0

    @property
    def actions(self) -> ActionScheme:
        """Trades, which lead no further than the largest position."""
        return TradeUnits(trades=self.trades, largest=self.largest)

    @model_validator(mode="after")
    def _without_bands(self) -> Self:
        if self.band:
            raise ConfigError("the actions of ritter are trades, which know no bands; leave out band: true")
        return self

    def action_of(self, position: Array, held: Array) -> Array:
        """The trade that leads to a position."""
        return np.searchsorted(self.trades, position - held)

    def price_at(self, shown: Array) -> Array:
        """The price itself."""
        return np.asarray(self.price * np.exp(shown))

    def ticks_of(self, log_price: Any) -> Array:
        """The number of the tick, 0 … 999, on which ln(price / 50) lies."""
        nearest = np.rint(self.price * np.exp(log_price) / self.tick).astype(np.int64)
        return np.asarray(np.clip(nearest, 1, self.ticks) - 1)

    @property
    def costs(self) -> Costs:
        """0.1 abs(Δn) + 0.1 Δn² / 100: half a spread of a tick either way, and impact."""
        return costs_of(per_unit=self.tick, impact=self.tick / self.lot)

    def worth(self, money: Any, position: Any) -> Any:
        """Δv - (kappa / 2) Δv²."""
        del position
        return money - 0.5 * self.kappa * money**2

    def sample(self, generator: np.random.Generator, n_paths: int, steps: int, history: int) -> Paths:
        """What a unit is paid is the change of the price on its ticks."""
        log_price = self.signal.sample(generator, n_paths, history + steps)
        prices = self.tick * (self.ticks_of(log_price) + 1.0)
        now = prices[:, history - 1 : -1]
        expected = self.price * np.exp(
            self.signal.persistence * log_price[:, history - 1 : -1] + 0.5 * self.signal.shock**2
        )
        return Paths(shown=np.log(prices / self.price), signal=expected - now, paid=prices[:, history:] - now)

    def performance(self, paths: Paths, positions: Array, money: Array | None = None) -> Array:
        """The Sharpe ratio of the money gained, annualised by √260: (n_paths,); 0 where nothing changed.

        Unlike `evaluation.metrics.sharpe`, which calls that undefined: a policy that does nothing scores nothing.
        """
        gained = self.money(paths.paid, before(positions), positions) if money is None else money
        spread = np.where(np.ptp(gained, axis=1) == 0.0, math.inf, gained.std(axis=1, ddof=1))
        return np.asarray(math.sqrt(self.steps_per_year) * gained.mean(axis=1) / spread)
