"""EnsemblePolicy: members that vote, and rules that trade what comes of it, as one policy among others."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from gymnasium import spaces

from dltrader.envs.actions import TargetWeight
from dltrader.envs.contract import EnvConfig, Observation, observation_space
from dltrader.errors import BundleError
from dltrader.features import FittedPipeline
from dltrader.forecast.members import Member, hear
from dltrader.forecast.sight import TOLERANCE
from dltrader.forecast.trading import Account, Action, Decision, TradingConfig, decide, trading_env
from dltrader.forecast.vote import Vote
from dltrader.forecast.voting import Opinion, Weighting, pool

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class EnsembleState:
    """What an ensemble remembers from one bar to the next.

    Attributes:
        members: Member -> its own state, of those that have one.
        actions: The recent actions, the newest last, one sequence a row of the batch.
    """

    members: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[tuple[Action, ...], ...] = ((),)


class Consulted(NamedTuple):
    """What came of one bar.

    Attributes:
        opinion: What the members make of it.
        decision: What is to be held, and why.
        state: To be passed on the next bar.
    """

    opinion: Opinion
    decision: Decision
    state: EnsembleState


@dataclass(frozen=True, eq=False)
class EnsemblePolicy:
    """Trades the opinion of its members: `EnsemblePolicy.of` makes one.

    Attributes:
        name: For titles and tables.
        env_config: What it sees and does: the members' features and the volatility of the recent past, and weights.
        pipeline: Computes these features.
        instruments: Names of the instruments it was trained on; it trades one at a time.
        members: Who votes, each as a reader of the pipeline's columns.
        weighting: What the votes of all models weigh, of missing members too.
        trading: The rules.
        interval: Median time between the bars of training; None where nothing is known of it.
        missing: Names of members that belong to it and are not there.
    """

    name: str
    env_config: EnvConfig
    pipeline: FittedPipeline
    instruments: tuple[str, ...]
    members: tuple[Member, ...]
    weighting: Weighting
    trading: TradingConfig
    interval: pd.Timedelta | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        members: Sequence[Member],
        weighting: Weighting,
        trading: TradingConfig,
        *,
        name: str,
        env_config: EnvConfig,
        pipeline: FittedPipeline,
        instruments: Sequence[str],
        interval: pd.Timedelta | None = None,
        missing: Sequence[str] = (),
    ) -> EnsemblePolicy:
        """Put an ensemble together.

        Args:
            members: Who votes.
            weighting: What the votes of their models weigh.
            trading: The rules.
            name: For titles and tables.
            env_config: The members' environment, with or without the volatility that the rules look at.
            pipeline: Computes its features, fitted.
            instruments: Names of the instruments that members were trained on.
            interval: Median time between the bars of training.
            missing: Names of members that are not there.

        Raises:
            BundleError: A member was trained on other features, another scaling, longer windows or other bars, or the
                environment's actions are no weights.
        """
        env_config, pipeline = trading_env(env_config, trading), pipeline.beside(trading.volatility)
        if not isinstance(env_config.action, TargetWeight):
            raise BundleError(
                f"an ensemble trades weights, and env.action is {env_config.action.name}; set env.action: target_weight"
            )
        if env_config.features != pipeline.features or env_config.scaling != pipeline.scaling:
            raise BundleError("the pipeline computes other features than env names; fit it on env.features")
        for member in members:
            require_same_sight(member, env_config, pipeline)
            require_same_interval(member, interval)
        readers = tuple(member.within(pipeline.names) for member in members)
        return cls(
            name, env_config, pipeline, tuple(instruments), readers, weighting, trading, interval, tuple(missing)
        )

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """What it can observe."""
        config = self.env_config
        return observation_space(
            config.window_bars, len(self.pipeline.names), 1, clip=self.pipeline.clip, leverage=config.leverage
        )

    @property
    def action_space(self) -> spaces.Space[Any]:
        """What it may do."""
        return self.env_config.action_space(1)

    @property
    def models(self) -> tuple[str, ...]:
        """What has a vote, by name, of members that are there."""
        return tuple(model for member in self.members for model in member.models)

    @cached_property
    def _told(self) -> set[str]:
        """Models whose failure has been told of."""
        return set()

    @cached_property
    def _volatility(self) -> int:
        """The column of the volatility of the recent past."""
        return self.pipeline.names.index(self.trading.volatility.label)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.float32], EnsembleState]:
        """The weight for one observation or a batch, as `dltrader.agents.Policy` says; nothing is drawn.

        Nobody reads the opinion here, so a model that cannot vote is told of once, through `logging`.

        Returns:
            (1,) or (batch, 1) float32, and the state to keep.

        Raises:
            BundleError: The observation is not of the shape that members were trained on.
            VoteError: No member could vote.
        """
        del deterministic
        single = np.ndim(observation["market"]) == 2
        batch = {key: np.asarray(observation[key])[np.newaxis] for key in observation} if single else observation
        each, kept = self._consulted(batch, state, episode_start)
        for model, reason in each[0][0].failed.items():
            if model not in self._told:
                self._told.add(model)
                logger.warning("%s of %s cannot vote (%s); the others decide without it", model, self.name, reason)
        weights = np.array([[decision.weight] for _, decision in each], np.float32)  # (batch, 1)
        return (weights[0] if single else weights), kept

    def consult(
        self, observation: Observation, state: EnsembleState | None = None, episode_start: Any = None
    ) -> Consulted:
        """What the members make of one bar and what the rules make of that: exactly what `predict` does.

        Args:
            observation: market (window, features) and account (2,), float32.
            state: Of the bar before; None at the start. Where only the recent actions are known, such as those that
                another program tells, `EnsembleState(actions=(recent,))`.
            episode_start: (1,) bool, true where all is to be forgotten.

        Raises:
            BundleError: The observation is not of the shape that members were trained on.
            VoteError: No member could vote.
        """
        batch = {key: np.asarray(observation[key])[np.newaxis] for key in observation}
        [(opinion, decision)], kept = self._consulted(batch, state, episode_start)
        return Consulted(opinion, decision, kept)

    def _consulted(
        self, batch: Mapping[str, Any], state: EnsembleState | None, episode_start: Any
    ) -> tuple[list[tuple[Opinion, Decision]], EnsembleState]:
        """An opinion and a decision for each row of a batch, and the state to keep."""
        market, account = np.asarray(batch["market"]), np.asarray(batch["account"])
        self._require_shapes(market, account)
        rows, config, trading = len(market), self.env_config, self.trading
        starts = np.zeros(rows, bool) if episode_start is None else np.broadcast_to(episode_start, rows)
        before = ((),) * rows if state is None else state.actions
        heard = hear(self.members, market, account, None if state is None else state.members, starts)
        each: list[tuple[Opinion, Decision]] = []
        actions: list[tuple[Action, ...]] = []
        for row in range(rows):
            votes = {model: vote if rows == 1 else _row(vote, row) for model, vote in heard.votes.items()}
            opinion = pool(votes, self.weighting, failed=heard.failed)
            memory = () if starts[row] else before[row]
            held = Account(float(account[row, 0]), config.leverage, config.allow_short)
            decision = decide(opinion, held, float(market[row, -1, self._volatility]), memory, trading)
            each.append((opinion, decision))
            actions.append((*memory, decision.action)[-max(trading.cool_down_bars, 1) :])
        return each, EnsembleState(heard.state, tuple(actions))

    def _require_shapes(self, market: npt.NDArray[Any], account: npt.NDArray[Any]) -> None:
        expected = (self.env_config.window_bars, len(self.pipeline.names))
        if market.shape[1:] != expected or account.shape != (len(market), 2):
            raise BundleError(
                f"the ensemble observes a market of shape {expected} and an account of 2 numbers, was given "
                f"{market.shape[1:]} and {account.shape[1:]}; use the environment, features and instruments of its run"
            )


def require_same_sight(member: Member, env_config: EnvConfig, pipeline: FittedPipeline) -> None:
    """Check that a member is shown what it was trained on.

    Raises:
        BundleError: It was trained on other features, another scaling, or longer windows.
    """
    own = member.pipeline
    if own.scaling != pipeline.scaling:
        raise BundleError(
            f"the member {member.name} was trained with scaling {own.scaling.to_mapping()}, the ensemble has "
            f"{pipeline.scaling.to_mapping()}; train all members with the same env.scaling"
        )
    if member.window_bars > env_config.window_bars:
        raise BundleError(
            f"the member {member.name} reads windows of {member.window_bars} bars, the ensemble shows "
            f"{env_config.window_bars}; set env.window_bars to {member.window_bars} or more"
        )
    member.within(pipeline.names)  # refuses what is not there
    shared = {name: pipeline.names.index(name) for name in own.names}
    if own.moments is not None and pipeline.moments is not None:
        for column, (name, place) in enumerate(shared.items()):
            if own.moments.of_column(column) != pipeline.moments.of_column(place):
                raise BundleError(
                    f"the member {member.name} was trained with other moments of {name} than the ensemble's; train all "
                    "members on the same training bars"
                )


def require_same_interval(member: Member, interval: pd.Timedelta | None) -> None:
    """Check that a member was trained on bars of the ensemble's interval, as far as both are known.

    Raises:
        BundleError: It was trained on others.
    """
    own = member.interval
    if own is None or interval is None or 1 / TOLERANCE < own / interval < TOLERANCE:
        return
    raise BundleError(
        f"the member {member.name} was trained on bars of {own}, the ensemble is for bars of {interval}; "
        "train all members on bars of one interval"
    )


def _row(vote: Vote, row: int) -> Vote:
    """One row of a vote."""
    cut = slice(row, row + 1)
    return Vote(
        vote.probabilities[cut],
        vote.horizon_bars,
        *(None if one is None else one[cut] for one in (vote.win, vote.movement, vote.risk, vote.value)),
    )
