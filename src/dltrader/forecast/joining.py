"""Joining: several trained policies and ensembles as one ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from dltrader.agents.trained import TrainedPolicy
from dltrader.envs.actions import TargetWeight
from dltrader.errors import BundleError
from dltrader.forecast.horizons import horizon_name
from dltrader.forecast.members import Member, PolicyMember
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.trading import TradingConfig
from dltrader.forecast.voting import Weighting


def as_ensemble(policy: EnsemblePolicy | TrainedPolicy) -> EnsemblePolicy:
    """A policy as an ensemble of one, which trades by the default rules; an ensemble as it is.

    Its model is called after its learner, such as ppo.

    Raises:
        ConfigError: Its actions do not tell of buying and selling one instrument.
    """
    if isinstance(policy, EnsemblePolicy):
        return policy
    name = policy.agent.name
    return EnsemblePolicy.of(
        [PolicyMember(name, policy)],
        Weighting(weights={name: 1.0}),
        TradingConfig(),
        name=policy.name,
        env_config=policy.env_config.model_copy(update={"action": TargetWeight()}),
        pipeline=policy.pipeline,
        instruments=policy.instruments,
        interval=policy.interval,
    )


def joined(ensembles: Sequence[EnsemblePolicy]) -> EnsemblePolicy:
    """Ensembles as one: each with an equal share of the vote, of which its models have the parts that they had.

    It trades by the rules of the first and knows the instruments that all know. Of two members of the same name the
    second gets a number: ppo, ppo_2. Nothing is fitted anew, so the pool is not tempered; for fitted weights train an
    ensemble whose members are runs.

    Raises:
        BundleError: Members were trained on other features, scalings or intervals, or on no common instrument.
    """
    first = ensembles[0]
    if len(ensembles) == 1:
        return first
    intervals = {each.name: each.interval for each in ensembles if each.interval is not None}
    if len(set(intervals.values())) > 1:
        told = ", ".join(f"{name} {horizon_name(1, interval)}" for name, interval in intervals.items())
        raise BundleError(f"the runs were trained on bars of different intervals: {told}; name runs of one interval")
    known = [name for name in first.instruments if all(name in each.instruments for each in ensembles)]
    if not known:
        told = "; ".join(f"{each.name} on {', '.join(each.instruments)}" for each in ensembles)
        raise BundleError(f"the runs were trained on no common instrument: {told}; name runs of the same market")
    taken: set[str] = set()
    parts = [_renamed(each, taken) for each in ensembles]
    widest = max(ensembles, key=lambda each: len(each.pipeline.names))
    sight = {name: getattr(widest.env_config, name) for name in ("features", "scaling", "context")}
    sight["window_bars"] = max(each.env_config.window_bars for each in ensembles)
    return EnsemblePolicy.of(
        [member for part in parts for member in part.members],
        _together([part.weighting for part in parts]),
        first.trading,
        name=" + ".join(each.name for each in ensembles),
        env_config=first.env_config.model_copy(update=sight),
        pipeline=widest.pipeline,
        instruments=known,
        interval=next(iter(intervals.values()), None),
        missing=[name for part in parts for name in part.missing],
    )


def _renamed(ensemble: EnsemblePolicy, taken: set[str]) -> EnsemblePolicy:
    """An ensemble whose members have names that are not taken; they are from now on."""
    names: dict[str, str] = {}
    for name in (*(member.name for member in ensemble.members), *ensemble.missing):
        names[name] = _free(name, taken)
        taken.add(names[name])
    members: list[Any] = [_called(member, names[member.name]) for member in ensemble.members]
    models = dict(zip(ensemble.models, (model for member in members for model in member.models), strict=True))
    given = ensemble.weighting
    for model in given.weights.keys() - models.keys():  # of members that are missing
        owner = max((name for name in ensemble.missing if model.startswith(name)), key=len, default="")
        models[model] = names.get(owner, "") + model.removeprefix(owner)
    weighting = given.model_copy(
        update={
            "weights": {models[model]: weight for model, weight in given.weights.items()},
            "temperatures": {models[model]: heat for model, heat in given.temperatures.items()},
        }
    )
    missing = tuple(names[name] for name in ensemble.missing)
    return replace(ensemble, members=tuple(members), weighting=weighting, missing=missing)


def _called(member: Member, name: str) -> Any:
    """A member by another name: all kinds of them are dataclasses."""
    return member if member.name == name else replace(member, name=name)  # type: ignore[type-var]


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, or the name with a number behind it where it is taken."""
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}_{number}"
    return free


def _together(weightings: Sequence[Weighting]) -> Weighting:
    """Weights of all models, those of each weighting summing to 1; how often sides come as the first says that does."""
    weights = {model: share for each in weightings for model, share in each.among(each.weights).items()}
    temperatures = {model: heat for each in weightings for model, heat in each.temperatures.items()}
    base = next((each.base for each in weightings if each.base is not None), None)
    return Weighting(weights=weights, temperatures=temperatures, base=base)
