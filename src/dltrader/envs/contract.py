"""The contract of a step: what every engine of the market agrees on.

    decide     at the close of bar t, on features up to and including bar t and on the account at that close
    fill       at the open of bar t+1, moved against the order by slippage, commission charged
    reward     at the close of bar t+1, from the equity there and the equity at the close of bar t

Words: a *step* is one action and one bar; an *exposure* is a position's value as a fraction of equity; *units* are what
a position counts (shares, coins, lots of currency); *money* is the account's currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pydantic import Field, SerializeAsAny, model_validator

from dltrader.config import Config, named
from dltrader.envs.actions import ACTIONS, ActionScheme, TargetPosition
from dltrader.envs.numeric import Number, choose
from dltrader.envs.rewards import RewardField, log_growth
from dltrader.envs.session import Session
from dltrader.errors import BundleError, ConfigError
from dltrader.features import DEFAULT_FEATURES, SCALINGS, FeatureSpec, FittedPipeline, RollingScaling, Scaling

UNSCALED_BOUND = 1e9
"""Bound of unscaled features in the observation space."""

ACCOUNT_BOUND = 10.0
"""Bound of the account's numbers, as a multiple of the leverage; they only come near it close to ruin."""


class Costs(Config):
    """What trading costs, per side."""

    commission: float = Field(
        0.001, ge=0, lt=0.1, description="a fraction of the traded value, so 10 basis points is 0.001"
    )
    slippage: float = Field(
        0.0005,
        ge=0,
        lt=0.1,
        description="how far a fill is moved, a fraction of the price, so 5 basis points is 0.0005",
    )
    per_unit: float = Field(0.0, ge=0, description="money for every unit traded, on top of the commission")
    impact: float = Field(
        0.0,
        ge=0,
        description="how far a fill is moved for every unit of the order, money per unit: n units cost impact x n² "
        "more, and the price may leave the bar's range, for the order was not among the bar's trades",
    )


class EnvConfig(Config):
    """The market as a decision process: what the agent sees, may do and pays."""

    window_bars: int = Field(32, ge=1, le=10_000, description="Feature rows the agent sees, the newest included")
    action: Annotated[SerializeAsAny[ActionScheme], named(ACTIONS)] = Field(
        TargetPosition(), description="What an action means"
    )
    reward: RewardField = Field(log_growth, description="What a bar is worth to the agent")
    features: tuple[FeatureSpec, ...] = Field(
        DEFAULT_FEATURES, min_length=1, description="What is computed from the bars"
    )
    context: dict[str, str] = Field(
        {},
        exclude_if=lambda context: not context,
        description="Markets that are seen and not traded: names, as features use them, to source URIs",
    )
    scaling: Annotated[SerializeAsAny[Scaling], named(SCALINGS)] = Field(
        RollingScaling(), description="How features are made comparable, without looking ahead"
    )
    cash: float = Field(100_000.0, gt=0, description="Money at the start of an episode")
    costs: Costs = Costs()
    lot_size: float = Field(1.0, ge=0, description="Units of the smallest order; 0 allows any fraction")
    sizing: Literal["at_open", "at_close"] = Field(
        "at_open", description="Whether an order is sized where it fills, or at the close before"
    )
    leverage: float = Field(
        1.0,
        ge=1,
        le=100,
        description="Largest gross exposure; a long position binds its entry value / leverage of the broker's cash "
        "until it is sold, and an order beyond what is left is refused",
    )
    allow_short: bool = Field(default=True, description="Whether positions below zero are allowed")
    episode_bars: int | None = Field(None, ge=1, description="Steps in an episode; null for all bars there are")
    random_start: bool = Field(default=False, description="Whether episodes start at a random bar")
    session: Session | None = Field(
        None,
        exclude_if=lambda session: session is None,
        description="When decisions count, of a trader who is flat over night; null for all bars",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.action.require(allow_short=self.allow_short, leverage=self.leverage)
        return self

    def action_space(self, n_instruments: int) -> spaces.Space[Any]:
        """The Gymnasium space of actions for so many instruments."""
        return self.action.space(n_instruments, allow_short=self.allow_short)

    def decision(
        self,
        asked: Sequence[Number],
        held: Sequence[Number],
        phase: Number = None,
        exposures: Sequence[Number] | None = None,
    ) -> tuple[Sequence[Number], list[Any]]:
        """What is asked for within the session, and whether each instrument is to be traded for it.

        Args:
            asked: Exposures, or units where actions count in them, one an instrument; floats or arrays of lanes.
            held: Those asked for and reached last.
            phase: Where the decision stands in the session; None where there is none.
            exposures: Those at the close, one an instrument; asked for only where the scheme ignores small changes.
        """
        if exposures is not None:
            return self._banded(asked, held, phase, exposures)
        rebalances = self.action.rebalances  # trades on every bar; the exposures need not have changed
        if self.session is None:
            return asked, [rebalances or new != old for new, old in zip(asked, held, strict=True)]
        asked = self.session.allowed(phase, asked, held)
        free = rebalances & self.session.is_free(phase)
        return asked, [free | (new != old) for new, old in zip(asked, held, strict=True)]

    def _banded(
        self, asked: Sequence[Number], held: Sequence[Number], phase: Number, exposures: Sequence[Number]
    ) -> tuple[Sequence[Number], list[Any]]:
        """As `decision`, where small changes are left alone: what is not traded stays what was asked for last."""
        least = self.action.ignored * self.leverage
        free: Number = True
        if self.session is not None:
            asked, free = self.session.allowed(phase, asked, held), self.session.is_free(phase)
        trading = [
            choose(free, abs(new - exposure) > least, new != old)
            for new, old, exposure in zip(asked, held, exposures, strict=True)
        ]
        return [choose(trade, new, old) for trade, new, old in zip(trading, asked, held, strict=True)], trading

    def require_fitted(self, pipeline: FittedPipeline | None) -> None:
        """Check that scaling learned from training bars is not learned again from the bars that are traded.

        Raises:
            ConfigError: The scaling has to be fitted, and there is no fitted pipeline.
        """
        if pipeline is None and self.scaling.learns:
            raise ConfigError(
                f"scaling {self.scaling.name!r} is fitted on training bars, and the policy brings no fitted pipeline; "
                "pass pipeline=dltrader.Pipeline(config.features, config.scaling).fit(training_bars)"
            )

    def require_trained_alike(self, trained: EnvConfig) -> None:
        """Check that a policy sees and does here what it saw and did in training; cash and costs are free.

        Raises:
            BundleError: What it observes, or what its actions mean, is another thing.
        """
        for name in ("window_bars", "features", "scaling", "action"):
            found, needed = getattr(self, name), getattr(trained, name)
            if found != needed:
                raise BundleError(
                    f"the policy was trained with env.{name} {_brief(needed)}, was given {_brief(found)}; "
                    "take the configuration of its run and change only cash, costs and account in it"
                )
        if self.action_space(1) != trained.action_space(1):
            raise BundleError(
                f"the policy was trained with env.allow_short {_brief(trained.allow_short)}, was given "
                f"{_brief(self.allow_short)}, which changes what its actions mean; take the configuration of its run"
            )


def _brief(value: Any) -> str:
    """A value of a configuration as YAML writes it, in one line."""
    return str(value.to_mapping()) if isinstance(value, Config) else str(value)


def observation_space(
    window_bars: int, n_features: int, n_instruments: int, *, clip: float | None, leverage: float
) -> spaces.Dict:
    """The space of observations.

    market: (window_bars, n_features) float32, the newest row last.
    account: (2 * n_instruments,) float32: first every instrument's exposure, then every open trade's unrealised return.
    """
    bound = UNSCALED_BOUND if clip is None else clip
    reach = ACCOUNT_BOUND * leverage
    return spaces.Dict(
        {
            "market": spaces.Box(-bound, bound, (window_bars, n_features), np.float32),
            "account": spaces.Box(-reach, reach, (2 * n_instruments,), np.float32),
        }
    )


FloatArray = npt.NDArray[np.float32]
Observation = dict[str, FloatArray]
