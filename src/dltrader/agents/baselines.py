"""Baselines: the traders that a trained policy has to beat.

Each says by `adapt` what it must see and do, so that all run in the same engine, with the same cash and costs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dltrader.agents.policy import Observation
from dltrader.config import NamedConfig
from dltrader.envs.actions import BuySellHold, TargetPosition, TargetWeight
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.features import FeatureSpec, NoScaling
from dltrader.registry import Registry

WEIGHT_SLACK = 1e-9
"""By so much weights may exceed 1 in sum: they are often the result of a division."""


class Baseline(NamedConfig, ABC):
    """The base of all baselines: target positions, and no more features than needed.

    Attributes:
        chooses_levels: Whether it chooses among levels rather than numbers: only among levels is the choice for one
            instrument a number, not an array of one.
    """

    chooses_levels: ClassVar[bool] = True

    def adapt(self, config: EnvConfig) -> EnvConfig:
        """Levels 0 and 1, a window of one bar and the cheapest feature."""
        return config.model_copy(
            update={
                "action": TargetPosition(levels=(0.0, 1.0)),
                "window_bars": 1,
                "features": (FeatureSpec.of("log_return"),),
                "scaling": NoScaling(),
            }
        )

    def predict(
        self,
        observation: Observation,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """One choice for every instrument of every observation."""
        del episode_start, deterministic
        *batch, n_account = np.shape(observation["account"])
        n_instruments = n_account // 2
        choices, state = self.choose(observation, (*batch, n_instruments), state)
        return (choices[..., 0] if self.chooses_levels and n_instruments == 1 else choices), state

    @abstractmethod
    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """The action of every instrument as an array of the shape (..., instruments), and the state to keep."""


class BuyAndHold(Baseline):
    """Buys once, as much as there is cash for, and holds: over night too, whatever session others keep to."""

    name: Literal["buy_and_hold"] = "buy_and_hold"

    def adapt(self, config: EnvConfig) -> EnvConfig:
        """Without a session."""
        return super().adapt(config).model_copy(update={"session": None})

    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """Fully long."""
        del observation
        return np.ones(shape, int), state


class Flat(Baseline):
    """Never trades."""

    name: Literal["flat"] = "flat"

    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """No position."""
        del observation
        return np.zeros(shape, int), state


class ConstantExposure(Baseline):
    """Keeps the same exposure, traded back to on every bar: what a policy earned merely by being in the market."""

    name: Literal["constant_exposure"] = "constant_exposure"
    weights: tuple[float, ...] = Field(
        (0.5,),
        min_length=1,
        description="Exposures as multiples of env.leverage, within [-1, 1]: one an instrument, or one that all share",
    )
    chooses_levels: ClassVar[bool] = False

    @model_validator(mode="after")
    def _within_the_account(self) -> Self:
        gross = sum(map(abs, self.weights))
        if gross > 1.0 + WEIGHT_SLACK:
            raise ConfigError(
                f"weights must add up to at most 1 in absolute value, was {list(self.weights)}; they are multiples of "
                "the leverage, so divide exposures by it"
            )
        return self

    def adapt(self, config: EnvConfig) -> EnvConfig:
        """Weights, which are traded back to after prices have moved them."""
        return super().adapt(config).model_copy(update={"action": TargetWeight()})

    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """The weights."""
        del observation
        n_instruments = shape[-1]
        shared = len(self.weights) == 1
        if not shared and len(self.weights) != n_instruments:
            raise ConfigError(
                f"weights must be 1 or {n_instruments} number(s), as there are {n_instruments} instrument(s), was "
                f"{list(self.weights)}"
            )
        weights = np.array(self.weights) / (n_instruments if shared else 1)
        return np.broadcast_to(weights.clip(-1.0, 1.0).astype(np.float32), shape).copy(), state


class RandomTrader(Baseline):
    """Buys, sells or holds with equal chance on every bar; its state is the generator of its draws."""

    name: Literal["random"] = "random"
    seed: int = Field(0, ge=0, description="Seed of the draws")

    def adapt(self, config: EnvConfig) -> EnvConfig:
        """Steps of one full position."""
        return super().adapt(config).model_copy(update={"action": BuySellHold()})

    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """0, 1 or 2, drawn."""
        del observation
        generator = np.random.default_rng(self.seed) if state is None else state
        return generator.integers(0, 3, shape), generator


class SMACross(Baseline):
    """Long while the fast simple moving average of closes stands above the slow one, flat otherwise."""

    name: Literal["sma_cross"] = "sma_cross"
    fast_bars: int = Field(20, ge=1, description="Bars of the fast average")
    slow_bars: int = Field(50, ge=2, description="Bars of the slow average")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast_bars >= self.slow_bars:
            raise ConfigError(f"fast_bars must be below slow_bars {self.slow_bars}, was {self.fast_bars}")
        return self

    def adapt(self, config: EnvConfig) -> EnvConfig:
        """The two averages are all it sees."""
        windows = self.fast_bars, self.slow_bars
        averages = tuple(FeatureSpec.of("ta", indicator="SMAIndicator", window=bars) for bars in windows)
        return super().adapt(config).model_copy(update={"features": averages})

    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """1 where the fast average is above the slow one."""
        averages = np.asarray(observation["market"])[..., -1, :].reshape(*shape, 2)
        return (averages[..., 0] > averages[..., 1]).astype(int), state


BASELINES: Registry[type[Baseline]] = Registry(
    "baseline",
    {
        "buy_and_hold": f"{__name__}:BuyAndHold",
        "flat": f"{__name__}:Flat",
        "random": f"{__name__}:RandomTrader",
        "sma_cross": f"{__name__}:SMACross",
        "constant_exposure": f"{__name__}:ConstantExposure",
    },
)
