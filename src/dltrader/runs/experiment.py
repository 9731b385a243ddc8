"""The schema of an experiment: which bars, which environment, which agent, how long.

It joins the configurations of the parts, which stand next to what they configure. YAML in, YAML out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import pandas as pd
from pydantic import BeforeValidator, Field, SerializeAsAny

from dltrader.agents.config import AGENTS, AgentConfig
from dltrader.config import Config, named, override, read_yaml
from dltrader.data import load_bars
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import instrument_of
from dltrader.errors import BarsError, ConfigError
from dltrader.registry import did_you_mean


def _moment(value: Any) -> Any:
    """A time in ISO format from what YAML or a caller may give; fractions pass."""
    if isinstance(value, str | dt.date | pd.Timestamp):
        try:
            return str(pd.Timestamp(value))
        except ValueError:
            raise ConfigError(f"{value!r} is no date; write it as 2010-01-31 or 2010-01-31 15:30") from None
    return value


Moment = Annotated[str, BeforeValidator(_moment)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Slices(NamedTuple):
    """Bars for learning, for choosing, and for the final answer; later slices carry the earlier ones as history.

    Attributes:
        train: Bars before the validation.
        validation: Bars before the test, and the time from which they are traded.
        test: All bars, and the time from which they are traded.
    """

    train: dict[str, pd.DataFrame]
    validation: tuple[dict[str, pd.DataFrame], pd.Timestamp]
    test: tuple[dict[str, pd.DataFrame], pd.Timestamp]


class DataConfig(Config):
    """Which bars, and where they are cut. A cut is a time, or a fraction of the bars."""

    bars: str | dict[str, str] = Field(
        "sample:AAPL", description="A source URI, or instrument names to URIs for a portfolio"
    )
    start: Moment | None = Field(None, description="The first bar is not before this")
    end: Moment | None = Field(None, description="The last bar is not after this")
    validation_start: Fraction | Moment = Field(
        0.7, description="Where validation begins: these bars choose the best checkpoint"
    )
    test_start: Fraction | Moment = Field(
        0.85, description="Where the test begins: these bars are used for nothing but the final backtest"
    )

    def load(self) -> dict[str, pd.DataFrame]:
        """The bars of all instruments.

        Raises:
            SourceError: A source is missing or does not answer.
            BarsError: Bars break their rules, or none lie between start and end.
        """
        uris = self.bars if isinstance(self.bars, Mapping) else {instrument_of(self.bars): self.bars}
        return {name: load_bars(uri, start=self.start, end=self.end) for name, uri in uris.items()}

    def cut(self, bars: Mapping[str, pd.DataFrame]) -> Slices:
        """Cut the bars of all instruments at the same two times.

        Raises:
            BarsError: A slice would be empty.
        """
        index = next(iter(bars.values())).index
        validation, test = self._time(self.validation_start, index), self._time(self.test_start, index)
        if not index[0] < validation < test <= index[-1]:
            raise BarsError(
                f"validation must begin after {index[0]:%Y-%m-%d} and the test after validation and by {index[-1]:%Y-%m-%d}, "
                f"but they begin {validation:%Y-%m-%d} and {test:%Y-%m-%d}; "
                "change data.validation_start and data.test_start"
            )
        return Slices(
            train={name: frame.loc[frame.index < validation] for name, frame in bars.items()},
            validation=({name: frame.loc[frame.index < test] for name, frame in bars.items()}, validation),
            test=(dict(bars), test),
        )

    @staticmethod
    def _time(cut: float | str, index: pd.Index[Any]) -> pd.Timestamp:
        if isinstance(cut, float):
            found: pd.Timestamp = index[int(len(index) * cut)]
            return found
        time = pd.Timestamp(cut)
        return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


class TrainConfig(Config):
    """How long to learn, and on what."""

    total_timesteps: int = Field(100_000, ge=1, description="Bars to step, over all environments")
    n_envs: int = Field(8, ge=1, le=1024, description="Environments stepped side by side")
    evaluate_every: int = Field(
        20_000, ge=1, description="Bars between checkpoints, each backtested on the validation bars"
    )
    device: str = Field("cpu", description="Where the networks compute: cpu, cuda or auto")


class ExperimentConfig(Config):
    """Everything that decides what a training gives."""

    name: str = Field("experiment", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="For folders and titles")
    seed: int = Field(0, ge=0, lt=2**31, description="Of weights, actions and episodes")
    data: DataConfig = DataConfig()
    env: EnvConfig = EnvConfig()
    agent: Annotated[SerializeAsAny[AgentConfig], named(AGENTS)] = Field(
        default_factory=lambda: AGENTS["ppo"](), description="What learns"
    )
    train: TrainConfig = TrainConfig()

    @classmethod
    def load(cls, source: Any, overrides: Mapping[str, Any] | None = None) -> Self:
        """From a file, the name of a shipped configuration, a mapping or an experiment, with dotted keys replaced.

        Raises:
            ConfigError: There is no such file, or a value is wrong.
        """
        if isinstance(source, cls):
            return source.with_overrides(overrides) if overrides else source
        values = dict(source) if isinstance(source, Mapping) else read_yaml(_shipped(source))
        if not isinstance(source, Mapping):
            values.setdefault("name", Path(source).stem)
        return cls.from_mapping(override(values, overrides or {}))


def shipped_configs() -> dict[str, Path]:
    """Name -> file of every configuration that comes with the library."""
    package = Path(__file__).resolve().parents[1]
    # In a wheel they lie inside the package, in a checkout beside its src/.
    folders = [package / "configs", package.parents[1] / "configs"]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def _shipped(source: str | Path) -> Path:
    """The file itself, or the shipped one of that name."""
    if Path(source).exists() or Path(source).suffix:
        return Path(source)
    shipped = shipped_configs()
    if str(source) not in shipped:
        raise ConfigError(f"no configuration file {str(source)!r}{did_you_mean(str(source), shipped)}")
    return shipped[str(source)]
