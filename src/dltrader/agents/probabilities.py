"""Probabilities: how likely a policy is to buy, to sell or to hold, and what it thinks its state is worth.

A policy acts by levels of exposure, by steps, or by weights. What an action comes to depends on what is held: who is
long sells by going flat. Three rules tell the sides apart:

    target_position   each level against the one held: that nearest to the exposure, of those on the same side of zero
    buy_sell_hold     by name, where a step that the largest position does not allow is to hold
    target_weight     each weight against the exposure; a change of less than `LEAST_CHANGE` is to hold

An exposure of less than `LEAST_CHANGE` counts as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from dltrader.agents.judgement import Array, Gaussian, Judgement, judge_by_action
from dltrader.agents.policy import Adapting, Policy
from dltrader.agents.trained import TrainedPolicy
from dltrader.envs.actions import ActionScheme, BuySellHold, TargetWeight
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError

LEAST_CHANGE = 0.1
"""A smaller change of a weight is no trade, and a smaller exposure is none, as multiples of a full position."""

BUY, SELL, HOLD = range(3)
"""Columns of probabilities."""


class Consultation(NamedTuple):
    """What a policy says of n bars.

    Attributes:
        probabilities: (n, 3) float64, of buying, selling and holding; rows sum to 1.
        value: (n,), expected discounted sum of the rewards to come, in the scale that was learned in; None without a
            critic.
        action: The likeliest action of each, as `predict(..., deterministic=True)` gives it for a batch.
        state: To be given back on the next bar; None without a memory.
    """

    probabilities: Array
    value: Array | None
    action: Any
    state: Any


def consult(
    policy: Policy,
    observation: Any,
    state: Any = None,
    episode_start: Any = None,
    held: npt.ArrayLike | None = None,
    config: EnvConfig | None = None,
) -> Consultation:
    """Ask a policy how likely it is to buy, to sell and to hold.

    Learners with an actor (PPO, RecurrentPPO, A2C, SAC) tell it by the distribution of their action, which is what they
    would draw from; the greatest need not be the side of their likeliest action. Learners of values (DQN, QR-DQN,
    Q-table) take the best choice for certain, and its value is the state's. So do baselines, which know no value. With
    the same bars in batches of another size the last bits may differ, for so they do in torch.

    Args:
        policy: A trained policy, a baseline, or anything with `predict` where `config` is given.
        observation: "market" (n, window, features) and "account" (n, 2) float32; or without n of one bar.
        state: What the consultation before gave, for policies with a memory; None at the start. It is not the state of
            `predict`.
        episode_start: (n,) bool, true where it is to forget.
        held: (n,) exposures held, fractions of equity; by default those that the account shows.
        config: What the actions mean; by default the policy's own.

    Raises:
        BundleError: The observation is not of the shape that the policy was trained on.
        ConfigError: The actions do not tell of buying and selling one instrument, or there is no configuration.
    """
    config = _meaning(policy, config)
    market, account = np.asarray(observation["market"]), np.asarray(observation["account"])
    batch = {"market": market, "account": account}
    if account.ndim == 1:
        batch = {name: part[np.newaxis] for name, part in batch.items()}
    said = _judgement(policy, batch, state, episode_start, config)
    _require_told(config.action, of_numbers=isinstance(said.odds, Gaussian))
    exposures = batch["account"][:, 0] if held is None else np.atleast_1d(np.asarray(held))
    exposures = exposures.astype(np.float64)
    if isinstance(said.odds, Gaussian):
        sides = sides_of_weights(said.odds, exposures, config)
    else:
        sides = sides_of_choices(said.odds, exposures, config)
    return Consultation(sides, said.value, said.action, said.state)


def require_consultable(policy: Policy, config: EnvConfig | None = None) -> EnvConfig:
    """Check that the actions of a policy can be told as buying, selling and holding one instrument.

    Args:
        policy: Who acts.
        config: What the actions mean; by default the policy's own.

    Returns:
        What the actions mean.

    Raises:
        ConfigError: They cannot be told, or there is no configuration.
    """
    config = _meaning(policy, config)
    _require_told(config.action, of_numbers=isinstance(config.action_space(1), spaces.Box))
    return config


def sides_of_choices(odds: Array, held: Array, config: EnvConfig) -> Array:
    """How likely choices are to buy, to sell and to hold: (n, 3).

    Args:
        odds: (n, choices), the probability of each; rows sum to 1.
        held: (n,) exposures held, fractions of equity.
        config: What the choices mean.
    """
    scheme = config.action
    targets = np.stack([_targets(scheme, choice, held, config) for choice in range(odds.shape[1])], axis=1)
    # A choice of steps that holds tells what is held in whole steps; of levels none does.
    kept = targets[:, 0] if isinstance(scheme, BuySellHold) else _level_held(targets, held, config.leverage)
    change = np.sign(targets - kept[:, np.newaxis])  # (n, choices)
    buy, sell = (odds * (change > 0)).sum(axis=1), (odds * (change < 0)).sum(axis=1)
    return _shares(buy, sell)


def sides_of_weights(odds: Gaussian, held: Array, config: EnvConfig) -> Array:
    """How likely a weight is to buy, to sell and to hold: (n, 3).

    Args:
        odds: Of one number.
        held: (n,) exposures held, fractions of equity.
        config: What the weight means.
    """
    weight = held / config.leverage
    above, below = weight + LEAST_CHANGE, weight - LEAST_CHANGE
    # Weights are cut to what is allowed, so that none lies beyond; what is held may, where prices carried it.
    lowest, highest = (-1.0 if config.allow_short else 0.0), 1.0
    buy = np.where(above >= highest, 0.0, np.where(above < lowest, 1.0, 1.0 - _below(odds, above)))
    sell = np.where(below <= lowest, 0.0, np.where(below > highest, 1.0, _below(odds, below)))
    return _shares(buy, sell)


def _meaning(policy: Policy, config: EnvConfig | None) -> EnvConfig:
    """What the actions of a policy mean, for one instrument."""
    if isinstance(policy, TrainedPolicy):
        config = config or policy.env_config
        instruments: Sequence[str] = policy.instruments
    else:
        instruments = getattr(policy, "instruments", ("one",))
        config = config or getattr(policy, "env_config", None)
        config = policy.adapt(config or EnvConfig()) if isinstance(policy, Adapting) else config
    if config is None:
        raise ConfigError("the policy brings no configuration; pass config=EnvConfig(...) with its action scheme")
    if len(instruments) > 1:
        raise ConfigError(
            f"the policy trades {len(instruments)} instruments at once, and a side is told of one; train one that "
            "trades them apart, with data.trade: apart"
        )
    return config


def _require_told(scheme: ActionScheme, *, of_numbers: bool) -> None:
    if scheme.in_units or (of_numbers and not isinstance(scheme, TargetWeight)):
        raise ConfigError(
            f"of env.action {scheme.name} it cannot be told by the exposure held which actions buy and which sell; "
            "take target_position, buy_sell_hold or target_weight"
        )


def _judgement(policy: Policy, batch: Any, state: Any, episode_start: Any, config: EnvConfig) -> Judgement:
    if isinstance(policy, TrainedPolicy):
        return policy.judge(batch, state, episode_start)
    return judge_by_action(policy, config.action_space(1), batch, state, episode_start)


def _targets(scheme: ActionScheme, choice: int, held: Array, config: EnvConfig) -> Array:
    """The exposures that a choice asks for: (n,)."""
    chosen = np.full(len(held), choice)
    (target,) = scheme.targets([chosen], [held], allow_short=config.allow_short, leverage=config.leverage)
    return np.asarray(target, np.float64)


def _level_held(targets: Array, held: Array, leverage: float) -> Array:
    """The level that counts as held: the nearest on the same side of zero, or the exposure itself where none is there.

    An ensemble takes positions of its own size: 0.3 is long, and a policy whose levels are 0 and 1 would sell it by
    choosing 0 though that is the nearest.
    """
    none = LEAST_CHANGE * leverage

    def side(exposure: Array) -> Array:
        return np.where(np.abs(exposure) < none, 0.0, np.sign(exposure))

    apart = np.where(side(targets) == side(held)[:, np.newaxis], np.abs(targets - held[:, np.newaxis]), np.inf)
    nearest = apart.argmin(axis=1)
    rows = np.arange(len(held))
    return np.where(np.isfinite(apart[rows, nearest]), targets[rows, nearest], held)


def _below(odds: Gaussian, weight: Array) -> Array:
    """Probability that a weight is at most so large, (n,), before it is cut to what is allowed."""
    from scipy.special import ndtr  # noqa: PLC0415 - takes a while to load, and only numbers need it

    mean, deviation = odds.mean[:, 0], odds.deviation[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.arctanh(np.clip(weight, -1.0, 1.0)) if odds.squashed else weight
        drawn = ndtr((bound - mean) / deviation)
    return np.where(deviation > 0, drawn, (mean <= bound).astype(np.float64))


def _shares(buy: Array, sell: Array) -> Array:
    """Columns of buy, sell and hold, what is left: (n, 3)."""
    return np.stack([buy, sell, np.maximum(1.0 - buy - sell, 0.0)], axis=1)
