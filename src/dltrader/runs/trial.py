"""Trials: what the ledger is told of every training and backtest, and when two of them are about the same data.

- *trial*: a training whose result could have been chosen. The same configuration trained with the same seed on the same
  bars once more gives the same result, and is the same trial; another seed is another one. A checkpoint other than the
  best that is backtested could have been chosen too, and is one more. The folds of a walk-forward are pieces; what they
  are stitched to is the trial, one a seed.
- *market*: where bars come from, without what says only how they are asked for. Bars of one market at overlapping
  times are the same data, however long the series that they were taken from and whatever its fingerprint.
- *look*: a backtest on bars that the training had been kept from: the test bars of a run, or bars of another market.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import pandas as pd

import dltrader
from dltrader.data.sources import parameters
from dltrader.errors import DLTraderError
from dltrader.runs.experiment import Experiment, Slices

Kind = Literal[
    "train", "tune trial", "walk-forward fold", "walk-forward", "ensemble member", "backtest", "evaluate", "benchmark"
]
"""What an entry stands for."""

NO_TRIALS = ("walk-forward fold", "ensemble member", "benchmark")
"""What is listed and is no trial: a piece of one, and what measures the library and not a strategy."""

NOT_DECIDING = ("name", "seed", "train.keep_state", "predictions")
"""What the id of a configuration leaves out: the seed stands beside it, the others change no result."""

CUTS = ("walk_forward", "folds")
"""How bars are cut again and again; what a single training gives does not depend on it."""

FILE_SOURCES = ("csv", "parquet")
HOW_ASKED = ("interval",)
"""Parameters of a source URI that choose among bars of one market."""

SPANS = ("train", "validation", "test", "tested")
PLAIN = (
    "time", "kind", "experiment", "config_id", "trial", "looked", "seed", "engine", "status", "seconds", "run",
    "version",
)  # fmt: skip
"""What stands in a row as it does in an entry."""


class Span(NamedTuple):
    """From the first bar to the last, both included; UTC."""

    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class DataSet:
    """Which bars an entry is about.

    Attributes:
        sha256: Fingerprint of all bars; empty where it is not known.
        uris: Instrument -> source URI.
        train: When it learned; None where it did not, as in a backtest on other bars.
        validation: When checkpoints were chosen.
        test: When it is judged: the bars that nothing may have been chosen by.
    """

    sha256: str
    uris: Mapping[str, str]
    train: Span | None = None
    validation: Span | None = None
    test: Span | None = None

    @classmethod
    def of(cls, sha256: str, uris: Mapping[str, str], slices: Slices) -> Self:
        """The data set of a training."""
        ends = [max(frame.index[-1] for frame in frames.values()) for frames, _ in (slices.validation, slices.test)]
        learned = [frame.index for frame in slices.train.values() if len(frame)]
        return cls(
            sha256,
            dict(uris),
            train=Span(min(index[0] for index in learned), max(index[-1] for index in learned)),
            validation=Span(slices.validation[1], ends[0]),
            test=Span(slices.test[1], ends[1]),
        )

    @property
    def markets(self) -> list[str]:
        """Its markets, sorted."""
        return sorted({market_of(uri) for uri in self.uris.values()})


@dataclass(frozen=True)
class Scores:
    """What came of it; None where it was not measured. Sharpe ratios are per bar, not a year.

    Attributes:
        validation_growth: Log growth of the best checkpoint on the validation bars; of markets apart the mean.
        validation_sharpe: Its Sharpe ratio there, a bar.
        growth: Log growth of a backtest.
        sharpe: Sharpe ratio of a backtest, a bar.
        returns: Returns of a backtest.
        max_drawdown: The deepest, a fraction <= 0.
        skewness: Of the returns of a backtest, 0 for normal ones.
        kurtosis: Of the returns of a backtest, 3 for normal ones.
        periods_per_year: Bars in a year: the root of it makes a Sharpe ratio one of a year.
    """

    validation_growth: float | None = None
    validation_sharpe: float | None = None
    growth: float | None = None
    sharpe: float | None = None
    returns: int | None = None
    max_drawdown: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    periods_per_year: float | None = None

    def to_mapping(self) -> dict[str, float]:
        """What was measured; what is not finite was not."""
        return {name: value for name, value in asdict(self).items() if value is not None and math.isfinite(value)}


@dataclass(frozen=True)
class Entry:
    """One row of the ledger.

    Attributes:
        kind: What it stands for.
        experiment: The experiment's name.
        config_id: As `config_id` says.
        trial: As `trial_id` says: equal ones are counted once.
        data: Which bars.
        seed: Of the training.
        engine: "cerebro" or "vector".
        status: How it ended: finished, interrupted, pruned, failed, killed, timed out.
        scores: What came of it.
        run: The run folder, absolute: the ledger is its user's own.
        seconds: How long it took; None where that is not known.
        tested: The bars that a backtest traded.
        looked: Whether it was a look.
        time: When it was entered, ISO 8601 in UTC; empty until then.
        version: Of dltrader.
    """

    kind: Kind
    experiment: str
    config_id: str
    trial: str
    data: DataSet
    seed: int
    engine: str
    status: str = "finished"
    scores: Scores = field(default_factory=Scores)
    run: str = ""
    seconds: float | None = None
    tested: Span | None = None
    looked: bool = False
    time: str = ""
    version: str = dltrader.__version__

    @property
    def counts(self) -> bool:
        """Whether its result could have been chosen: there is one, and it is that of a trial."""
        has_result = self.scores.validation_growth is not None or self.scores.growth is not None
        return has_result and self.kind not in NO_TRIALS


def written(moment: pd.Timestamp) -> str:
    """ISO 8601 in UTC, always as long: the order of such texts is that of the times."""
    return moment.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def row_of(entry: Entry) -> dict[str, Any]:
    """An entry as plain values, one a column; `entry_of` turns them back."""
    data = entry.data
    spans = {"train": data.train, "validation": data.validation, "test": data.test, "tested": entry.tested}
    ends = {
        f"{part}_{end}": None if span is None else written(getattr(span, end))
        for part, span in spans.items()
        for end in Span._fields
    }
    plain = {name: getattr(entry, name) for name in (*PLAIN, "counts")}
    return plain | ends | {
        "data_sha256": data.sha256,
        "uris": json.dumps(dict(data.uris)),
        "markets": "".join(f"\n{market}" for market in data.markets) + "\n",
        "scores": json.dumps(entry.scores.to_mapping()),
    }  # fmt: skip


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry that a row holds.

    Raises:
        ValueError, TypeError: It is damaged.
    """
    spans = {part: span_of(row[f"{part}_first"], row[f"{part}_last"]) for part in SPANS}
    tested = spans.pop("tested")
    return Entry(
        **{name: row[name] for name in PLAIN},
        data=DataSet(row["data_sha256"], dict(json.loads(row["uris"])), **spans),
        scores=Scores(**json.loads(row["scores"])),
        tested=tested,
    )


def span_of(first: str | None, last: str | None) -> Span | None:
    """A span from two times as `written` gives them; None where one is missing."""
    return None if first is None or last is None else Span(pd.Timestamp(first), pd.Timestamp(last))


def config_id(experiment: Experiment, *, whole: bool = False) -> str:
    """The sha256 of all that a configuration decides but for its seed, which entries name beside it.

    Equal configurations have equal ids, in whatever order their keys were written and whether or not defaults were. A
    reward or a feature of the user's own is known by its name only: what is changed behind the name changes no id.

    Args:
        experiment: The configuration.
        whole: Whether its walk-forward is meant, or an ensemble's cross-validation: what is trained does not depend on
            either.
    """
    values = experiment.to_mapping()
    for dotted in (*NOT_DECIDING, *(() if whole else CUTS)):
        *way, last = dotted.split(".")
        inner: Any = values
        for key in way:
            inner = inner.get(key, {})
        inner.pop(last, None)
    return _hash(values)


def trial_id(config: str, seed: int, sha256: str, *, variant: str = "") -> str:
    """What makes a trial: equal configuration, seed and data give equal results.

    Args:
        config: The configuration's id.
        seed: Of the training.
        sha256: Fingerprint of the data.
        variant: What else sets it apart: a hook, first weights, a walk-forward, a checkpoint other than the best.
    """
    return _hash([config, seed, sha256, variant])


def sharpes_of(kept: Iterable[tuple[str, Mapping[str, Any]]], periods_per_year: float | None) -> list[float]:
    """One Sharpe ratio a trial, of what is kept of it: that of its longest backtest, else that of its validation.

    Args:
        kept: Trials with their scores, oldest first.
        periods_per_year: Of the bars that the ratios are to be of; None: each of its own bars.
    """
    best: dict[str, tuple[int, float]] = {}
    for trial, scores in kept:
        value = scores.get("sharpe", scores.get("validation_sharpe"))
        if value is None:
            continue
        own = scores.get("periods_per_year")
        scale = math.sqrt(own / periods_per_year) if own and periods_per_year else 1.0
        returns = int(scores.get("returns", 0)) if "sharpe" in scores else -1
        if trial not in best or returns >= best[trial][0]:
            best[trial] = returns, value * scale
    return [value for _, value in best.values()]


def market_of(uri: str) -> str:
    """The market that a source URI names: the same whatever the interval, and files by their place on the disk."""
    source, _, address = uri.partition(":")
    try:
        path, values = parameters(address)
    except DLTraderError:  # a source of one's own may write its addresses as it likes
        return uri
    if source in FILE_SOURCES:
        path = str(Path(path).expanduser().resolve())
    rest = "&".join(f"{key}={value}" for key, value in sorted(values.items()) if key not in HOW_ASKED)
    return f"{source}:{path}" + (f"?{rest}" if rest else "")


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
