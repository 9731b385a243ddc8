"""The schema of an ensemble: on which bars, which labels, which members, how they vote and how that is traded.

A single forecaster is an ensemble of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from dltrader.config import Config, named_value, override
from dltrader.envs.actions import TargetWeight
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.evaluation.folds import FoldsConfig
from dltrader.evaluation.forecast_scores import ENSEMBLE
from dltrader.forecast.forecasters import FORECASTERS, ForecasterConfig
from dltrader.forecast.labels import LabelsConfig
from dltrader.forecast.trading import TradingConfig, trading_env
from dltrader.forecast.voting import VoteConfig
from dltrader.runs.experiment import Experiment, ExperimentConfig, values_of
from dltrader.runs.prediction_log import PredictionLogConfig

MEMBER_NAME = r"^[a-z][a-z0-9_]*$"


class PolicyMember(Config):
    """A policy that is trained for the ensemble, on the same bars and features."""

    agent: dict[str, Any] = Field({"name": "ppo"}, description="What learns, as in a policy's own experiment")
    train: dict[str, Any] = Field({}, description="How long it learns, as in a policy's own experiment")
    env: dict[str, Any] = Field(
        {"action": "target_position"},
        description="Where its environment differs from the ensemble's: not in what is seen",
    )


class RunMember(Config):
    """A policy that has been trained before, on the same features."""

    run: str = Field(min_length=1, description="Its run folder")


def _member(value: Any) -> Any:
    """A policy to be trained, a run that is there, or a forecaster by name."""
    if isinstance(value, Mapping) and "agent" in value:
        return PolicyMember.from_mapping(value)
    if isinstance(value, Mapping) and "run" in value:
        return RunMember.from_mapping(value)
    return value if isinstance(value, PolicyMember | RunMember) else named_value(FORECASTERS, value)


Member = Annotated[SerializeAsAny[ForecasterConfig | PolicyMember | RunMember], BeforeValidator(_member)]


def _by_weight(value: Any) -> Any:
    return {"action": "target_weight", **value} if isinstance(value, Mapping) else value


class EnsembleConfig(Experiment):
    """Everything that decides what the training of an ensemble gives.

    Its `env` is that which the ensemble trades in: behind what members see stands the volatility that the trading rules
    look at. As it follows from `trading`, it is not written.
    """

    env: Annotated[EnvConfig, BeforeValidator(_by_weight)] = EnvConfig(action=TargetWeight(), window_bars=60)
    labels: LabelsConfig = LabelsConfig()
    members: dict[Annotated[str, Field(pattern=MEMBER_NAME)], Member] = Field(
        min_length=1, description="Who votes: names to forecasters, or to policies"
    )
    vote: VoteConfig = VoteConfig()
    trading: TradingConfig = TradingConfig()
    folds: FoldsConfig | None = Field(
        None, description="How the bars before the test are cut for cross-validation; null: there is none"
    )
    predictions: PredictionLogConfig = PredictionLogConfig()

    @model_validator(mode="after")
    def _one_instrument(self) -> Self:
        if isinstance(self.data.bars, Mapping) and not self.data.apart and len(self.data.bars) > 1:
            raise ConfigError("an ensemble trades one instrument at a time; set data.trade to apart")
        return self

    @model_validator(mode="after")
    def _members_fit(self) -> Self:
        if ENSEMBLE in self.members:
            raise ConfigError(f"members.{ENSEMBLE} would be called what all of them are; give it another name")
        if not isinstance(self.env.action, TargetWeight):
            raise ConfigError(
                f"env.action is {self.env.action.name}, and an ensemble trades weights; leave it out, and give the "
                "actions of policies in their own members.NAME.env"
            )
        for name, member in self.forecasters.items():
            models = re.compile(rf"{name}_[0-9]+[a-z]+")  # one a horizon, such as lgb_5d
            same = next((other for other in self.members if models.fullmatch(other)), None)
            if same is not None and len(member.horizons) > 1:
                raise ConfigError(
                    f"members.{same} is called as one of the models of members.{name} may be, which has one a horizon; "
                    "give it another name"
                )
            if member.window_bars > self.env.window_bars:
                raise ConfigError(
                    f"members.{name} reads {member.window_bars} bars at a time, and env.window_bars is "
                    f"{self.env.window_bars}; set that to the longest window of a member"
                )
        return self

    @model_validator(mode="after")
    def _trading_env(self) -> Self:
        traded = trading_env(self.members_env, self.trading)
        object.__setattr__(self, "env", traded)  # frozen, and a validator may give back nothing but itself
        return self

    @model_serializer(mode="wrap")
    def _without_volatility(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        features = values["env"]["features"]
        return values | {"env": values["env"] | {"features": features[:-1]}}

    @property
    def members_env(self) -> EnvConfig:
        """What members see: all but the volatility that the trading rules look at."""
        features = tuple(spec for spec in self.env.features if spec != self.trading.volatility)
        return self.env.model_copy(update={"features": features})

    @property
    def label(self) -> str:
        """The members by name."""
        return " + ".join(self.members)

    @property
    def forecasters(self) -> dict[str, ForecasterConfig]:
        """The members that forecast."""
        return {name: member for name, member in self.members.items() if isinstance(member, ForecasterConfig)}

    def policy_experiment(self, name: str) -> ExperimentConfig:
        """The experiment of a member that is a policy to be trained.

        Raises:
            ConfigError: The member is none, or its own settings do not fit.
        """
        member = self.members[name]
        if not isinstance(member, PolicyMember):
            raise ConfigError(f"members.{name} is no policy to be trained")
        return ExperimentConfig.from_mapping(
            {
                "name": f"{self.name}-{name}",
                "seed": self.seed,
                "data": self.data.to_mapping(),
                "env": override(self.members_env.to_mapping(), member.env),
                "agent": member.agent,
                "train": member.train,
            }
        )


def load_experiment(source: Any, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """From a file, the name of a shipped configuration, a mapping or an experiment: an ensemble if it has members.

    Raises:
        ConfigError: There is no such file, or a value is wrong.
    """
    if isinstance(source, Experiment):
        return source.with_overrides(overrides) if overrides else source
    values = override(values_of(source), overrides or {})
    return (EnsembleConfig if "members" in values else ExperimentConfig).from_mapping(values)
