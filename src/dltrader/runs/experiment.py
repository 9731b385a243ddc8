"""The schema of an experiment: which bars, which environment, which agent, how long.

It joins the configurations of the parts, which stand next to what they configure. YAML in, YAML out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import pandas as pd
from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from dltrader.agents.config import AGENTS, AgentConfig
from dltrader.config import Config, named, override, read_yaml
from dltrader.data import expand, load_bars
from dltrader.data.times import moment, written
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import named_uris
from dltrader.errors import BarsError, ConfigError
from dltrader.evaluation.folds import FoldsConfig
from dltrader.registry import did_you_mean
from dltrader.runs.spans import Spans


def _time(value: Any, info: ValidationInfo) -> Any:
    """A time as text, from what YAML or a caller may give."""
    if value is None:
        return None
    moment(value, str(info.field_name))
    return str(value).strip()  # as it was written: the end of "2010" is not the end of 2010-01-01 00:00


def _cut(value: Any, info: ValidationInfo) -> Any:
    """A fraction, or a time as text."""
    if isinstance(value, float) and 0 < value < 1:
        return value
    try:
        return _time(value, info)
    except ConfigError:
        raise ConfigError(
            f"{info.field_name} must be a fraction in (0, 1) or a date such as '2010-01-31', was {value!r}"
        ) from None


def _uris(value: Any) -> Any:
    """A source URI, a list of them, or several by name."""
    uris = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
    if not uris or not all(isinstance(uri, str) for uri in uris):
        raise ConfigError(
            f"bars must be a source URI such as 'sample:AAPL', a list of them, or names to source URIs, was {value!r}"
        )
    return value


def _ppo() -> AgentConfig:
    return AGENTS["ppo"].from_mapping({"name": "ppo"})


def _ppo_unless_named(value: Any) -> Any:
    return {"name": "ppo", **value} if isinstance(value, Mapping) else value


Time = Annotated[str, BeforeValidator(_time)]
Cut = Annotated[float | str, BeforeValidator(_cut)]


class Slices(NamedTuple):
    """Bars for learning, for choosing, and for the final answer; later slices carry the earlier ones as history.

    Of markets that are traded apart, a later slice has those only that still have bars to trade.

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

    bars: Annotated[str | tuple[str, ...] | dict[str, str], BeforeValidator(_uris)] = Field(
        "sample:AAPL", description="A source URI, a list of them or one with a wildcard, or instrument names to URIs"
    )
    trade: Literal["together", "apart"] | None = Field(
        None,
        description="Whether several instruments are one portfolio (together) or markets of which every episode draws "
        "one (apart); null: names to URIs together, a list or a wildcard apart",
    )
    start: Time | None = Field(None, description="The first bar is not before this")
    end: Time | None = Field(None, description="The last bar is not after this; a date is meant to its end")
    validation_start: Cut = Field(0.7, description="Where validation begins: these bars choose the best checkpoint")
    test_start: Cut = Field(
        0.85, description="Where the test begins: these bars are used for nothing but the final backtest"
    )
    spans: Spans | None = Field(
        None,
        description="Spans of bars in place of the two cuts, as a walk-forward gives them to each of its trainings",
    )

    @model_serializer(mode="wrap")
    def _without_absent(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _present(write(self), "spans")

    @property
    def apart(self) -> bool:
        """Whether every instrument is a market of its own."""
        if self.trade is not None:
            return self.trade == "apart"
        return isinstance(self.bars, tuple) or (isinstance(self.bars, str) and "*" in self.bars)

    def uris(self) -> dict[str, str]:
        """Every instrument's source URI by name, wildcards expanded.

        Raises:
            ConfigError: Two instruments have the same name.
            SourceError: Nothing matches a wildcard.
        """
        if isinstance(self.bars, Mapping):
            return dict(self.bars)
        listed = [self.bars] if isinstance(self.bars, str) else self.bars
        return named_uris([one for uri in listed for one in expand(uri)])

    def load(self) -> dict[str, pd.DataFrame]:
        """The bars of all instruments.

        Raises:
            ConfigError: Two instruments have the same name.
            SourceError: A source is missing or does not answer.
            BarsError: Bars break their rules, or none lie between start and end.
        """
        return {name: load_bars(uri, start=self.start, end=self.end) for name, uri in self.uris().items()}

    def cut(self, bars: Mapping[str, pd.DataFrame]) -> Slices:
        """Cut the bars of all instruments at the same two times, so that none is trained on after another's test began.

        A fraction is one of the bars that instruments have in common; of those that any has, where they trade apart.

        Raises:
            BarsError: A slice would be empty.
        """
        if self.spans is not None:
            learned = self.spans.training(bars)
            return Slices(learned, self._open(*self.spans.validating(bars)), self._open(*self.spans.testing(bars)))
        indices = [frame.index for frame in bars.values()]
        index = reduce(pd.Index.union, indices) if self.apart else reduce(pd.Index.intersection, indices)
        if len(index) == 0:
            raise BarsError(f"{', '.join(bars)} have no bar at a common time; choose instruments that overlap")
        validation, test = _place(self.validation_start, index), _place(self.test_start, index)
        if not index[0] < validation < test <= index[-1]:
            raise BarsError(
                f"the bars run from {written(index[0])} to {written(index[-1])}, validation begins "
                f"{written(validation)} and the test {written(test)}, which leaves a slice empty; "
                "change data.validation_start or data.test_start"
            )
        return Slices(
            train={name: frame.loc[frame.index < validation] for name, frame in bars.items()},
            validation=(self._open({name: frame.loc[frame.index < test] for name, frame in bars.items()}, validation)),
            test=self._open(dict(bars), test),
        )

    def _open(self, bars: dict[str, pd.DataFrame], start: pd.Timestamp) -> tuple[dict[str, pd.DataFrame], pd.Timestamp]:
        """What can be traded from a time on: of markets apart, those that have a step left."""
        if not self.apart:
            return bars, start
        left = {name: frame for name, frame in bars.items() if (frame.index >= start).sum() > 1}
        if not left:
            raise BarsError(f"no instrument has two bars from {written(start)} on; choose other cuts")
        return left, start


def _present(values: dict[str, Any], key: str) -> dict[str, Any]:
    """Values without a key that has none: what knows nothing of it is written as it was before there was such a key."""
    return {name: value for name, value in values.items() if name != key or value is not None}


def _place(cut: float | str, index: pd.Index[Any]) -> pd.Timestamp:
    found: pd.Timestamp = index[int(len(index) * cut)] if isinstance(cut, float) else moment(cut, "a cut")
    return found


class TrainConfig(Config):
    """How long to learn, and on what."""

    total_timesteps: int = Field(100_000, ge=1, description="Bars to step, over all environments")
    n_envs: int = Field(64, ge=1, description="Environments stepped side by side")
    evaluate_every: int = Field(
        20_000, ge=1, description="Bars between checkpoints, each backtested on the validation bars"
    )
    keep_state: bool = Field(
        default=True,
        description="Whether every checkpoint also keeps what it takes to resume the training from there, in place of "
        "the one before; with a large replay it takes as much room as that",
    )
    engine: Literal["cerebro", "vector"] = Field(
        "vector",
        description="What steps the environments: backtrader itself, or the faster market that equals it on every bar",
    )
    lanes_per_episode: int = Field(
        1,
        ge=1,
        description="Environments that begin an episode on the same bars and then differ by what they do; with more "
        "than one, bars are shared and encoded once for all, however many bars there are; needs engine: vector",
    )
    device: str = Field("cpu", description="Where the networks compute: cpu, cuda or auto")
    threads: int = Field(
        1, ge=1, le=256, description="Threads that torch computes with; recurrent and attention networks gain from 2"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lanes_per_episode > 1 and self.engine != "vector":
            raise ConfigError(
                f"train.lanes_per_episode is {self.lanes_per_episode}, and only train.engine: vector has lanes; "
                "set it to 1 or change the engine"
            )
        return self


class Experiment(Config):
    """What decides what a training gives, whatever is trained: a policy, or an ensemble with its members."""

    name: str = Field("experiment", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="For folders and titles")
    seed: int = Field(0, ge=0, lt=2**31, description="Of weights, actions and episodes")
    data: DataConfig = DataConfig()
    env: EnvConfig = EnvConfig()

    @property
    def label(self) -> str:
        """What is trained, for titles and tables."""
        raise NotImplementedError

    @property
    def threads(self) -> int:
        """Threads that a training computes with."""
        return 1

    @property
    def engine(self) -> Literal["cerebro", "vector"]:
        """What steps the environments that are traded in training."""
        return "cerebro"

    @classmethod
    def load(cls, source: Any, overrides: Mapping[str, Any] | None = None) -> Self:
        """From a file, the name of a shipped configuration, a mapping or an experiment, with dotted keys replaced.

        Raises:
            ConfigError: There is no such file, or a value is wrong.
        """
        if isinstance(source, cls):
            return source.with_overrides(overrides) if overrides else source
        return cls.from_mapping(override(values_of(source), overrides or {}))


class ExperimentConfig(Experiment):
    """Everything that decides what the training of a policy gives."""

    agent: Annotated[SerializeAsAny[AgentConfig], named(AGENTS), BeforeValidator(_ppo_unless_named)] = Field(
        default_factory=_ppo, description="What learns"
    )
    train: TrainConfig = TrainConfig()
    walk_forward: FoldsConfig | None = Field(
        None, description="How a walk-forward cuts the bars; a plain training takes no notice of it"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_ensemble(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "members" in values:
            raise ConfigError(
                "members make it the configuration of an ensemble, and that of a policy is needed here; an ensemble is "
                "trained by dltrader train, and cross-validated by its own folds"
            )
        return values

    @model_serializer(mode="wrap")
    def _without_absent(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _present(write(self), "walk_forward")

    @property
    def label(self) -> str:
        """Agent and extractor."""
        return self.agent.label

    @property
    def threads(self) -> int:
        """As `train.threads` says."""
        return self.train.threads

    @property
    def engine(self) -> Literal["cerebro", "vector"]:
        """As `train.engine` says."""
        return self.train.engine


def values_of(source: Any) -> dict[str, Any]:
    """The plain values of an experiment, from a file, the name of a shipped configuration, a mapping or an experiment.

    What comes from a file and has no name is named after it.

    Raises:
        ConfigError: There is no such file, or it is no YAML.
    """
    if isinstance(source, Config):
        return source.to_mapping()
    if isinstance(source, Mapping):
        return dict(source)
    values = read_yaml(_shipped(source))
    values.setdefault("name", Path(source).stem)
    return values


def shipped_configs(kind: str = ".") -> dict[str, Path]:
    """Name -> file of every configuration that comes with the library; of other kinds than experiments by folder."""
    package = Path(__file__).resolve().parents[1]
    # In a wheel they lie inside the package, in a checkout beside its src/.
    folders = [package / "configs", package.parents[1] / "configs"]
    return {file.stem: file for folder in folders for file in sorted((folder / kind).glob("*.yaml"))}


def _shipped(source: str | Path) -> Path:
    """The file itself, or the shipped one of that name."""
    if Path(source).is_file() or Path(source).suffix:
        return Path(source)
    shipped = shipped_configs()
    if str(source) not in shipped:
        raise ConfigError(f"no configuration file {str(source)!r}{did_you_mean(str(source), shipped)}")
    return shipped[str(source)]
