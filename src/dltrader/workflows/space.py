"""The search space: which keys of a configuration a tuning draws, and from which values.

agent.learning_rate: {low: 1.0e-4, high: 3.0e-3, log: true}   # a number; whole where both bounds are
env.window_bars: {choices: [8, 16, 32]}                       # any of these values, mappings included
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, model_validator

from dltrader.config import Config, read_yaml
from dltrader.errors import ConfigError
from dltrader.registry import did_you_mean
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import shipped_configs

FIXED = {
    "data": "scores on other bars cannot be compared",
    "env.costs": "the cheaper market would win",
    "name": "it decides nothing",
    "seed": "the luckiest would win; use --seeds",
}
"""What is never searched, and why."""


class Range(Config):
    """Numbers between two bounds, both included."""

    low: int | float = Field(description="The smallest value")
    high: int | float = Field(description="The largest value; between whole bounds all are whole")
    log: bool = Field(default=False, description="Whether each factor is as likely as another, in place of each step")
    step: int | float | None = Field(None, gt=0, description="Distance of the values; null: 1, or any fraction")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low < self.high:
            raise ConfigError(f"high must be above low {self.low}, was {self.high}")
        if self.log and self.low <= 0:
            raise ConfigError(f"low must be above 0 where log is true, was {self.low}")
        if self.log and self.step is not None:
            raise ConfigError(f"step must be null where log is true, was {self.step}")
        if self.step is not None and self.whole and self.step != int(self.step):
            raise ConfigError(f"step must be whole where both bounds are, was {self.step}")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if not math.isclose(steps, round(steps), abs_tol=1e-9) or round(steps) < 1:
                raise ConfigError(f"step must divide the {self.high - self.low:g} from low to high, was {self.step}")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def value_of(self, drawn: Any) -> Any:
        """What stands in the configuration for what was drawn."""
        return drawn

    @property
    def probes(self) -> list[Any]:
        """Values that show whether the configuration takes such: the bounds, and a fraction where there are any."""
        share = (math.sqrt(5) - 1) / 2  # no whole number and no round one
        between = [] if self.whole or self.step is not None else [self.low + share * (self.high - self.low)]
        return [self.low, self.high, *between]


class Choices(Config):
    """Some values."""

    choices: tuple[Any, ...] = Field(min_length=2, description="The values; numbers, words or mappings")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        try:
            labels = self.by_label
        except yaml.YAMLError:
            raise ConfigError(f"choices must be numbers, words or mappings, was {self.choices!r}") from None
        if len(labels) < len(self.choices):
            raise ConfigError("choices must be different from each other")
        return self

    @property
    def by_label(self) -> dict[str, Any]:
        """The values by the words that they are drawn, kept and shown by: themselves as YAML, in one line."""
        return {yaml.safe_dump(one, default_flow_style=True, width=10**6).split("\n")[0]: one for one in self.choices}

    def value_of(self, drawn: Any) -> Any:
        """What stands in the configuration for the word that was drawn."""
        return self.by_label[drawn]

    @property
    def probes(self) -> list[Any]:
        """All of them."""
        return list(self.choices)


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        dimensions: Dotted keys of an experiment, and what is drawn for each.
    """

    dimensions: Mapping[str, Range | Choices]

    @classmethod
    def load(cls, source: Any) -> Self:
        """From a file, the name of a shipped space, or a mapping.

        Raises:
            ConfigError: There is no such file, or an entry is wrong.
        """
        if isinstance(source, cls):
            return source
        values = source if isinstance(source, Mapping) else read_yaml(_shipped(source))
        if not values:
            raise ConfigError("the search space is empty; name a key, such as agent.gamma: {low: 0.8, high: 0.99}")
        return cls({key: _dimension(str(key), value) for key, value in values.items()})

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `load` turns into an equal space."""
        return {key: dimension.to_mapping() for key, dimension in self.dimensions.items()}

    def require(self, experiment: ExperimentConfig) -> None:
        """Check that every key is one of the experiment, and that it may have such values.

        Raises:
            ConfigError: It is not, or may not.
        """
        for key, dimension in self.dimensions.items():
            fixed = next((one for one in FIXED if key == one or key.startswith(f"{one}.")), None)
            if fixed is not None:
                raise ConfigError(f"{key} cannot be searched: {FIXED[fixed]}")
            for value in dimension.probes:
                within = next((one for one in FIXED if one.startswith(f"{key}.") and _holds(value, one, key)), None)
                if within is not None:
                    raise ConfigError(f"{within} cannot be searched: {FIXED[within]}; leave it out of {key}")
                try:
                    experiment.with_overrides({key: value})
                except ConfigError as error:
                    raise ConfigError(f"the search space does not fit the configuration: {error}") from None

    def overrides(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """What was drawn as overrides of the configuration: first the wider keys, then those within them."""
        keys = sorted(self.dimensions, key=lambda key: key.count("."))
        return {key: self.dimensions[key].value_of(drawn[key]) for key in keys}


def _holds(value: Any, path: str, key: str) -> bool:
    """Whether a value of a key sets something at a dotted path below that key."""
    for part in path.removeprefix(f"{key}.").split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _dimension(key: str, value: Any) -> Range | Choices:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} must be {{low: …, high: …}} or {{choices: […]}}, was {value!r}")
    kind: type[Range | Choices] = Choices if "choices" in value else Range
    try:
        return kind.from_mapping(value)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def _shipped(source: str | Path) -> Path:
    """The file itself, or the shipped space of that name."""
    if Path(source).is_file() or Path(source).suffix:
        return Path(source)
    shipped = shipped_configs("spaces")
    if str(source) not in shipped:
        raise ConfigError(f"no search space {str(source)!r}{did_you_mean(str(source), shipped)}")
    return shipped[str(source)]
