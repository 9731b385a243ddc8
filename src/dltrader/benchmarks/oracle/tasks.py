"""The tasks: what a position earns and costs, what is seen of the market, and how actions name positions.

Every reward is a formula on arrays of any shape: one step of many lanes, or whole paths.

Source: Chaouki et al. 2020, arXiv 2003.06497 (`linear_risk`, `linear_capped`, `quadratic`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dltrader.benchmarks.oracle.kalman import Filter
from dltrader.benchmarks.oracle.signals import SIGNAL, Array, Paths
from dltrader.config import NamedConfig
from dltrader.envs.actions import ActionScheme
from dltrader.envs.contract import Costs
from dltrader.envs.units import TargetUnits
from dltrader.errors import ConfigError
from dltrader.registry import Registry

Psi = Annotated[float, Field(ge=0, le=20, description="Cost of moving the position by one unit, in [0, 20]")]
Risk = Annotated[float, Field(gt=0, le=10, description="Cost of a squared unit held over one step, in (0, 10]")]
Bound = Annotated[float, Field(gt=0, le=100, description="Largest position, in units either way, in (0, 100]")]


START_PRICE = 10_000.0
"""High enough for a path not to lead below 0, and low enough for a reward to keep nine digits."""


class Task(NamedConfig, ABC):
    """A market, a reward and the positions that may be taken; an episode begins without a position."""

    band: bool = Field(
        default=False, description="Whether an action is a band of positions that are left alone, rather than one"
    )

    choices: int | None = Field(
        None,
        ge=2,
        le=101,
        description="Positions, evenly spaced, that actions choose among where any may be taken; null: a number",
    )

    levels: ClassVar[tuple[float, ...] | None] = (-1.0, 0.0, 1.0)
    """The positions that may be taken; None: any position up to the bound."""

    @model_validator(mode="after")
    def _chooses_once(self) -> Self:
        if self.choices is not None and self.levels is not None:
            raise ConfigError(f"the positions of {self.label} are {list(self.levels)}; leave out choices")
        return self

    @property
    def label(self) -> str:
        """The name as tables show it, with the parameters by which variants differ."""
        return self.name

    @property
    def largest(self) -> float:
        """The largest position either way."""
        return 1.0

    @property
    def shown_unit(self) -> float:
        """What an observation counts in: the standard deviation of what is shown, where that is far from 1."""
        return 1.0

    @property
    @abstractmethod
    def costs(self) -> Costs:
        """What a move costs: money per unit and per squared unit, and none of the value."""

    def money(self, earned: Any, held: Any, position: Any, *, costs: float = 1.0) -> Any:
        """Money gained over a step, p q - per_unit abs(Δq) - impact (Δq)².

        Args:
            earned: What one unit earns over the step, p.
            held: Position before the step, q₋₁.
            position: Position over the step, q.
            costs: Share of the costs that is charged.
        """
        move = position - held
        return earned * position - costs * (self.costs.per_unit * np.abs(move) + self.costs.impact * move**2)

    def worth(self, money: Any, position: Any) -> Any:
        """What money gained over a step with a position is worth: the reward."""
        del position  # it counts where risk does
        return money

    def rewards(self, earned: Any, held: Any, position: Any, *, costs: float = 1.0) -> Any:
        """The reward of a step, of arrays of any one shape: what a unit earns, and the position before and over it.

        With less than all of the costs it is a task that is easier to learn.
        """
        return self.worth(self.money(earned, held, position, costs=costs), position)

    def sample(self, generator: np.random.Generator, n_paths: int, steps: int, history: int) -> Paths:
        """Draw paths of so many steps, with so many columns to be seen at the first of them."""
        signal = SIGNAL.sample(generator, n_paths, history + steps)
        now = signal[:, history - 1 : -1]
        return Paths(shown=signal, signal=now, paid=now)

    def price_at(self, shown: Array) -> Array:
        """The price at which what is shown begins, where the task is played through prices."""
        return np.full_like(shown, START_PRICE)

    def expected(self, paths: Paths) -> Array:
        """What a unit is expected to earn over each step, (n_paths, steps), of all that was shown before it."""
        return paths.signal

    def performance(self, paths: Paths, positions: Array, money: Array | None = None) -> Array:
        """What positions (n_paths, steps) are worth on each path: (n_paths,) mean reward per step.

        What a unit was expected to earn counts, not what was paid. A position depends on nothing else than what was
        shown, so that the mean is the same (Rao 1945, Blackwell 1947), and where the signal is hidden in noise the
        luck of the paths is gone from it.

        Args:
            paths: The market.
            positions: Positions over each step.
            money: (n_paths, steps) gained with them, as an account says; None: as the task says.
        """
        gained = self.money(paths.paid, before(positions), positions) if money is None else money
        without_luck = gained - (paths.paid - self.expected(paths)) * positions
        return np.asarray(self.worth(without_luck, positions).mean(axis=1))

    @property
    def actions(self) -> ActionScheme:
        """How actions name positions."""
        return TargetUnits(levels=self.action_levels, largest=self.largest, band=self.band)

    @property
    def action_levels(self) -> tuple[float, ...] | None:
        """The positions that actions choose among; None: any."""
        if self.choices is None:
            return self.levels
        return tuple(map(float, np.linspace(-self.largest, self.largest, self.choices)))

    @property
    def action_space(self) -> Any:
        """Discrete over the levels, or a Box in [-1, 1] that is scaled to the largest position; or bands of them."""
        return self.actions.space(1, allow_short=True)

    def position_of(self, actions: Any, held: Array) -> Array:
        """The positions (lanes,) that actions ask for.

        Raises:
            ActionError: An action lies outside the space, or there are more or fewer than lanes.
        """
        parts = self.actions.read_lanes(np.asarray(actions), len(held), 1, allow_short=True)
        return np.asarray(self.actions.targets(parts, [held], allow_short=True, leverage=1.0)[0])

    def action_of(self, position: Array, held: Array) -> Array:
        """The actions that ask for positions (lanes,), or for the nearest; the inverse of `position_of`."""
        del held  # it counts where actions are trades
        levels = self.action_levels
        if levels is None:
            middle = np.clip(position / self.largest, -1.0, 1.0)[:, None]
            return np.hstack([middle, np.full_like(middle, -1.0)]) if self.band else middle
        level = np.abs(np.asarray(levels) - np.asarray(position)[:, None]).argmin(axis=1)
        # Of the bands those of one level stand first among the bands from that level up: after n + (n - 1) + … others.
        return np.asarray(level * len(levels) - level * (level - 1) // 2 if self.band else level)


class LinearRisk(Task):
    """Proportional costs and a cost of risk: p q - 0.3 q² - 4 abs(Δq)."""

    name: Literal["linear_risk"] = "linear_risk"
    psi: Psi = 4.0
    risk: Risk = 0.3
    bound: Bound = 4.0  # the optimal policy is beyond 3.7 once in ten thousand steps
    levels: ClassVar[tuple[float, ...] | None] = None

    @property
    def largest(self) -> float:
        """The bound."""
        return self.bound

    @property
    def costs(self) -> Costs:
        """In proportion to the move."""
        return costs_of(per_unit=self.psi)

    def worth(self, money: Any, position: Any) -> Any:
        """Less the cost of risk."""
        return money - self.risk * position**2


class LinearCapped(Task):
    """Proportional costs and a largest position: p q - 4 abs(Δq), abs(q) ≤ 2."""

    name: Literal["linear_capped"] = "linear_capped"
    psi: Psi = 4.0
    bound: Bound = 2.0
    levels: ClassVar[tuple[float, ...] | None] = None

    @property
    def largest(self) -> float:
        """The bound."""
        return self.bound

    @property
    def costs(self) -> Costs:
        """In proportion to the move."""
        return costs_of(per_unit=self.psi)


class Quadratic(Task):
    """Quadratic costs and a cost of risk: p q - 0.3 q² - (Δq)²."""

    name: Literal["quadratic"] = "quadratic"
    impact: float = Field(1.0, gt=0, le=100, description="Cost of a squared unit moved, in (0, 100]")
    risk: Risk = 0.3
    bound: Bound = 6.0  # 4.3 standard deviations of the optimal position
    levels: ClassVar[tuple[float, ...] | None] = None

    @property
    def largest(self) -> float:
        """The bound."""
        return self.bound

    @property
    def costs(self) -> Costs:
        """With the square of the move."""
        return costs_of(impact=self.impact)

    def worth(self, money: Any, position: Any) -> Any:
        """Less the cost of risk."""
        return money - self.risk * position**2


class Discrete(Task):
    """Short, flat or long at proportional costs: p q - psi abs(Δq), q ∈ {-1, 0, 1}."""

    name: Literal["discrete"] = "discrete"
    psi: Psi = 1.0

    @property
    def label(self) -> str:
        """The name and psi."""
        return f"discrete({self.psi:g})"

    @property
    def costs(self) -> Costs:
        """In proportion to the move."""
        return costs_of(per_unit=self.psi)


class Hidden(Task):
    """As `discrete`, but p is hidden: at t the noisy returns y_s = p_s + noise η_s of s < t are seen.

    A unit is paid the noisy return, as a market would; `Paths.signal` holds p.
    """

    name: Literal["hidden"] = "hidden"
    noise: float = Field(3.0, gt=0, le=100, description="Standard deviation of a return around p, in (0, 100]")
    psi: Psi = 1.0

    @property
    def shown_unit(self) -> float:
        """The standard deviation of a return: a network of tanh units is blind to numbers far above 1."""
        return math.hypot(SIGNAL.sd, self.noise)

    @property
    def label(self) -> str:
        """The name, the noise and psi."""
        return f"hidden({self.noise:g}, {self.psi:g})"

    @property
    def costs(self) -> Costs:
        """In proportion to the move."""
        return costs_of(per_unit=self.psi)

    @property
    def filter(self) -> Filter:
        """What tells most of the signal from its noise."""
        return Filter(SIGNAL, self.noise)

    def expected(self, paths: Paths) -> Array:
        """The estimates of the Kalman filter."""
        return self.filter.estimates(paths.shown)[:, paths.history - 1 : -1]

    def sample(self, generator: np.random.Generator, n_paths: int, steps: int, history: int) -> Paths:
        """The newest return shown at t is that of t - 1."""
        signal = SIGNAL.sample(generator, n_paths, history + steps)
        returns = signal + self.noise * generator.standard_normal(signal.shape)
        return Paths(shown=returns, signal=signal[:, history:], paid=returns[:, history:])


def costs_of(*, per_unit: float = 0.0, impact: float = 0.0) -> Costs:
    """Money per unit and per squared unit, and nothing beside."""
    return Costs(commission=0.0, slippage=0.0, per_unit=per_unit, impact=impact)


def before(positions: Array) -> Array:
    """The positions held before each step, (n_paths, steps): none before the first."""
    return np.concatenate([np.zeros_like(positions[:, :1]), positions[:, :-1]], axis=1)


TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "linear_risk": f"{__name__}:LinearRisk",
        "linear_capped": f"{__name__}:LinearCapped",
        "quadratic": f"{__name__}:Quadratic",
        "discrete": f"{__name__}:Discrete",
        "hidden": f"{__name__}:Hidden",
        "ritter": "dltrader.benchmarks.oracle.ritter:Ritter",
    },
)
