"""Predict: an ensemble that stays loaded and answers snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dltrader.data import load_bars
from dltrader.data.bars import Bars, times_of
from dltrader.envs.contract import Observation
from dltrader.envs.market import context_of, instrument_of
from dltrader.envs.session import PHASES
from dltrader.errors import RunError, SnapshotError
from dltrader.forecast.answer import Answer, answer_of
from dltrader.forecast.joining import as_ensemble, joined
from dltrader.forecast.policy import EnsemblePolicy, EnsembleState
from dltrader.forecast.sight import market_of, observation_of
from dltrader.forecast.snapshot import Snapshot
from dltrader.forecast.trading import Action, Decision
from dltrader.registry import did_you_mean
from dltrader.runs import Run


@dataclass(frozen=True, eq=False)
class Prediction:
    """An answer, and how it came about.

    Attributes:
        answer: What the ensemble says.
        observation: What it saw: market (window, features) and account (2,), float32.
        names: Of the features.
        time: When the bar closed that was seen last.
        seconds: What it took, from reading the snapshot to the answer.
    """

    answer: Answer
    observation: Observation
    names: tuple[str, ...]
    time: pd.Timestamp
    seconds: float


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a snapshot, or the newest bar, comes to.

    Attributes:
        symbol: The instrument.
        timestamp: The moment, as it was written.
        time: The moment.
        bar: When the newest bar closed.
        observation: What is seen.
        recent: Actions that were taken before; None: those that were answered.
    """

    symbol: str
    timestamp: str
    time: pd.Timestamp
    bar: pd.Timestamp
    observation: Observation
    recent: tuple[Action, ...] | None = None


@dataclass(frozen=True, eq=False)
class _Standing:
    """Where the snapshots of an instrument stand.

    Attributes:
        time: Of the last one.
        before: What the ensemble remembered when it came; None at the start.
        after: What it has remembered since.
    """

    time: pd.Timestamp
    before: EnsembleState | None
    after: EnsembleState


class EnsemblePredictor:
    """Answers snapshots with an ensemble.

    Snapshots of an instrument come in the order of time, one a bar: models with a memory, and the trading rules, then
    know what was before as they do in a backtest. One of the same time as the last is answered again, by what was known
    before it. Only the last memory of every instrument is kept, however many snapshots come.

    Args:
        ensemble: Who answers.
        watch: Told of every prediction, such as a log of them.

    Attributes:
        ensemble: Who answers.
        watch: Told of every prediction; may be set.
    """

    def __init__(self, ensemble: EnsemblePolicy, *, watch: Callable[[Prediction], Any] = lambda _: None) -> None:
        self.ensemble = ensemble
        self.watch = watch
        self._standing: dict[str, _Standing] = {}

    @classmethod
    def open(cls, *runs: str | Path | Run, watch: Callable[[Prediction], Any] = lambda _: None) -> EnsemblePredictor:
        """The ensemble of a run, or the one that ensembles and policies of several runs make with equal shares.

        Args:
            *runs: Run folders, of ensembles or of policies.
            watch: Told of every prediction.

        Raises:
            RunError: A folder is missing, is no run or has no policy, or none is named.
            BundleError: A file is damaged or altered, or the runs were trained on other features or intervals.
        """
        if not runs:
            raise RunError("there is no run to predict with; name one, or several")
        opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
        return cls(joined([as_ensemble(run.policy()) for run in opened]), watch=watch)

    def predict(self, snapshot: Snapshot | Mapping[str, Any] | str | bytes) -> Answer:
        """What the ensemble says of a snapshot.

        Args:
            snapshot: A snapshot, a mapping that is one, or its JSON.

        Raises:
            SnapshotError: It is none, does not fit what the ensemble was trained on, or is earlier than the last one.
            BarsError: Its bars break the rules of bars.
            FeatureError: A feature cannot be computed from them.
            VoteError: No model could vote.
        """
        started = time.perf_counter()
        told, known = Snapshot.of(snapshot), self.ensemble.instruments
        if told.symbol not in known:
            raise SnapshotError(f"unknown symbol {told.symbol!r}{did_you_mean(told.symbol, known)}")
        self._require_order(told.symbol, told.time)
        asked = _Asked(
            symbol=told.symbol,
            timestamp=told.timestamp,
            time=told.time,
            bar=told.bar_time,
            observation=observation_of(told, self.ensemble),
            recent=None if told.recent_actions is None else tuple(told.recent_actions),
        )
        return self._answer(asked, started)

    def predict_bars(self, bars: Bars | str, *, symbol: str | None = None) -> Answer:
        """What the ensemble says of the newest bar to one who holds nothing, of whatever instrument.

        Args:
            bars: Bars, or a source URI. Other markets that features look at are loaded from where the configuration of
                the ensemble says.
            symbol: What the instrument is called; by default as the source says.

        Raises:
            SourceError: The bars cannot be had.
            BarsError: They break the rules of bars.
            SnapshotError: They are too few, of another interval, or end before those that were answered last.
            FeatureError: A feature cannot be computed from them.
            VoteError: No model could vote.
        """
        started = time.perf_counter()
        symbol = symbol or instrument_of(bars)
        frame = load_bars(bars) if isinstance(bars, str) else bars
        last = times_of(frame)[-1]
        self._require_order(symbol, last)
        context = context_of(self.ensemble.env_config)
        market = market_of(frame, self.ensemble, {name: each.loc[:last] for name, each in context.items()})
        asked = _Asked(
            symbol=symbol,
            timestamp=last.isoformat().replace("+00:00", "Z"),
            time=last,
            bar=last,
            observation={"market": market, "account": np.zeros(2, np.float32)},
        )
        return self._answer(asked, started)

    def _answer(self, asked: _Asked, started: float) -> Answer:
        """Ask the ensemble, and keep what it remembers."""
        standing = self._standing.get(asked.symbol)
        before = None
        if standing is not None:
            before = standing.before if standing.time == asked.time else standing.after
        known = before
        if asked.recent is not None:
            known = replace(known or EnsembleState(), actions=(asked.recent,))
        opinion, decision, after = self.ensemble.consult(
            asked.observation, known, np.array([before is None and asked.recent is None])
        )
        decision = self._within_session(decision, asked)
        answer = answer_of(asked.symbol, asked.timestamp, opinion, decision, self.ensemble.interval)
        self._standing[asked.symbol] = _Standing(asked.time, before, after)
        seconds = time.perf_counter() - started
        self.watch(Prediction(answer, asked.observation, self.ensemble.pipeline.names, asked.bar, seconds))
        return answer

    def _require_order(self, symbol: str, moment: pd.Timestamp) -> None:
        standing = self._standing.get(symbol)
        if standing is not None and moment < standing.time:
            raise SnapshotError(
                f"timestamp {moment.isoformat()} is before {standing.time.isoformat()}, the last one of {symbol}; send "
                "snapshots in the order of time"
            )

    def _within_session(self, decision: Decision, asked: _Asked) -> Decision:
        """What the session of a day trader leaves of a decision, as the environment would."""
        config, interval = self.ensemble.env_config, self.ensemble.interval
        if config.session is None or interval is None:
            return decision
        phase = int(config.session.phases(pd.DatetimeIndex([asked.bar - interval, asked.bar]))[-1])
        if config.session.is_free(phase):
            return decision
        held = float(asked.observation["account"][0]) / config.leverage
        [weight] = config.session.allowed(phase, [decision.weight], [held])
        action: Action = "HOLD" if weight == held else "BUY" if weight > held else "SELL"
        return Decision(weight, action, f"session {PHASES[phase]}: {'flat' if weight == 0.0 else 'kept'}")
