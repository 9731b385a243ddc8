"""Trading: how an opinion becomes a position.

The rules, the first that applies decides:
    stop        the market is too volatile: flat now, and for some bars after
    cool-down   the last stop is too recent: flat
    risk        what is ahead is too rough: flat
    enter       the opinion says buy or sell with enough confidence: a position of its size in its direction
    unsure      otherwise what is held is kept, or closed
Whatever they say, no position is larger than the limit on what a bad bar may cost.

An *action* is what a decision does: BUY raises the exposure, SELL lowers it, HOLD leaves it, STOP closes it by the
first rule. The recent actions are all that the rules remember.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from dltrader.config import Config
from dltrader.envs.actions import TargetWeight
from dltrader.envs.contract import EnvConfig
from dltrader.features import FeatureSpec
from dltrader.forecast.sizing import FixedFraction, Outlook, SizingField
from dltrader.forecast.vote import BUY, SELL

if TYPE_CHECKING:
    from dltrader.forecast.voting import Opinion

Action = Literal["BUY", "SELL", "HOLD", "STOP"]

SAME_WEIGHT = 1e-6
"""Weights that differ by no more are the same: observations and actions are in single precision."""


class TradingConfig(Config):
    """When the ensemble enters, how much it takes, and when it stays out.

    Volatilities are standard deviations of the log returns of single bars, as fractions: 2 % a bar is 0.02.
    """

    enter_confidence: float = Field(
        0.4, ge=0, le=1, description="A position is taken only on a recommendation at least so confident, from 0 to 1"
    )
    unsure: Literal["keep", "close"] = Field(
        "keep", description="What becomes of a position while the opinion is to hold, or less confident than that"
    )
    sizing: SizingField = Field(FixedFraction(), description="How large a position is, before limits")
    scale_by_confidence: bool = Field(
        default=True, description="Whether the size is multiplied by the confidence, which is at most 1"
    )
    least_change: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Smaller changes of an exposure in the same direction are not traded, a fraction of equity",
    )
    risk_limit: float | None = Field(
        None, gt=0, description="No position while more volatility than this is expected a bar; null: no limit"
    )
    value_at_risk: float | None = Field(
        0.05,
        gt=0,
        description="What a bar as bad as one in 1 / (1 - value_at_risk_level) may cost, a fraction of equity; null: "
        "no limit",
    )
    value_at_risk_level: float = Field(
        0.99, gt=0.5, lt=1, description="Probability that a bar costs no more, if its return is normally distributed"
    )
    volatility_bars: int = Field(
        20, ge=2, le=10_000, description="Bars that the volatility of the recent past is taken over"
    )
    volatility_stop: float | None = Field(
        None, gt=0, description="At such a volatility of the recent past positions are closed; null: never"
    )
    cool_down_bars: int = Field(5, ge=0, le=10_000, description="Bars after a stop in which no position is taken")

    @property
    def volatility(self) -> FeatureSpec:
        """The feature that the volatility of the recent past is read from."""
        return FeatureSpec.of("volatility", window=self.volatility_bars, scaled=False)

    def largest_exposure(self, volatility: float) -> float:
        """The largest exposure that value_at_risk allows, a fraction of equity; infinite where it allows any.

        A normal return with a mean of 0 is below -z x volatility with probability 1 - level, z being the quantile of
        the level. Source: J.P. Morgan/Reuters 1996, RiskMetrics Technical Document, 4th edition, section 1.2.
        """
        bad_bar = NormalDist().inv_cdf(self.value_at_risk_level) * volatility
        return math.inf if self.value_at_risk is None or bad_bar == 0.0 else self.value_at_risk / bad_bar


def trading_env(env_config: EnvConfig, trading: TradingConfig) -> EnvConfig:
    """An environment as the rules need it; one that is so already is given back as it is.

    It also shows the volatility that they look at, behind all else. And whoever keeps what is held sends no order:
    without that, each gap from a close to the open would be traded back.
    """
    changed: dict[str, Any] = {}
    if trading.volatility not in env_config.features:
        changed["features"] = (*env_config.features, trading.volatility)
    action = env_config.action
    if isinstance(action, TargetWeight) and action.least_change < SAME_WEIGHT:
        changed["action"] = TargetWeight(least_change=SAME_WEIGHT)
    return env_config.model_copy(update=changed) if changed else env_config


class Decision(NamedTuple):
    """What is to be held from the next open on.

    Attributes:
        weight: Exposure / leverage, in [-1, 1]: what `target_weight` takes as an action.
        action: What that does to what is held; the rules want to be told of it again by the recent actions.
        reason: Why, in one line.
    """

    weight: float
    action: Action
    reason: str


class Account(NamedTuple):
    """What is held, and what may be.

    Attributes:
        exposure: Position value / equity at the close.
        leverage: Largest exposure allowed.
        allow_short: Whether exposures below 0 are.
    """

    exposure: float
    leverage: float = 1.0
    allow_short: bool = True


def decide(
    opinion: Opinion,
    account: Account,
    volatility: float,
    memory: Sequence[Action],
    config: TradingConfig,
) -> Decision:
    """What to hold, by an opinion and the rules.

    Args:
        opinion: What the ensemble thinks.
        account: What is held and allowed.
        volatility: Of the recent past, as `TradingConfig.volatility` gives it.
        memory: The recent actions, the newest last; those of the last `cool_down_bars` bars count.
        config: The rules.
    """
    stop = config.volatility_stop
    if stop is not None and volatility >= stop:
        return Decision(0.0, "STOP", f"stop: volatility {volatility:.4g} has reached {stop:g}")
    wanted, reason = _wanted(opinion, account, volatility, memory, config)
    largest = config.largest_exposure(volatility)
    if abs(wanted) > largest:
        wanted, reason = math.copysign(largest, wanted), f"{reason}; cut to {largest:.2f} by the value at risk"
    lowest = -account.leverage if account.allow_short else 0.0
    exposure = min(max(wanted, lowest), account.leverage) + 0.0  # never -0.0
    change = exposure - account.exposure
    action: Action = "BUY" if change > 0.0 else "SELL" if change < 0.0 else "HOLD"
    return Decision(exposure / account.leverage, action, reason)


def _wanted(
    opinion: Opinion, account: Account, volatility: float, memory: Sequence[Action], config: TradingConfig
) -> tuple[float, str]:
    """The exposure that the rules ask for, before the limit on what a bad bar may cost, and why."""
    held, limit = account.exposure, config.risk_limit
    bars = _bars_since_stop(memory)
    if bars is not None and bars < config.cool_down_bars:
        return 0.0, f"cooling down: bar {bars + 1} of {config.cool_down_bars} after a stop"
    ahead = volatility if opinion.risk is None else opinion.risk
    if limit is not None and ahead > limit:
        return 0.0, f"too risky: volatility {ahead:.4g} is expected, above {limit:g}"
    said = f"{opinion.recommendation} with confidence {opinion.confidence:.2f}"
    if opinion.recommendation == "hold" or opinion.confidence < config.enter_confidence:
        if opinion.recommendation != "hold":
            said += f", below {config.enter_confidence:g}"
        return (held, f"{said}: kept") if config.unsure == "keep" else (0.0, f"{said}: closed")
    if opinion.recommendation == "sell" and not account.allow_short:
        return 0.0, f"{said}: closed, as short selling is not allowed"
    wanted = _entered(opinion, account, volatility, config)
    if 0.0 < abs(wanted - held) < config.least_change and wanted * held > 0.0:
        return held, f"{said}: kept, as the change would be below {config.least_change:g}"
    return wanted, said


def _entered(opinion: Opinion, account: Account, volatility: float, config: TradingConfig) -> float:
    """The exposure that an opinion is worth, within the leverage."""
    direction = 1.0 if opinion.recommendation == "buy" else -1.0
    buy, sell = float(opinion.probabilities[BUY]), float(opinion.probabilities[SELL])
    outlook = Outlook(direction, buy, sell, opinion.movement, opinion.horizon_bars or 1, volatility)
    size = min(config.sizing.exposure(outlook), account.leverage)
    return direction * (size * opinion.confidence if config.scale_by_confidence else size)


def _bars_since_stop(memory: Sequence[Action]) -> int | None:
    """Decisions after the last stop; None where there was none."""
    return next((bars for bars, action in enumerate(reversed(memory)) if action == "STOP"), None)
