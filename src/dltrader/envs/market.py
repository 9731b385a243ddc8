"""The market an episode is cut from: aligned bars, their features, and the bar at which trading may begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.data import load_bars, validate_bars
from dltrader.data.sources import PROVIDERS
from dltrader.envs.contract import UNSCALED_BOUND, EnvConfig, FloatArray
from dltrader.envs.session import Session
from dltrader.errors import BarsError, ConfigError, FeatureError
from dltrader.features import FittedPipeline, Pipeline
from dltrader.features.context import context_names, require_context

if TYPE_CHECKING:
    from dltrader.data.feed import FeedArrays

BarsLike: TypeAlias = pd.DataFrame | str | Mapping[str, "pd.DataFrame | str"]
"""Bars, a source URI, or a mapping of instrument names to either."""

ContextLike: TypeAlias = Mapping[str, "pd.DataFrame | str"]
"""Markets that are seen and not traded: names, as features use them, to bars or source URIs."""

STAMPED_BARS = 200_000
"""Up to so many bars their times are kept as Timestamp objects, which are quicker to hand out."""


@dataclass(frozen=True, eq=False)
class Market:
    """Bars and features of one or several instruments on common times. Nothing in it changes while it is traded.

    Attributes:
        bars: Instrument -> bars; all share one index.
        features: (bars, features) float32; a row is valid from the pipeline's warm-up on.
        feature_names: With several instruments prefixed by the instrument, "AAPL.rsi_14".
        pipeline: What computed the features.
        first: Index of the first bar at which a decision can be made.
        context: Markets that features look at: name -> bars, on times of their own.
    """

    bars: Mapping[str, pd.DataFrame]
    features: FloatArray
    feature_names: tuple[str, ...]
    pipeline: FittedPipeline
    first: int
    context: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        bars: BarsLike,
        config: EnvConfig,
        *,
        pipeline: FittedPipeline | None = None,
        start: str | pd.Timestamp | None = None,
        steps: int = 1,
        context: ContextLike | None = None,
    ) -> Market:
        """Align the bars, compute their features and find the first bar that can be traded on.

        Args:
            bars: One instrument or several.
            config: What is computed and how much of it the agent sees.
            pipeline: Computes the features instead of one fitted on these bars, as a trained policy's own does.
            start: No decision before this time; earlier bars only warm the features up.
            steps: How many steps there must be bars for.
            context: Markets that features look at, in place of those that the configuration names.

        Raises:
            BarsError: There are too few bars, or the instruments share too few times.
            ConfigError: A feature looks at a market that is not there, or the bars are too long for an interval or
                for the session.
            FeatureError: A feature cannot be computed.
        """
        frames = aligned(frames_of(bars))
        index = next(iter(frames.values())).index
        others = context_of(config, context)
        unfitted = Pipeline(config.features, config.scaling)
        # Of aligned instruments it is the same for each: it depends on the times only.
        warmup = (pipeline or unfitted).warmup_on(next(iter(frames.values())), others)
        needed = warmup + config.window_bars
        if len(index) < needed + steps:
            raise BarsError(
                f"{len(index)} bars are too few: {warmup} warm the features up, the window takes "
                f"{config.window_bars} and every step one more, so at least {needed + steps} are needed; "
                "load more history, or choose shorter features, scaling or window_bars"
            )
        if pipeline is None:
            pipeline = unfitted.fit(frames, others)
        features = np.zeros((len(index), len(frames) * len(pipeline.names)), np.float32)
        names: list[str] = []
        for instrument, frame in frames.items():
            columns = slice(len(names), len(names) + len(pipeline.names))
            # The rows of the warm-up stay 0 and are never shown to anyone.
            pipeline.matrix(frame, out=features[warmup:, columns], context=others)
            names += [column if len(frames) == 1 else f"{instrument}.{column}" for column in pipeline.names]
        _require_bounded(features, names, pipeline.clip)
        features.flags.writeable = False
        first = needed - 1
        if start is not None:
            first = max(first, int(index.searchsorted(_utc(start))))
            if first > len(index) - 1 - steps:
                raise BarsError(
                    f"no step can be taken from {start} on: the bars end at {index[-1]:%Y-%m-%d %H:%M}, "
                    f"and the first bar that can be traded on is {index[min(first, len(index) - 1)]:%Y-%m-%d %H:%M}"
                )
        market = cls(frames, features, tuple(names), pipeline, first, others)
        market.phases(config.session)  # a session that the bars are too long for is refused here
        return market

    @property
    def instruments(self) -> tuple[str, ...]:
        """The instruments, in the order of every vector over them."""
        return tuple(self.bars)

    @property
    def times(self) -> pd.DatetimeIndex:
        """The common times of the bars."""
        index = next(iter(self.bars.values())).index
        assert isinstance(index, pd.DatetimeIndex)
        return index

    @cached_property
    def stamps(self) -> Any:
        """The times as something that is quickly indexed by one integer."""
        return np.asarray(self.times.astype(object)) if len(self) <= STAMPED_BARS else _Stamps(self.times)

    @cached_property
    def feeds(self) -> tuple[FeedArrays, ...]:
        """The bars as backtrader takes them, one an instrument."""
        from dltrader.data.feed import FeedArrays  # noqa: PLC0415 - backtrader loads where bars are traded, not only seen

        return tuple(FeedArrays.from_bars(frame) for frame in self.bars.values())

    def phases(self, session: Session | None) -> npt.NDArray[np.int64] | None:
        """Where every bar stands in a session, (bars,) as `Session.phases` says; None without one.

        Raises:
            ConfigError: The bars are too long for the session.
        """
        if session is None:
            return None
        known = self._phases
        if session not in known:
            known[session] = session.phases(self.times)
        return known[session]

    @cached_property
    def _phases(self) -> dict[Session, npt.NDArray[np.int64]]:
        """What `phases` has found."""
        return {}

    def __len__(self) -> int:
        """How many bars there are, warm-up included."""
        return len(self.features)

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be derived again."""
        derived = {"stamps", "feeds", "_phases"}
        return {name: value for name, value in self.__dict__.items() if name not in derived}


class _Stamps:
    """Times that become Timestamps one by one, in half the time that an index takes."""

    def __init__(self, times: pd.DatetimeIndex) -> None:
        self._nanoseconds, self._zone = times.as_unit("ns").asi8, times.tz

    def __getitem__(self, i: int) -> pd.Timestamp:
        return pd.Timestamp(int(self._nanoseconds[i]), tz=self._zone)


def frames_of(bars: BarsLike) -> dict[str, pd.DataFrame]:
    """Bars by instrument, loaded and validated.

    Raises:
        BarsError: They are no bars, or break their rules.
        ConfigError: There are none.
    """
    if not isinstance(bars, Mapping | pd.DataFrame | str):
        raise BarsError(
            f"bars must be a frame, a source URI or a mapping of instruments to either, found {type(bars).__name__}"
        )
    if not isinstance(bars, Mapping):
        bars = {instrument_of(bars): bars}
    if not bars:
        raise ConfigError("no bars were given; pass a frame, a source URI or a mapping of instruments to either")
    return {
        name: load_bars(frame) if isinstance(frame, str) else validate_bars(frame, origin=f"bars of {name}")
        for name, frame in bars.items()
    }


def context_of(config: EnvConfig, given: ContextLike | None = None) -> dict[str, pd.DataFrame]:
    """The markets that the features of a configuration look at: those given, else loaded from where it says.

    They need no cut: no bar sees a later one.

    Raises:
        ConfigError: One is neither given nor named.
        SourceError: A source is missing or does not answer.
        BarsError: Bars break their rules.
    """
    known = {**config.context, **(given or {})}
    require_context(config.features, known)
    return {name: frames_of({name: known[name]})[name] for name in context_names(config.features)}


def instrument_of(bars: pd.DataFrame | str) -> str:
    """The instrument's name in a URI: "sample:AAPL" is AAPL, "csv:data/eurusd.csv" eurusd, "alpaca:BTC/USD" BTC-USD."""
    uri = bars if isinstance(bars, str) else str(bars.attrs.get("uri", "asset"))
    source, _, address = uri.partition(":")
    symbol = (address or uri).partition("?")[0]
    # A provider's slash parts the two sides of a pair; in a path it parts folders. Names become folders, too.
    symbol = symbol.replace("/", "-") if source in PROVIDERS else symbol.rpartition("/")[2]
    return symbol.partition(".")[0] or "asset"


def named_uris(uris: Sequence[str]) -> dict[str, str]:
    """Source URIs by the instruments that they name.

    Raises:
        ConfigError: Two name the same.
    """
    named = {instrument_of(uri): uri for uri in uris}
    if len(named) < len(uris):
        twice = next(uri for uri in uris if named[instrument_of(uri)] != uri or uris.count(uri) > 1)
        raise ConfigError(
            f"two instruments are called {instrument_of(twice)}; give them names of their own, "
            f"{{name: {twice}, …}}, and set data.trade: apart"
        )
    return named


def aligned(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Only the bars at times that all instruments have.

    Raises:
        BarsError: There is no such time.
    """
    if len(frames) == 1:
        return frames
    common = None
    for frame in frames.values():
        common = frame.index if common is None else common.intersection(frame.index)
    if common is None or len(common) == 0:
        spans = ", ".join(
            f"{name} {frame.index[0]:%Y-%m-%d} to {frame.index[-1]:%Y-%m-%d}" for name, frame in frames.items()
        )
        raise BarsError(f"the instruments have no time in common: {spans}")
    return {name: frame.loc[common] for name, frame in frames.items()}


def _require_bounded(features: FloatArray, names: list[str], clip: float | None) -> None:
    """Unscaled features must stay within the observation space: nothing clips them."""
    bound = UNSCALED_BOUND if clip is None else clip
    largest = np.maximum(features.max(axis=0), -features.min(axis=0))  # (columns,), without a matrix of sizes
    if largest.max() > bound:
        name = names[int(largest.argmax())]
        instead = "choose the scaling rolling or train" if clip is None else "leave out its scaled: false"
        raise FeatureError(
            f"the feature {name} reaches {largest.max():.3g} unscaled, and observations end at {bound:.3g}; {instead}"
        )


def _utc(time: str | pd.Timestamp) -> pd.Timestamp:
    stamp = pd.Timestamp(time)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
