"""Synthetic bars with known laws: `synthetic:gbm?n=2000&mu=0.05&sigma=0.2&seed=1`.

A process gives the log price at the close of every bar; `make_bars` dresses it as bars. With dt the
fraction of a year that one bar takes (252 trading days or 365 days) and e_t independent standard
normal numbers:

    gbm     ln p_t = ln p_{t-1} + (mu - sigma^2 / 2) dt + sigma sqrt(dt) e_t        (Black and
    Scholes 1973) ou      x_t = a x_{t-1} + sigma sqrt(1 - a^2) e_t, a = 2^(-1 / half_life)
    (Uhlenbeck and Ornstein 1930;
            ln p_t = ln price + x_t                                                 exact step:
            Gillespie 1996)
    sine    ln p_t = ln price + drift t dt + amplitude sin(2 pi t / period) + noise e_t
    regime  gbm whose mu is mu_bull or mu_bear, by a Markov chain with two states   (Hamilton 1989)

Bars shorter than a day follow each other day and night, or, `&session=09:30-16:00` with
`&timezone=America/New_York`, while a market is open: there, summer time included.

Equal URIs give equal bars, bit for bit, and a longer series begins with the shorter one of the same
seed.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, field_validator, model_validator

from dltrader.config import Config
from dltrader.data.bars import DAY, Bars, validate_bars
from dltrader.data.sessions import Clock, TimeZone, time_of_day
from dltrader.data.sources import parameters
from dltrader.errors import ConfigError, UnknownNameError
from dltrader.registry import did_you_mean

FloatArray = npt.NDArray[np.float64]
LAST_DAY = pd.Timestamp("2262-01-01", tz="UTC")  # what pandas can count in nanoseconds


class SyntheticConfig(Config, ABC):
    """What all synthetic bars have in common."""

    n: int = Field(1000, ge=1, le=1_000_000, description="Number of bars; from 1 to 1000000.")
    seed: int = Field(0, ge=0, description="Seed of the random numbers; at least 0.")
    start: dt.date = Field(dt.date(2000, 1, 3), description="Date of the first bar, such as 2000-01-03; UTC.")
    interval: str = Field("1D", description="Length of a bar, such as 1D, 1h or 15min; a day or an even part of one.")
    calendar: Literal["business", "continuous"] = Field(
        "business",
        description="Bars from Monday to Friday (business) or on every day (continuous).",
    )
    session: str | None = Field(
        None,
        description="When a day's bars begin and end on the market's wall, such as 09:30-16:00; without: all day, UTC.",
    )
    timezone: TimeZone = "UTC"
    price: float = Field(100.0, gt=0, le=1e9, description="Price before the first bar; in (0, 1e9].")
    gap: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Standard deviation of ln(open / close before); in [0, 0.5].",
    )
    wick: float = Field(
        0.002,
        ge=0,
        le=0.5,
        description="Scale of ln(high / upper end of the body), and below likewise; in [0, 0.5].",
    )
    volume: float = Field(1e6, gt=0, le=1e15, description="Median volume of a bar in units; above 0.")

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, text: str) -> str:
        try:
            length = pd.Timedelta(text)
        except ValueError:
            length = pd.Timedelta(0)
        # NaT, which pandas reads from "" and "nat", is not above 0 either.
        if not length > pd.Timedelta(0) or DAY % length != pd.Timedelta(0):
            raise ConfigError(f"must be a day or an even part of one, such as 1D, 1h or 15min, was {text!r}")
        return text

    @model_validator(mode="after")
    def _check_session(self) -> Self:
        if self.session is None:
            if self.timezone != "UTC":
                raise ConfigError("timezone is that of a session; add one, such as session=09:30-16:00")
        elif self.clock.minutes % (pd.Timedelta(self.interval) / pd.Timedelta(minutes=1)):
            raise ConfigError(f"session {self.session} does not hold a whole number of bars of {self.interval}")
        return self

    @property
    def clock(self) -> Clock:
        """When the market is open.

        Raises:
            ConfigError: The session is none.
        """
        opens, _, closes = (self.session or "00:00-00:00").partition("-")
        return Clock(self.timezone, time_of_day(opens), time_of_day(closes))

    @property
    def bars_a_day(self) -> int:
        """How many bars a trading day has."""
        return int(pd.Timedelta(minutes=self.clock.minutes) / pd.Timedelta(self.interval))

    @property
    def year_fraction(self) -> float:
        """How much of a year one bar takes."""
        return 1.0 / ((252 if self.calendar == "business" else 365) * self.bars_a_day)

    @abstractmethod
    def log_path(self, rng: np.random.Generator) -> FloatArray:
        """Log price at each close, relative to `price`; shape (n,)."""


class GbmConfig(SyntheticConfig):
    """Geometric Brownian motion: returns nobody can predict."""

    mu: float = Field(0.05, ge=-10, le=10, description="Growth of the expected price a year; in [-10, 10].")
    sigma: float = Field(0.2, ge=0, le=10, description="Volatility a year; in [0, 10].")

    def log_path(self, rng: np.random.Generator) -> FloatArray:
        """A random walk with drift."""
        return _walk(np.full(self.n, self.mu), self.sigma, self.year_fraction, rng)


class OuConfig(SyntheticConfig):
    """Ornstein-Uhlenbeck: a log price that is drawn back to its mean, which is `price`."""

    half_life: float = Field(
        10.0,
        gt=0,
        le=1e6,
        description="Bars in which an expected deviation halves; in (0, 1000000].",
    )
    sigma: float = Field(
        0.05,
        ge=0,
        le=5,
        description="Standard deviation of the log price in the long run; in [0, 5].",
    )

    def log_path(self, rng: np.random.Generator) -> FloatArray:
        """An autoregression of order one, begun at the mean."""
        decay = 2.0 ** (-1.0 / self.half_life)
        shocks = self.sigma * np.sqrt(1.0 - decay**2) * rng.standard_normal(self.n)
        path = np.empty(self.n)
        deviation = 0.0
        for t, shock in enumerate(shocks.tolist()):
            deviation = decay * deviation + shock
            path[t] = deviation
        return path


class SineConfig(SyntheticConfig):
    """A planted cycle that an agent can learn.

    With the defaults a close lies 1 % from the last on average (4 amplitude / period), against 0.15
    % of costs a side and 0.3 % of noise, and there is no drift to hold on to.
    """

    amplitude: float = Field(0.05, ge=0, le=5, description="Half the height of the cycle in log price; in [0, 5].")
    period: float = Field(20.0, ge=2, le=1e6, description="Bars in one cycle; in [2, 1000000].")
    noise: float = Field(
        0.002,
        ge=0,
        le=1,
        description="Standard deviation of the log price around the cycle; in [0, 1].",
    )
    drift: float = Field(0.0, ge=-10, le=10, description="Growth of the log price a year; in [-10, 10].")

    def log_path(self, rng: np.random.Generator) -> FloatArray:
        """Trend, cycle and noise."""
        t = np.arange(1, self.n + 1)
        cycle = self.amplitude * np.sin(2.0 * np.pi * t / self.period)
        noise = self.noise * rng.standard_normal(self.n)
        path: FloatArray = self.drift * self.year_fraction * t + cycle + noise
        return path


class RegimeConfig(SyntheticConfig):
    """A drift that switches between a bull and a bear market."""

    mu_bull: float = Field(0.6, ge=-10, le=10, description="Growth a year in a bull market; in [-10, 10].")
    mu_bear: float = Field(-0.6, ge=-10, le=10, description="Growth a year in a bear market; in [-10, 10].")
    sigma: float = Field(0.15, ge=0, le=10, description="Volatility a year in both; in [0, 10].")
    duration: float = Field(100.0, ge=1, le=1e6, description="Mean length of a regime in bars; in [1, 1000000].")

    def log_path(self, rng: np.random.Generator) -> FloatArray:
        """A random walk whose drift follows the chain; either regime may come first."""
        chain, noise = rng.spawn(2)
        draws = chain.random(self.n)
        switches = draws < np.where(np.arange(self.n) == 0, 0.5, 1.0 / self.duration)
        bear = np.cumsum(switches) % 2 == 1
        return _walk(np.where(bear, self.mu_bear, self.mu_bull), self.sigma, self.year_fraction, noise)


PROCESSES: dict[str, type[SyntheticConfig]] = {
    "gbm": GbmConfig,
    "ou": OuConfig,
    "sine": SineConfig,
    "regime": RegimeConfig,
}


def load(address: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None) -> Bars:
    """The bars of an address such as `ou?n=500&seed=3`.

    Args:
        address: Name of a process, and its parameters.
        start: Not used: `load_bars` cuts, and the parameter `start` says where the series begins.
        end: Not used.

    Raises:
        BarsError: The parameters drive the price to 0 or beyond all numbers.
        ConfigError: A parameter is unknown or out of range.
        UnknownNameError: There is no such process.
    """
    del start, end
    name, values = parameters(address)
    if name not in PROCESSES:
        raise UnknownNameError(f"unknown synthetic process {name!r}{did_you_mean(name, PROCESSES)}")
    try:
        config = PROCESSES[name].from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"synthetic:{name}: {error}") from None
    return make_bars(config, origin=f"synthetic:{address}")


def make_bars(config: SyntheticConfig, origin: str = "synthetic bars") -> Bars:
    """Bars that follow a process.

    Open is the close before, moved by the gap; high and low lie outside the body by half-normal
    wicks; volume is log-normal.

    Raises:
        BarsError: The parameters drive the price to 0 or beyond all numbers.
        ConfigError: The bars would go on beyond the year 2262.
    """
    # One stream for each of the four, so that changing one leaves the others as they were.
    process, gaps, wicks, volumes = np.random.default_rng(config.seed).spawn(4)
    closed = config.log_path(process)  # (n,)
    opened = np.concatenate([[0.0], closed[:-1]]) + config.gap * gaps.standard_normal(config.n)
    above, below = config.wick * np.abs(wicks.standard_normal((config.n, 2))).T
    logs = {
        "open": opened,
        "high": np.maximum(opened, closed) + above,
        "low": np.minimum(opened, closed) - below,
        "close": closed,
    }
    with np.errstate(over="ignore", under="ignore"):
        columns = {name: config.price * np.exp(values) for name, values in logs.items()}
    columns["volume"] = config.volume * np.exp(0.3 * volumes.standard_normal(config.n))
    return validate_bars(pd.DataFrame(columns, index=_times(config)), origin)


def _times(config: SyntheticConfig) -> pd.DatetimeIndex:
    """Closing times: the date itself for daily bars, up to the end of the day or session for shorter ones."""
    days = -(-config.n // config.bars_a_day)
    if pd.Timestamp(config.start, tz="UTC") + 1.5 * days * DAY > LAST_DAY:
        raise ConfigError(f"{config.n} bars of {config.interval} from {config.start} end after 2262; take fewer bars")
    first = pd.date_range(
        config.start,
        periods=days,
        freq="B" if config.calendar == "business" else "D",
        tz="UTC",
        unit="ns",
    )
    if config.bars_a_day == 1 and config.session is None:
        return first.rename("time")
    steps = np.arange(1, config.bars_a_day + 1) * pd.Timedelta(config.interval).as_unit("ns").value
    opens = config.clock.opens(first.tz_localize(None)).as_unit("ns").asi8
    stamps = (opens[:, None] + steps).ravel()[: config.n]  # (days, bars a day) -> (n,)
    return pd.DatetimeIndex(stamps, tz="UTC", name="time")


def _walk(growth: FloatArray, sigma: float, year_fraction: float, rng: np.random.Generator) -> FloatArray:
    """A random walk in log price that grows by `growth` a year in expectation of the price."""
    steps = (growth - sigma**2 / 2) * year_fraction
    return np.cumsum(steps + sigma * np.sqrt(year_fraction) * rng.standard_normal(len(growth)))
