"""Parameters of features: read off the signature of a function, checked by pydantic."""

from __future__ import annotations

import inspect
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints, runtime_checkable

from pydantic import create_model

from dltrader.config import Config
from dltrader.errors import ConfigError
from dltrader.features.indicators import FEATURES, Feature

if TYPE_CHECKING:
    from collections.abc import Mapping

VIEW = ("interval", "market", "scaled")
"""Keys of a list's entry that say on which bars a feature is computed, and whether it is scaled; no parameter of a
feature can be called so."""


@runtime_checkable
class ForeignFeature(Protocol):
    """A feature that passes its parameters on to an indicator of another library, chosen by a parameter."""

    def check_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in the indicator's order and types; what was not given stays with the indicator.

        Raises:
            FeatureError: The indicator cannot be used as a feature.
            ConfigError: The indicator or a parameter is unknown or out of range.
        """


def check_parameters(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a registered feature, complete, in the order of its signature and of the right types.

    Raises:
        UnknownNameError: No feature has the name.
        ConfigError: A parameter is unknown, missing, ill-typed or out of range.
    """
    feature = FEATURES[name]
    if isinstance(feature, ForeignFeature):
        return feature.check_parameters(parameters)
    return dict(checked(_model_of(feature, name), parameters, name))


def checked(model: type[Config], parameters: Mapping[str, Any], owner: str) -> Config:
    """The parameters as an instance of a model; a fault is told with the name of what takes them."""
    keys: list[Any] = list(parameters)  # YAML has keys that are no strings
    strange = next((key for key in keys if not isinstance(key, str)), None)
    if strange is not None:
        raise ConfigError(f"parameters of {owner} have names, found {strange!r}")
    if parameters and not model.model_fields:
        raise ConfigError(f"{owner} takes no parameters, found {next(iter(parameters))!r}; leave it out")
    try:
        return model(**parameters)
    except ConfigError as error:
        # An experiment's configuration puts the path of its place into this beginning.
        known = str(error).startswith("unknown key '")
        raise ConfigError(str(error) if known else f"{owner}: {error}") from None


def parameter_model(name: str, parameters: Mapping[str, tuple[Any, Any]]) -> type[Config]:
    """A configuration with one field a parameter, given as (type, default); a default of `...` makes it required."""
    fields: dict[str, Any] = dict(parameters)
    return create_model(name, __base__=Config, **fields)


@lru_cache(maxsize=256)
def _model_of(feature: Feature, name: str) -> type[Config]:
    parameters = list(inspect.signature(feature).parameters.values())[1:]
    # Only these are read: the annotations of bars and of the result need not exist at run time.
    annotations = {each.name: each.annotation for each in parameters if each.annotation is not each.empty}
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__=annotations),
            getattr(inspect.unwrap(feature), "__globals__", {}),
            include_extras=True,
        )
    except (NameError, TypeError) as error:
        raise ConfigError(f"the annotations of feature {name!r} cannot be read: {error}") from None
    fields: dict[str, tuple[Any, Any]] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise ConfigError(f"feature {name!r} takes {parameter}; name its parameters one by one")
        if parameter.name in VIEW:
            raise ConfigError(
                f"feature {name!r} has a parameter {parameter.name!r}, which says for every feature on which bars "
                "it is computed, or whether it is scaled; call it something else"
            )
        required = parameter.default is parameter.empty
        default = ... if required else parameter.default
        kind = Any if required or default is None else type(default)
        fields[parameter.name] = (hints.get(parameter.name, kind), default)
    return parameter_model(name, fields)
