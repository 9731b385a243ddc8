"""A setting: forecasters, the bars that they are measured on, and how those are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from dltrader.benchmarks.forecasts.tasks import TASKS, Task
from dltrader.config import Config, named, named_value, read_yaml
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.forecast.forecasters import FORECASTERS, ForecasterConfig
from dltrader.forecast.labels import LabelsConfig, Threshold
from dltrader.forecast.voting import VoteConfig
from dltrader.registry import did_you_mean
from dltrader.runs.ensemble import MEMBER_NAME
from dltrader.runs.experiment import shipped_configs


def _forecaster(value: Any) -> Any:
    return named_value(FORECASTERS, value)


class Setting(Config):
    """What learns on which bars; as an ensemble's configuration, with a task in place of data."""

    task: Annotated[SerializeAsAny[Task], named(TASKS)] = Field(description="What bars are made")
    validation_start: float = Field(0.5, gt=0, lt=1, description="Fraction of the bars where validation begins")
    test_start: float = Field(0.6, gt=0, lt=1, description="Fraction of the bars from which on none has been seen")
    env: EnvConfig = Field(description="Features, scaling, and what trades cost")
    labels: LabelsConfig = LabelsConfig()
    members: dict[
        Annotated[str, Field(pattern=MEMBER_NAME)],
        Annotated[SerializeAsAny[ForecasterConfig], BeforeValidator(_forecaster)],
    ] = Field(min_length=1, description="Who is measured: names to forecasters")
    vote: VoteConfig = VoteConfig()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.validation_start < self.test_start:
            raise ConfigError(
                f"validation begins at {self.validation_start:g} of the bars and the test at {self.test_start:g}; "
                "let the test begin later"
            )
        return self

    @model_validator(mode="after")
    def _known(self) -> Self:
        """The law is one of sides by threshold, and of costs that are the same share of every price."""
        most, costs = self.task.most_slippage, self.env.costs
        if most is None:
            return self
        if self.labels.rule != Threshold():
            raise ConfigError(
                f"on {self.task.name} bars the best possible is known of labels.rule threshold without margin"
            )
        if costs.slippage > most or costs.per_unit > 0:
            raise ConfigError(
                f"on {self.task.name} bars the best possible is known of costs.slippage up to {most:.4g} and "
                f"costs.per_unit 0, was {costs.slippage:g} and {costs.per_unit:g}; let costs.commission stand for them"
            )
        return self

    @property
    def horizons(self) -> tuple[int, ...]:
        """Horizons in bars of which any member learns the wins."""
        return tuple(sorted({horizon for member in self.members.values() for horizon in member.horizons}))

    @property
    def window_bars(self) -> int:
        """Rows of the longest window."""
        return max(member.window_bars for member in self.members.values())

    def with_members(self, names: Sequence[str]) -> Self:
        """With some of its members only.

        Raises:
            ConfigError: One is not there.
        """
        unknown = next((name for name in names if name not in self.members), None)
        if unknown is not None:
            raise ConfigError(f"there is no forecaster {unknown!r}{did_you_mean(unknown, self.members)}")
        return self.model_copy(update={"members": {name: self.members[name] for name in names}})


def shipped_settings() -> dict[str, Setting]:
    """The settings that come with the library, by the names of their files."""
    return {name: Setting.from_mapping(read_yaml(file)) for name, file in shipped_configs("forecasts").items()}
