"""Members: forecasters and policies as those who vote in an ensemble.

All are shown the ensemble's window, of which each takes the columns that it knows, by name, and as many of the newest
rows as it was trained on. What a member says of a bar depends on nothing else but the account and its own memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from dltrader.agents.probabilities import consult, require_consultable
from dltrader.errors import VoteError
from dltrader.forecast.horizons import horizon_name
from dltrader.forecast.reading import Matrix, Places, places_of, read, require_columns
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import SIDES, Vote

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.agents.trained import TrainedPolicy
    from dltrader.features import FittedPipeline
    from dltrader.forecast.bundle import TrainedForecaster

Votes = dict[str, Vote]

FLAT = np.zeros(2, np.float32)
"""The account of one who holds nothing: no exposure, no open trade."""

CHUNK = 256
"""Windows that are cut out at once."""

BESIDE = ("win", "movement", "risk", "value")
"""What votes may tell beside probabilities."""

SLACK = 1e-6
"""By so much probabilities may miss their sum of 1."""


class Member(Protocol):
    """Who votes."""

    @property
    def name(self) -> str:
        """As the ensemble's configuration calls it; the names of its models begin with it."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """What has one vote each, as it is called in answers."""
        ...

    @property
    def pipeline(self) -> FittedPipeline:
        """What computed the features that it was trained on."""
        ...

    @property
    def window_bars(self) -> int:
        """Rows of features that it reads."""
        ...

    @property
    def interval(self) -> pd.Timedelta | None:
        """Median time between the bars that it was trained on; None where nothing is known of it."""
        ...

    @property
    def remembers(self) -> bool:
        """Whether its vote depends on what it saw on earlier bars, by its state."""
        ...

    def within(self, names: Sequence[str]) -> Self:
        """Itself, as a reader of windows with these columns.

        Raises:
            BundleError: A column that it reads is not among them.
        """
        ...

    def votes(self, market: Matrix, account: Matrix, state: Any = None, episode_start: Any = None) -> tuple[Votes, Any]:
        """What its models say of bars.

        Args:
            market: (n, rows, columns) float32, windows with the newest row last; of `within`'s columns, by default its
                own, and of as many rows as it reads or more.
            account: (n, 2) float32, exposure and the open trade's unrealised return.
            state: What it gave last, for those that remember; None at the start.
            episode_start: (n,) bool, true where it is to forget.

        Returns:
            Model -> vote of n rows, and the state to keep.

        Raises:
            BundleError: The windows are too short, or of other columns.
        """
        ...


@dataclass(frozen=True, eq=False)
class ForecasterMember:
    """A forecaster as a member."""

    name: str
    trained: TrainedForecaster
    seen: tuple[str, ...] | None = None

    @cached_property
    def models(self) -> tuple[str, ...]:
        """One, or one a horizon."""
        horizons = self.trained.config.horizons
        return tuple(self._model(str(bars)) for bars in horizons) if len(horizons) > 1 else (self.name,)

    @property
    def pipeline(self) -> FittedPipeline:
        """The forecaster's."""
        return self.trained.pipeline

    @property
    def window_bars(self) -> int:
        """The forecaster's."""
        return self.trained.window_bars

    @property
    def interval(self) -> pd.Timedelta:
        """The forecaster's."""
        return self.trained.interval

    @property
    def remembers(self) -> bool:
        """It sees windows only."""
        return False

    def within(self, names: Sequence[str]) -> Self:
        """Itself among other columns."""
        require_columns(self.name, self.pipeline.names, names)
        return replace(self, seen=tuple(names))

    def votes(self, market: Matrix, account: Matrix, state: Any = None, episode_start: Any = None) -> tuple[Votes, Any]:
        """What its models say of windows."""
        del account, episode_start
        windows = read(self.name, market, self.window_bars, self.seen, self._places)
        return {self._model(horizon): vote for horizon, vote in self.trained.votes(windows).items()}, state

    @cached_property
    def _places(self) -> Places | None:
        return places_of(self.pipeline.names, self.seen)

    def _model(self, horizon: str) -> str:
        """The model of a horizon in bars in words; of the only one, the name."""
        return f"{self.name}_{horizon_name(int(horizon), self.trained.interval)}" if horizon else self.name


@dataclass(frozen=True, eq=False)
class PolicyMember:
    """A trained policy as a member: its actor gives probabilities, its critic a value.

    Raises:
        ConfigError: Its actions do not tell of buying and selling one instrument.
    """

    name: str
    trained: TrainedPolicy
    seen: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a policy whose actions cannot be told as sides."""
        require_consultable(self.trained)

    @property
    def models(self) -> tuple[str, ...]:
        """One."""
        return (self.name,)

    @property
    def pipeline(self) -> FittedPipeline:
        """The policy's."""
        return self.trained.pipeline

    @property
    def window_bars(self) -> int:
        """The policy's."""
        return self.trained.env_config.window_bars

    @property
    def interval(self) -> pd.Timedelta | None:
        """The policy's."""
        return self.trained.interval

    @property
    def remembers(self) -> bool:
        """Whether the policy has a memory."""
        return self.trained.agent.remembers

    def within(self, names: Sequence[str]) -> Self:
        """Itself among other columns."""
        require_columns(self.name, self.pipeline.names, names)
        return replace(self, seen=tuple(names))

    def votes(self, market: Matrix, account: Matrix, state: Any = None, episode_start: Any = None) -> tuple[Votes, Any]:
        """The probabilities of its action to buy, sell or hold, and the value of its state."""
        windows = read(self.name, market, self.window_bars, self.seen, self._places)
        told = consult(self.trained, {"market": windows, "account": account}, state, episode_start)
        return {self.name: Vote(told.probabilities, value=told.value)}, told.state

    @cached_property
    def _places(self) -> Places | None:
        return places_of(self.pipeline.names, self.seen)


class Heard(NamedTuple):
    """What members said of bars.

    Attributes:
        votes: Model -> vote.
        failed: Model -> why it could not vote, in one line.
        state: Member -> state to keep.
    """

    votes: Votes
    failed: dict[str, str]
    state: dict[str, Any]


def hear(
    members: Sequence[Member],
    market: Matrix,
    account: Matrix,
    state: Mapping[str, Any] | None = None,
    episode_start: Any = None,
) -> Heard:
    """Ask all members, as `Member.votes` says; one that raises, or says what is no probability, is left out and named.

    It keeps the state that it had before.
    """
    heard = Heard({}, {}, dict(state or {}))
    for member in members:
        try:
            votes, kept = member.votes(market, account, heard.state.get(member.name), episode_start)
            _require_votes(votes, len(market))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in one, the others are to answer
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            heard.failed.update(dict.fromkeys(member.models, reason))
            continue
        heard.votes.update(votes)
        if kept is not None:
            heard.state[member.name] = kept
    return heard


def votes_on(member: Member, samples: Samples) -> Votes:
    """What a member says of samples: model -> vote of as many rows. A policy is asked as one who holds nothing.

    Windows are cut out a few at a time. Who remembers sees the bars one after the other, and forgets where one was left
    out, as between two markets.

    Args:
        member: Who is asked.
        samples: Each has as many rows behind it as the member reads.

    Raises:
        BundleError: The samples lack a column that it reads.
        VoteError: What it says is no probability, or no number.
    """
    reader = member.within(samples.names)
    starts = np.diff(samples.rows, prepend=samples.rows[:1]) != 1  # (n,) a bar that does not follow the one before it
    size = 1 if member.remembers else CHUNK
    parts: list[Votes] = []
    state = None
    for begin in range(0, len(samples), size):
        chunk = np.arange(begin, min(begin + size, len(samples)))
        market = samples.windows(member.window_bars, chunk)
        votes, state = reader.votes(market, np.tile(FLAT, (len(chunk), 1)), state, starts[chunk])
        _require_votes(votes, len(chunk))
        parts.append(votes)
    return {model: _joined([part[model] for part in parts]) for model in parts[0]} if parts else {}


def _joined(parts: Sequence[Vote]) -> Vote:
    """Votes on rows that follow each other as one."""
    told = ("probabilities", *BESIDE)
    said = {name: [getattr(part, name) for part in parts] for name in told if getattr(parts[0], name) is not None}
    return Vote(horizon_bars=parts[0].horizon_bars, **{name: np.concatenate(each) for name, each in said.items()})


def _require_votes(votes: Votes, n: int) -> None:
    """Check that votes are of n rows, that their probabilities are some, and that all else is finite."""
    for model, vote in votes.items():
        given = vote.probabilities
        if given.shape != (n, len(SIDES)):
            raise VoteError(f"{model} gave probabilities of shape {given.shape}, {(n, len(SIDES))} was asked for")
        right = (given >= 0).all(axis=1) & (np.abs(given.sum(axis=1) - 1.0) <= SLACK)  # nan is neither
        if not right.all():
            raise VoteError(
                f"{model} gave {given[~right][0].tolist()}, which are no probabilities of {', '.join(SIDES)}"
            )
        for name in BESIDE:
            said = getattr(vote, name)
            if said is not None and not np.isfinite(said).all():
                raise VoteError(f"{model} gave a {name} that is no finite number")
