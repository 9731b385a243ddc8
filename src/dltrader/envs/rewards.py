"""Rewards: what one bar was worth to the agent.

Every reward is a function of one `Step` and works on floats and on lane arrays alike. A reward that needs a past keeps
it in `step.memory`, a dictionary that the engine empties at the start of an episode; whatever is kept there must start
from zero, so that an engine of many lanes can restart one of them by writing zeros. A reward with parameters is a
frozen configuration that can be called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from dltrader.config import NamedConfig
from dltrader.envs.numeric import Number, choose, higher, log, lower
from dltrader.errors import ConfigError, UnknownNameError
from dltrader.registry import Registry

if TYPE_CHECKING:
    from dltrader.envs.records import Step

RUIN_FRACTION = 1e-6
"""What is taken to be left of the equity before, when an account is ruined: log growth stays finite, about -13.8."""

SMALLEST_VARIANCE = 1e-14
"""Below this a variance of returns is taken for zero, and a ratio over it is 0."""

Reward = Callable[["Step"], Any]


def growth_between(before: Number, after: Number) -> Number:
    """A later equity over an earlier one; at ruin `RUIN_FRACTION`, so that it is always positive."""
    return higher(after / before, RUIN_FRACTION)


def growth(step: Step) -> Number:
    """The growth of equity over one bar, as a factor."""
    return growth_between(step.equity_before, step.equity)


def log_growth(step: Step) -> Number:
    """Log growth of equity over one bar, ln(E_t / E_{t-1}); summed over an episode it is ln(E_T / E_0)."""
    return log(growth(step))


def profit(step: Step) -> Number:
    """Money gained over one bar, E_t - E_{t-1}; summed over an episode it is E_T - E_0."""
    return step.equity - step.equity_before


class DifferentialSharpe(NamedConfig):
    """The marginal effect of one bar's return on the exponentially weighted Sharpe ratio.

    Source: Moody and Saffell 2001, "Learning to trade via direct reinforcement", IEEE Transactions on Neural Networks
    12(4), equation 14: D = (B ΔA - A ΔB / 2) / (B - A²)^(3/2), with A the weighted mean return, B the mean squared one.
    """

    name: Literal["differential_sharpe"] = "differential_sharpe"
    rate: float = Field(0.01, gt=0, lt=1, description="Weight of the newest bar in the averages, in (0, 1)")

    def __call__(self, step: Step) -> Number:
        """The differential Sharpe ratio of one bar; 0 until the returns have varied."""
        mean, square = _kept(step, "mean"), _kept(step, "square")
        change = growth(step) - 1.0
        mean_change, square_change = change - mean, change * change - square
        variance = square - mean * mean
        step.memory["mean"] = mean + self.rate * mean_change
        step.memory["square"] = square + self.rate * square_change
        return _ratio(square * mean_change - 0.5 * mean * square_change, variance, 1.5)


class Sortino(NamedConfig):
    """The marginal effect of one bar's return on the exponentially weighted downside deviation ratio.

    Source: Moody and Saffell 2001, equations 18 to 20: with A the weighted mean return and DD² the weighted mean of
    squared negative returns, D = (R - A / 2) / DD for R > 0, else (DD² (R - A / 2) - A R² / 2) / DD³.
    """

    name: Literal["sortino"] = "sortino"
    rate: float = Field(0.01, gt=0, lt=1, description="Weight of the newest bar in the averages, in (0, 1)")

    def __call__(self, step: Step) -> Number:
        """The differential downside deviation ratio of one bar; 0 until there has been a loss."""
        mean, downside = _kept(step, "mean"), _kept(step, "downside")
        change = growth(step) - 1.0
        loss = lower(change, 0.0)
        step.memory["mean"] = mean + self.rate * (change - mean)
        step.memory["downside"] = downside + self.rate * (loss * loss - downside)
        # For a gain the loss is 0, and the second form of the paper becomes the first.
        return _ratio(downside * (change - 0.5 * mean) - 0.5 * mean * loss * loss, downside, 1.5)


class DrawdownPenalised(NamedConfig):
    """Log growth less a penalty on every new depth of drawdown, both in log units."""

    name: Literal["drawdown_penalised"] = "drawdown_penalised"
    penalty: float = Field(1.0, ge=0, description="Reward lost per unit of additional log drawdown")

    def __call__(self, step: Step) -> Number:
        """ln(E_t / E_{t-1}) - penalty x the growth of ln(peak / E), where that grew."""
        gain = log_growth(step)
        before = _kept(step, "drawdown")
        drawdown = higher(before - gain, 0.0)
        step.memory["drawdown"] = drawdown
        return gain - self.penalty * higher(drawdown - before, 0.0)


REWARDS: Registry[Any] = Registry(
    "reward",
    {
        "log_growth": f"{__name__}:log_growth",
        "profit": f"{__name__}:profit",
        "differential_sharpe": f"{__name__}:DifferentialSharpe",
        "sortino": f"{__name__}:Sortino",
        "drawdown_penalised": f"{__name__}:DrawdownPenalised",
    },
)


def _kept(step: Step, name: str) -> Number:
    """What a reward has kept; zero, or as many zeros as there are lanes, at the start of an episode."""
    return step.memory.get(name, 0.0 * step.equity)


def _ratio(numerator: Number, variance: Number, power: float) -> Number:
    settled = variance > SMALLEST_VARIANCE
    return choose(settled, numerator / choose(settled, variance, 1.0) ** power, 0.0)


def _read(value: Any) -> Any:
    """A reward from a name, a mapping with a name, or any callable."""
    if callable(value):
        return value
    values = {"name": value} if isinstance(value, str) else value
    if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
        raise ConfigError(
            f"a reward is a name, a mapping with a name, or a callable, was {value!r}; known: {', '.join(REWARDS)}"
        )
    name = values["name"]
    try:
        found = REWARDS[name]
    except UnknownNameError as error:
        raise ConfigError(str(error)) from None
    if isinstance(found, type) and issubclass(found, NamedConfig):
        return found.from_mapping(values)
    if set(values) != {"name"}:
        raise ConfigError(f"reward {name!r} takes no parameters, found {sorted(set(values) - {'name'})}")
    return found


def _write(reward: Reward) -> Any:
    """What `_read` turns into the same reward; a callable must be registered to have a name."""
    if isinstance(reward, NamedConfig):
        return reward.to_mapping()
    name = REWARDS.name_of(reward)
    if name is None:
        raise ConfigError(
            f"the reward {getattr(reward, '__qualname__', reward)!s} has no name to be saved under; "
            "register it first: dltrader.REWARDS.register('my_reward', my_reward)"
        )
    return name


RewardField = Annotated[Any, BeforeValidator(_read), PlainSerializer(_write)]
"""A configuration field that holds a reward: a name, a mapping with a name and parameters, or a callable."""
