"""Baselines: the traders that a trained policy has to beat.

Each says by `adapt` what it must see and do, so that all run in the same engine, with the same cash and costs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dltrader.agents.policy import Observation
from dltrader.config import NamedConfig
from dltrader.envs.actions import BuySellHold, TargetPosition
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.features import FeatureSpec, NoScaling
from dltrader.registry import Registry


class Baseline(NamedConfig, ABC):
    """The base of all baselines: target positions, and no more features than needed."""

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
        return (choices[..., 0] if n_instruments == 1 else choices), state

    @abstractmethod
    def choose(self, observation: Observation, shape: tuple[int, ...], state: Any) -> tuple[Any, Any]:
        """The action of every instrument as an array of the shape (..., instruments), and the state to keep."""


class BuyAndHold(Baseline):
    """Buys once, as much as there is cash for, and holds."""

    name: Literal["buy_and_hold"] = "buy_and_hold"

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
    },
)
