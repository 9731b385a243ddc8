"""Stretch: the bars of an evaluation, at hand before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from dltrader.data import fingerprint, in_memory, slice_bars
from dltrader.data.times import moment, written
from dltrader.envs.market import BarsLike, context_of, frames_of, instrument_of
from dltrader.errors import BarsError, ConfigError
from dltrader.runs.experiment import Experiment


@dataclass(frozen=True, eq=False)
class Stretch:
    """Which bars are traded.

    Attributes:
        frames: Instrument -> bars, with the history that warms features up.
        start: No decision before this time; None: as soon as features have warmed up.
        uris: Instrument -> source URI.
        sha256: Fingerprint: of the configuration's own bars that of all of them, else of those that are traded.
        context: Markets that features look at.
        own: Whether they are the configuration's own.
    """

    frames: Mapping[str, pd.DataFrame]
    start: pd.Timestamp | None
    uris: Mapping[str, str]
    sha256: str
    context: Mapping[str, pd.DataFrame]
    own: bool


def stretch_of(
    experiment: Experiment,
    *,
    bars: BarsLike | None = None,
    market: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Stretch:
    """The bars that an evaluation trades: by default the experiment's test bars.

    Args:
        experiment: The configuration.
        bars: Bars in place of its own.
        market: Of its markets, the one.
        start: No decision before this time.
        end: No bar after this time.

    Raises:
        ConfigError: A time cannot be read, or it is not said which of several markets is meant.
        SourceError: The bars cannot be had.
        BarsError: They break their rules, or are too few.
    """
    begin = None if start is None else moment(start, "start")
    if bars is not None:
        if market is not None:
            raise ConfigError(f"--market {market} is one of the run's own markets; leave it out beside --bars")
        named = {instrument_of(bars): bars} if isinstance(bars, str | pd.DataFrame) else dict(bars)
        frames = _ended(frames_of(named), end)
        uris = {name: one if isinstance(one, str) else in_memory([name])[name] for name, one in named.items()}
        found = Stretch(frames, begin, uris, fingerprint(frames), context_of(experiment.env), own=False)
    else:
        found = _own(experiment, market, begin, end)
    _require_steps(found)
    return found


def _own(experiment: Experiment, market: str | None, begin: pd.Timestamp | None, end: str | None) -> Stretch:
    data = experiment.data
    if data.spans is not None and len(data.spans.test) > 1:
        raise ConfigError(
            f"{experiment.name} is a fold that is tested on several spans, and has learned from bars between them; "
            "evaluate its walk-forward, or name --bars"
        )
    frames = data.load()
    tested, start = data.cut(frames).test
    if data.apart:
        if market not in tested:
            raise ConfigError(
                f"the configuration trades {', '.join(tested)}, one at a time; name one by --market, or other --bars"
            )
        tested = {market: tested[market]}
    elif market is not None:
        raise ConfigError(f"--market {market} is for configurations with several markets, this has one; leave it out")
    uris, context = data.uris(), context_of(experiment.env)
    named = {name: uris[name] for name in tested}
    return Stretch(_ended(tested, end), begin or start, named, fingerprint(frames, context), context, own=True)


def _ended(frames: Mapping[str, pd.DataFrame], end: str | None) -> dict[str, pd.DataFrame]:
    return dict(frames) if end is None else {name: slice_bars(frame, None, end) for name, frame in frames.items()}


def _require_steps(stretch: Stretch) -> None:
    """Raise a BarsError where no step can be taken; whether features have warmed up by then, a backtest says."""
    for name, frame in stretch.frames.items():
        if stretch.start is not None and int((frame.index >= stretch.start).sum()) < 2:
            raise BarsError(
                f"{name} has no two bars from {written(stretch.start)} on, it ends at {written(frame.index[-1])}; "
                "choose an earlier --start, or a later --end"
            )
