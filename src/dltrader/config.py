"""What every configuration of dltrader is: frozen, strict about its keys, readable as YAML.

A part's configuration stands next to the code it configures; the schema of a whole experiment, which joins them, is
`dltrader.runs.experiment`. Choices that take parameters (an action scheme, a reward, an extractor …) are *named*
configurations: in YAML either a bare name, `reward: sortino`, or a mapping, `reward: {name: sortino, rate: 0.02}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Self, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from dltrader.errors import ConfigError, UnknownNameError
from dltrader.registry import Registry, did_you_mean

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """A frozen configuration that refuses unknown keys with a hint at the right one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        """Check the values.

        Raises:
            ConfigError: One line that names the first key at fault.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(explain(error, type(self))) from None

    # Nested configurations are built by pydantic's core, which then reports the whole path of a key, not by this
    # __init__: pydantic looks for this mark to tell the two apart.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, as YAML gives them.

        Raises:
            ConfigError: A key is unknown or no word, or a value is wrong.
        """
        _require_words(values)
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Build from a YAML file.

        Raises:
            ConfigError: The file is missing, is no YAML mapping, or holds a bad value.
        """
        return cls.from_mapping(read_yaml(path))

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` turns into an equal configuration.

        Raises:
            ConfigError: A value, such as a user's own function, has no name to be written under.
        """
        try:
            return self.model_dump(mode="json")
        except PydanticSerializationError as error:
            raise ConfigError(str(error.__cause__ or error)) from None

    def to_yaml(self) -> str:
        """The whole configuration as YAML, defaults included."""
        return yaml.safe_dump(self.to_mapping(), sort_keys=False, allow_unicode=True)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """A copy in which dotted keys have new values, e.g. `{"env.costs.commission": 0}`."""
        return type(self).from_mapping(override(self.to_mapping(), overrides))


class NamedConfig(Config):
    """A configuration that is chosen by name; every subclass fixes `name: Literal[...]`."""

    name: str


def named(registry: Registry[type[C]]) -> BeforeValidator:
    """A validator that turns a name, or a mapping with a `name`, into the registered configuration."""

    def build(value: Any) -> Any:
        return named_value(registry, value)

    return BeforeValidator(build)


def named_value(registry: Registry[type[C]], value: Any) -> Any:
    """The registered configuration of a name or of a mapping with a `name`; what is neither is left as it is.

    Raises:
        ConfigError: The name is missing or unknown, or a value is wrong.
    """
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        return value
    if "name" not in value:
        raise ConfigError(f"'name' is missing; known: {', '.join(registry)}")
    try:
        return registry[str(value["name"])].from_mapping(value)
    except UnknownNameError as error:  # pydantic turns only ValueErrors into located problems
        raise ConfigError(str(error)) from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file is missing, unreadable, or holds something else than a mapping.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or a date such as 2010-02-30
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, found {type(values).__name__}")
    _require_words(values, origin=f"{path}: ")
    return values


def override(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested values in which dotted keys are replaced; a bare name on the way becomes a mapping."""
    result = dict(values)
    for dotted, value in overrides.items():
        head, _, rest = dotted.partition(".")
        if not rest:
            result[head] = value
            continue
        inner = result.get(head)
        if isinstance(inner, str):
            inner = {"name": inner}
        result[head] = override(inner if isinstance(inner, Mapping) else {}, {rest: value})
    return result


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`["train.total_timesteps=1000"]` as a mapping; each value is read as YAML.

    Raises:
        ConfigError: A pair has no `=` or a value is not YAML.
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"cannot read {pair!r}; write key=value, such as train.total_timesteps=50000")
        try:
            # YAML 1.1 reads 3e-4 as a word; every other notation of a number it knows.
            overrides[key] = _number(text) if _is_number(text) else yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # ValueError: a date such as 2010-02-30
            raise ConfigError(f"the value in {pair!r} is not YAML") from None
    return overrides


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a failed validation in one line, with a hint for a mistyped key."""
    problem = _first_problem(error, model)
    path, found = ".".join(_path(problem["loc"], model)), problem["input"]
    if problem["type"] == "extra_forbidden":
        return f"unknown key {path!r}{_nearest_key(problem['loc'], model)}"
    if problem["type"] == "missing":
        return f"{path} is missing"
    if problem["type"] == "invalid_key":
        return f"{path.rpartition('.')[0]}: keys are words, found {found!r}"
    if problem["type"] == "value_error":
        return _continued(path, str(problem["ctx"]["error"]), found)
    message = problem["msg"]
    for pydantic_says, we_say in WORDING.items():
        message = re.sub(pydantic_says, we_say, message)
    hint = _description(problem["loc"], model)
    return f"{path} {message}, was {found!r}" + (f"; {hint}" if hint else "")


WORDING = {
    r"^\w+ should ": "must ",
    r" a valid dictionary or instance of \w+": " a mapping",
    r" a valid tuple": " a list",
    r" a valid ([aeiou])": r" an \1",
    r" a valid ": " a ",
    r" after validation, not \d+": "",
    r", unable to parse string as an? \w+": "",
}
"""What pydantic says, and how it is said to someone who writes YAML."""


def _first_problem(error: ValidationError, model: type[BaseModel]) -> Any:
    """The first problem; where several types are possible, that of the type which the value was meant to have."""
    problems = error.errors(include_url=False)
    place = _path(problems[0]["loc"], model)
    rivals = [problem for problem in problems if _path(problem["loc"], model) == place]
    return next((problem for problem in rivals if not problem["type"].endswith(("_type", "_parsing"))), problems[0])


def _path(location: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """The keys on the way to a problem, without the tag that pydantic puts in for one of several types."""
    parts: list[str] = []
    owner: type[BaseModel] | None = model
    tagged = False
    for part in location:
        if tagged:
            tagged = False
            continue
        parts.append(str(part))
        field = owner.model_fields.get(str(part)) if owner else None
        tagged = field is not None and _has_several_types(field.annotation)
        owner = _model_at([part], owner) if owner else None
    return parts


def _has_several_types(annotation: Any) -> bool:
    if get_origin(annotation) not in (Union, UnionType):
        return False
    return sum(each is not NoneType for each in get_args(annotation)) > 1


def _continued(path: str, message: str, found: Any) -> str:
    """A problem told by a value itself, with the path of the value before the key that it begins with."""
    if not path:
        return message
    if message.startswith("unknown key '"):
        return re.sub(r"(unknown key|did you mean) '", rf"\1 '{path}.", message)
    key = re.split(r"[^\w]", message, maxsplit=1)[0]
    if key and key == path.rpartition(".")[2]:
        return path + message.removeprefix(key)
    if isinstance(found, Mapping) and key in found:
        return f"{path}.{message}"
    return f"{path}: {message}"


def _require_words(keys: Iterable[Any], origin: str = "") -> None:
    strange = next((key for key in keys if not isinstance(key, str)), None)
    if strange is not None:
        raise ConfigError(f"{origin}keys are words, found {strange!r}")


def _nearest_key(location: Sequence[int | str], model: type[BaseModel]) -> str:
    owner = _model_at(location[:-1], model)
    if owner is None:
        return ""
    prefix = "".join(f"{part}." for part in location[:-1])
    return did_you_mean(prefix + str(location[-1]), [prefix + key for key in owner.model_fields])


def _description(location: Sequence[int | str], model: type[BaseModel]) -> str | None:
    owner = _model_at(location[:-1], model)
    field = owner.model_fields.get(str(location[-1])) if owner and location else None
    return field.description.rstrip(".") if field and field.description else None


def _model_at(location: Sequence[int | str], model: type[BaseModel]) -> type[BaseModel] | None:
    for part in location:
        field = model.model_fields.get(str(part))
        inner: Any = field.annotation if field else None
        if get_origin(inner) in (Union, UnionType) and not _has_several_types(inner):  # a model that may be null
            inner = next(each for each in get_args(inner) if each is not NoneType)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        model = inner
    return model


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().lower().lstrip("+-") not in {"nan", "inf", "infinity"}


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
