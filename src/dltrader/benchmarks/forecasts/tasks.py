"""The tasks: bars whose law is known, and shuffled bars in which there is nothing to know."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from dltrader.benchmarks.forecasts.law import Law
from dltrader.benchmarks.oracle.signals import AR1
from dltrader.benchmarks.planted.bars import Moves, block_shuffled
from dltrader.config import NamedConfig
from dltrader.data import load_bars, validate_bars
from dltrader.data.synthetic import SineConfig, make_bars
from dltrader.forecast.vote import Array
from dltrader.registry import Registry

LEAST_WICK = 0.002
"""Of planted bars, above and below the body: a fill that slippage moves by less is in the bar, so that it is paid."""


@dataclass(frozen=True, eq=False)
class Made:
    """Bars that were made.

    Attributes:
        bars: The bars.
        law: Horizon in bars -> the law of forward returns over it; None where nothing can be known of them.
    """

    bars: pd.DataFrame
    law: Callable[[int], Law] | None


class Task(NamedConfig, ABC):
    """What bars are made."""

    @property
    def most_slippage(self) -> float | None:
        """Slippage up to which every fill pays it whole, so that the law knows the costs; None: there is no law."""
        return None

    @abstractmethod
    def make(self, seed: int) -> Made:
        """The bars of a seed.

        Raises:
            BarsError: They cannot be made.
        """


class AR1Task(Task):
    """Bars whose returns are an AR(1), with nothing between a close and the next open.

    With r_t = ln(close_t / open_t), open_t = close_{t-1} and ε standard normal

        r_{t+1} = φ r_t + s ε_{t+1}

    so that the forward return over h bars, r_{t+1} + … + r_{t+h}, is given r_t, which is all that there is to know,

        normal with mean r_t φ (1 - φ^h) / (1 - φ) and variance s² Σ_{k=1…h} ((1 - φ^k) / (1 - φ))²

    for ε_{t+i} is in h - i + 1 of the returns, each time less by φ. Volumes and what lies above and below a body are
    noise, and tell of nothing.
    """

    name: Literal["ar1"] = "ar1"
    bars: int = Field(40_000, ge=100, le=1_000_000, description="How many are made")
    persistence: float = Field(0.9, gt=0, lt=1, description="Correlation of a return with the one before, φ, in (0, 1)")
    volatility: float = Field(
        0.003,
        gt=0,
        le=0.1,
        description="Standard deviation of a bar's log return, in (0, 0.1]; 0.003 is 30 basis points",
    )

    @property
    def process(self) -> AR1:
        """Of the returns."""
        return AR1(self.persistence, self.volatility * math.sqrt(1.0 - self.persistence**2))

    @property
    def most_slippage(self) -> float:
        """As far as any bar reaches below its open, which is not as far as above it."""
        return -math.expm1(-LEAST_WICK)

    def make(self, seed: int) -> Made:
        """Stationary from the first bar on."""
        generator = np.random.default_rng(seed)
        returns = self.process.sample(generator, 1, self.bars)[0]
        return Made(_dressed(returns, self.volatility, generator), lambda horizon: self.law(returns, horizon))

    def law(self, returns: Array, horizon: int) -> Law:
        """Of the forward returns over a horizon, given the returns of the bars, (bars,)."""
        reach = (1.0 - self.persistence ** np.arange(1, horizon + 1)) / (1.0 - self.persistence)  # (horizon,)
        slope = self.persistence * reach[-1]
        return Law(
            expected=slope * returns,
            deviation=self.process.shock * math.sqrt(float(reach @ reach)),
            centres=np.zeros(1),
            spread=slope * self.volatility,
        )


class SineTask(Task):
    """The bars of `synthetic:sine`: a cycle of the log price, and noise around it that is new on every bar.

    With c_t = amplitude sin(2 π t / period) and e_t the noise, ln close_t = c_t + e_t up to a constant, and a bar opens
    where the last one closed. Who knows the cycle sees e_t; the forward return is then

        normal with mean c_{t+h} - c_t - e_t and variance noise²

    A forecaster has to find phase and noise in its window, so it can come near to that and not quite reach it.
    """

    name: Literal["sine"] = "sine"
    bars: int = Field(6_000, ge=100, le=1_000_000, description="How many are made")
    amplitude: float = Field(0.05, gt=0, le=5, description="Half the height of the cycle in log price, in (0, 5]")
    period: int = Field(20, ge=2, le=10_000, description="Bars in one cycle")
    noise: float = Field(
        0.002, gt=0, le=1, description="Standard deviation of the log price around the cycle, in (0, 1]"
    )

    @property
    def most_slippage(self) -> float:
        """None: a bar may open at its high."""
        return 0.0

    def make(self, seed: int) -> Made:
        """As the source makes them."""
        source = SineConfig(n=self.bars, seed=seed, amplitude=self.amplitude, period=self.period, noise=self.noise)
        bars = make_bars(
            source.model_copy(update={"interval": "1h", "calendar": "continuous"}), f"the {self.name} bars"
        )
        closed = np.log(bars["close"].to_numpy() / source.price)
        return Made(bars, lambda horizon: self.law(closed, horizon))

    def law(self, closed: Array, horizon: int) -> Law:
        """Of the forward returns over a horizon, given the logarithms of closes over the first price, (bars,)."""
        ahead = self._cycle(np.arange(1, len(closed) + 1) + horizon)
        phases = np.arange(self.period)
        return Law(
            expected=ahead - closed,
            deviation=self.noise,
            centres=self._cycle(phases + horizon) - self._cycle(phases),
            spread=self.noise,
        )

    def _cycle(self, bar: Array | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Array:
        cycle: Array = self.amplitude * np.sin(2.0 * np.pi * bar / self.period)
        return cycle


class ShuffledTask(Task):
    """A real market's moves in random order: what a bar did says nothing of the next, and their mean stays."""

    name: Literal["shuffled"] = "shuffled"
    bars: str = Field("sample:AAPL", description="A source URI")

    def make(self, seed: int) -> Made:
        """Every move by itself, so that quiet and wild times are gone too: they would tell of the moves' size."""
        real = load_bars(self.bars)
        moves = block_shuffled(Moves.of(real), 1, np.random.default_rng(seed))
        assert isinstance(real.index, pd.DatetimeIndex)
        return Made(moves.after(real.iloc[:1], real.index), None)


def _dressed(returns: Array, volatility: float, generator: np.random.Generator) -> pd.DataFrame:
    """Bars with these log returns of their bodies, gaps of nothing, and all else at random."""
    n = len(returns)
    above, below = LEAST_WICK + volatility * np.abs(generator.standard_normal((2, n)))
    walked = np.concatenate([[0.0], np.cumsum(returns)])
    opened, closed = walked[:-1], walked[1:]
    logs = {
        "open": opened,
        "high": np.maximum(opened, closed) + above,
        "low": np.minimum(opened, closed) - below,
        "close": closed,
    }
    columns = {name: 100.0 * np.exp(values) for name, values in logs.items()}
    columns["volume"] = 1e6 * np.exp(0.3 * generator.standard_normal(n))
    times = pd.date_range("2000-01-01", periods=n, freq="h", tz="UTC", unit="ns", name="time")
    return validate_bars(pd.DataFrame(columns, index=times), "the planted bars")


TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "ar1": f"{__name__}:AR1Task",
        "sine": f"{__name__}:SineTask",
        "shuffled": f"{__name__}:ShuffledTask",
    },
)
