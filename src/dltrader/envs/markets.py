"""Markets: a set of which every episode draws one, and the bars at which the episode begins and ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.data import expand
from dltrader.envs.contract import EnvConfig, FloatArray
from dltrader.envs.market import BarsLike, ContextLike, Market, aligned, context_of, frames_of, instrument_of
from dltrader.envs.session import Session
from dltrader.errors import BarsError, ConfigError
from dltrader.features import FittedPipeline, Pipeline

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Markets:
    """Markets with the same features and as many instruments each, their bars one after the other.

    A bar of the set is named by one index: a market's own index plus where the market begins.

    Attributes:
        each: The markets by name; their features are slices of `features`.
        features: (bars, features) float32, those of all markets one below the other.
        begins: (markets,) index of each market's first bar.
    """

    each: Mapping[str, Market]
    features: FloatArray
    begins: Indices

    @classmethod
    def of(cls, market: Market) -> Markets:
        """A set of one."""
        return cls({" ".join(market.instruments): market}, market.features, np.zeros(1, np.int64))

    @classmethod
    def build(
        cls,
        bars: Sequence[BarsLike] | Mapping[str, BarsLike],
        config: EnvConfig,
        *,
        pipeline: FittedPipeline | None = None,
        start: str | pd.Timestamp | None = None,
        context: ContextLike | None = None,
        steps: int | None = None,
    ) -> Markets:
        """Compute the features of every market, once, with one pipeline for all.

        Args:
            bars: Of each market: a frame, a source URI, or a mapping of instruments to either, which is a portfolio.
            config: What is computed, and how long an episode is.
            pipeline: Computes the features instead of one fitted on all these bars.
            start: No decision before this time; earlier bars only warm the features up.
            context: Markets that features look at, in place of those that the configuration names.
            steps: How many steps there must be bars for in each; None: a whole episode.

        Raises:
            BarsError: A market has too few bars for an episode, or another interval or number of instruments.
            ConfigError: Two markets have the same name, or there is none.
            FeatureError: A feature cannot be computed.
        """
        frames = _by_name(bars)
        _require_alike(frames)
        others = context_of(config, context)
        if pipeline is None:
            every = {f"{name} {one}": frame for name, market in frames.items() for one, frame in market.items()}
            pipeline = Pipeline(config.features, config.scaling).fit(every, others)
        lengths = [len(next(iter(market.values()))) for market in frames.values()]
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        features = np.empty((sum(lengths), len(pipeline.names) * len(next(iter(frames.values())))), np.float32)
        markets: dict[str, Market] = {}
        short = []
        for (name, bars_of_one), begin in zip(frames.items(), begins, strict=True):
            try:
                market = Market.build(
                    bars_of_one,
                    config,
                    pipeline=pipeline,
                    start=start,
                    steps=config.episode_bars or 1 if steps is None else steps,
                    context=others,
                )
                # Each becomes a slice of the whole before the next is made: features live once.
                part = features[begin : begin + len(market)]
                part[:] = market.features
                markets[name] = replace(market, features=part)
            except BarsError as error:
                short.append(f"{name}: {error}")
        if short:
            raise BarsError("; ".join(short[:3]) + (f"; and {len(short) - 3} more" if len(short) > 3 else ""))
        for market in markets.values():
            market.features.flags.writeable = False
        features.flags.writeable = False
        return cls(markets, features, begins)

    @property
    def names(self) -> tuple[str, ...]:
        """The markets, in the order of every index of one."""
        return tuple(self.each)

    @property
    def first(self) -> Market:
        """The first of them; what all have in common can be asked of it."""
        return next(iter(self.each.values()))

    @property
    def n_instruments(self) -> int:
        """How many instruments each of them has."""
        return len(self.first.instruments)

    @property
    def instruments(self) -> tuple[str, ...]:
        """What stands in every place of a vector over instruments."""
        each = zip(*(market.instruments for market in self.each.values()), strict=True)
        return tuple(" or ".join(dict.fromkeys(names)) for names in each)

    @property
    def pipeline(self) -> FittedPipeline:
        """What computed all features."""
        return self.first.pipeline

    def prices(self) -> npt.NDArray[np.float64]:
        """Open, high, low and close of every instrument, (bars, 4 * instruments): a bar is one run of memory."""
        table = np.empty((len(self), 4 * self.n_instruments))
        for market, begin in zip(self.each.values(), self.begins, strict=True):
            for i, frame in enumerate(market.bars.values()):
                for j, name in enumerate(("open", "high", "low", "close")):
                    table[begin : begin + len(market), 4 * i + j] = frame[name]
        return table

    def times(self) -> npt.NDArray[np.datetime64]:
        """The time of every bar, UTC."""
        return np.concatenate([market.times.tz_convert(None).to_numpy() for market in self.each.values()])

    def phases(self, session: Session | None) -> Indices | None:
        """Where every bar stands in a session, as `Market.phases` says; None without one."""
        if session is None:
            return None
        return np.concatenate([market.phases(session) for market in self.each.values()])

    def __len__(self) -> int:
        """How many bars there are in all."""
        return len(self.features)


MarketsLike: TypeAlias = "BarsLike | Market | Markets | Sequence[BarsLike]"
"""One market, as bars or built, or several: a `Markets`, a list of bars, or a URI with a wildcard."""


def markets_of(
    bars: MarketsLike,
    config: EnvConfig,
    *,
    pipeline: FittedPipeline | None = None,
    start: str | pd.Timestamp | None = None,
    context: ContextLike | None = None,
) -> Markets:
    """Whatever an environment takes as bars, as markets; a mapping is one market, a portfolio of its instruments.

    Raises:
        BarsError: The bars break their rules, or are too few.
        ConfigError: Two markets have the same name, or there is none.
    """
    if isinstance(bars, Markets):
        return bars
    if isinstance(bars, Market):
        return Markets.of(bars)
    if isinstance(bars, str) and len(uris := expand(bars)) > 1:
        bars = uris
    if isinstance(bars, str | Mapping | pd.DataFrame) or not isinstance(bars, Sequence):
        return Markets.of(Market.build(bars, config, pipeline=pipeline, start=start, context=context))
    return Markets.build(bars, config, pipeline=pipeline, start=start, context=context)


class Episode(NamedTuple):
    """Where episodes take place, one element an episode.

    Attributes:
        market: Index of the market.
        first: The market's own index of the first bar.
        last: The same of the last.
    """

    market: Indices
    first: Indices
    last: Indices


class Episodes:
    """Draws markets and starts: every market once, in random order, before any comes again; starts uniformly.

    Args:
        markets: Of which it draws.
        config: Says how long an episode is, and whether it begins anywhere.
    """

    def __init__(self, markets: Markets, config: EnvConfig) -> None:
        self._n_markets = len(markets.each)
        self._first = np.array([market.first for market in markets.each.values()])
        self._last = np.array([len(market) - 1 for market in markets.each.values()])
        self._length = config.episode_bars
        self._random_start = config.random_start
        self.shuffle()

    def shuffle(self) -> None:
        """Forget which markets have been drawn: what comes depends on the generator alone."""
        self._deck = np.zeros(0, np.int64)

    def state(self) -> dict[str, Any]:
        """The markets that come next, as drawn already."""
        return {"deck": self._deck}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Draw on from where another stood."""
        self._deck = state["deck"]

    def draw(self, generator: np.random.Generator, count: int, together: int = 1) -> Episode:
        """So many episodes, of which so many at a time take place on the same bars."""
        draws = -(-count // together)
        market = self._markets(generator, draws)
        first, last = self._first[market], self._last[market]
        length = last - first if self._length is None else np.full(draws, self._length)
        if self._random_start:
            latest = np.maximum(last - length, first)
            first = generator.integers(first, latest + 1)
        drawn = Episode(market, first, np.minimum(first + length, last))
        return Episode(*(np.repeat(part, together)[:count] for part in drawn))

    def _markets(self, generator: np.random.Generator, count: int) -> Indices:
        if self._n_markets == 1:
            return np.zeros(count, np.int64)
        while len(self._deck) < count:
            self._deck = np.concatenate([self._deck, generator.permutation(self._n_markets)])
        drawn, self._deck = self._deck[:count], self._deck[count:]
        return drawn


def _by_name(bars: Any) -> dict[str, dict[str, pd.DataFrame]]:
    """The frames of every market, by the market's name."""
    if isinstance(bars, Mapping):
        named = list(bars.items())
    else:
        wide = [one for each in bars for one in (expand(each) if isinstance(each, str) else [each])]
        named = [(_name_of(one, i), one) for i, one in enumerate(wide, start=1)]
    if not named:
        raise ConfigError("no markets were given; pass a list or a mapping with at least one")
    twice = next((name for name, count in Counter(name for name, _ in named).items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"two markets are called {twice}; give them names of their own: [{{name: bars}}, …]")
    return {name: aligned(frames_of(each if isinstance(each, Mapping) else {name: each})) for name, each in named}


def _name_of(bars: BarsLike, number: int) -> str:
    """The instruments' names; for a frame that does not say where it is from, its number in the list."""
    if isinstance(bars, pd.DataFrame) and "uri" not in bars.attrs:
        return f"market{number}"
    return " ".join(bars) if isinstance(bars, Mapping) else instrument_of(bars)


def _require_alike(frames: Mapping[str, Mapping[str, pd.DataFrame]]) -> None:
    """Raise a BarsError where the markets cannot be of one set, with the names of those that differ."""
    sizes = {name: len(market) for name, market in frames.items()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise BarsError(f"the markets of a set must have as many instruments each, found {found}")
    intervals = {
        name: frame.index.to_series().diff().median() for market in frames.values() for name, frame in market.items()
    }
    usual = Counter(intervals.values()).most_common(1)[0][0]
    others = [f"{name} one every {interval}" for name, interval in intervals.items() if interval != usual]
    if others:
        raise BarsError(
            f"the markets of a set must have one interval: most have a bar every {usual}, but {', '.join(others)}; "
            "leave these out, or train on them apart"
        )
