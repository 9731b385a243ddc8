"""The verdict on predictions in plain sentences: whether they keep their word, and what has gone wrong.

Labels of neighbouring bars tell largely of the same bars. What is said of chance therefore counts as independent only
predictions whose horizons do not overlap, and rests on the interval of Wilson 1927 at 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.evaluation.formats import percent, ratio
from dltrader.evaluation.monitoring.outcomes import KNOWN, PENDING, UNMATCHED
from dltrader.evaluation.statistics.intervals import Interval, wilson_interval
from dltrader.forecast.vote import SIDES

LEAST_KNOWN = 30
"""Of fewer known predictions nothing is said."""

OFF = 0.05
"""So much a calibration error may be, beside twice what chance makes of it."""

NAMED = 4
"""So many features that have drifted are named."""


class Finding(NamedTuple):
    """A sentence of the verdict.

    Attributes:
        sentence: Without a full stop.
        wrong: Whether it tells of something that is not as it should be.
    """

    sentence: str
    wrong: bool = False


@dataclass(frozen=True)
class Record:
    """How recommendations came true.

    Attributes:
        count: Of the recommendations.
        hit: The share that came true, with its interval.
        said: Mean probability that was given to them; nan where no two members ever agreed, for then none is known.
    """

    count: int
    hit: Interval
    said: float

    @classmethod
    def of(cls, known: pd.DataFrame, horizon: int) -> Self:
        """That of known predictions, in the order of time."""
        trials = independent(known["row"].to_numpy(), horizon)
        share = float(known["hit"].mean()) if len(known) else np.nan
        return cls(len(known), wilson_interval(share, trials), float(known["said"].mean()) if len(known) else np.nan)

    @property
    def too_sure(self) -> bool:
        """Whether fewer came true than was said, beyond chance."""
        return self.said > self.hit.high

    @property
    def too_humble(self) -> bool:
        """Whether more came true than was said, beyond chance."""
        return self.said < self.hit.low

    @property
    def text(self) -> str:
        """What came and what was said, in words."""
        low, high = percent(self.hit.low), percent(self.hit.high)
        came = f"{percent(self.hit.estimate)} came true (95 % interval {low} to {high})"
        return came if np.isnan(self.said) else f"{came}, it had said {percent(self.said)}"


@dataclass(frozen=True, eq=False)
class Facts:
    """What a verdict is made of.

    Attributes:
        horizon: Bars that a label takes to be known.
        pending: Predictions whose labels are not known yet.
        unmatched: Predictions of times without a bar.
        all: All known predictions.
        trades: Those that recommended to buy or to sell.
        late: The last so many of them that the rolling numbers look back on.
        usual: The side that came most often.
        usual_share: How often it came.
        errors: Question -> calibration error of the ensemble, and what chance alone would make of it.
        drift: As `drift_table`; None where the reference is not known.
        failed: Models that have failed -> in how many predictions.
        missing: Members that are not there.
        unreadable: Lines of the log that are no predictions.
        bundles: How many different ensembles have predicted.
    """

    horizon: int
    pending: int
    unmatched: int
    all: Record
    trades: Record
    late: Record
    usual: str
    usual_share: float
    errors: Mapping[str, tuple[float, float]]
    drift: pd.DataFrame | None
    failed: dict[str, int]
    missing: tuple[str, ...]
    unreadable: int
    bundles: int

    @classmethod
    def of(
        cls,
        judged: pd.DataFrame,
        errors: Mapping[str, tuple[float, float]],
        drift: pd.DataFrame | None,
        horizon: int,
        *,
        window: int,
        missing: Sequence[str] = (),
        unreadable: int = 0,
    ) -> Self:
        """Those of predictions with their outcomes.

        Args:
            judged: What `outcomes` gives, in the order of time.
            errors: Question -> calibration error of the ensemble, and what chance alone would make of it.
            drift: As `drift_table`; None where the reference is not known.
            horizon: Bars that a label takes to be known.
            window: Predictions that the rolling numbers look back on.
            missing: Members that are not there.
            unreadable: Lines of the log that are no predictions.
        """
        standing = judged["standing"]
        known = judged[standing == KNOWN]
        came = known["side"].value_counts().reindex([side.upper() for side in SIDES], fill_value=0)
        failed = judged["failed"].str.split().explode().dropna().value_counts()
        return cls(
            horizon=horizon,
            pending=int((standing == PENDING).sum()),
            unmatched=int((standing == UNMATCHED).sum()),
            all=Record.of(known, horizon),
            trades=Record.of(known[known["recommendation"] != "HOLD"], horizon),
            late=Record.of(known.tail(window), horizon),
            usual=str(came.idxmax()),
            usual_share=float(came.max() / came.sum()) if len(known) else np.nan,
            errors=errors,
            drift=drift,
            failed={str(model): int(count) for model, count in failed.items()},
            missing=tuple(missing),
            unreadable=unreadable,
            bundles=int(judged["bundles"].nunique()),
        )


def verdict(facts: Facts) -> list[Finding]:
    """Sentences without a full stop, the answer first."""
    rules = (_answer, _beside_usual, _trades, _late, _calibration) if facts.all.count >= LEAST_KNOWN else (_too_few,)
    return [finding for rule in (*rules, *ALWAYS) if (finding := rule(facts)) is not None]


def independent(rows: npt.NDArray[np.integer], horizon: int) -> int:
    """How many of some bars, in the order of time, can be chosen so that their horizons do not overlap."""
    count, free = 0, -1
    for row in rows.tolist():
        if row >= free:
            count, free = count + 1, row + horizon
    return count


def _too_few(facts: Facts) -> Finding:
    waiting = f"; {facts.pending:,} wait for their {facts.horizon} bars to pass" if facts.pending else ""
    return Finding(
        f"nothing can be said of its forecasts yet: {facts.all.count:,} predictions are known, and {LEAST_KNOWN} are "
        f"needed{waiting}"
    )


def _answer(facts: Facts) -> Finding:
    record = facts.all
    of_all = f"of {record.count:,} recommendations {record.text}"
    if np.isnan(record.said):
        return Finding(f"how sure it was is not known, for its members never agreed: {of_all}", wrong=True)
    if record.too_sure:
        return Finding(f"too sure of itself: {of_all}", wrong=True)
    if record.too_humble:
        return Finding(f"less sure of itself than it could be: {of_all}")
    return Finding(f"keeps its word: {of_all}")


def _beside_usual(facts: Facts) -> Finding:
    hit = facts.all.hit
    always = f"always saying {facts.usual}, which would have come true {percent(facts.usual_share)} of the time"
    if hit.low > facts.usual_share:
        return Finding(f"better than {always}")
    if hit.high < facts.usual_share:
        return Finding(f"worse than {always}", wrong=True)
    return Finding(f"cannot be told from {always}")


def _trades(facts: Facts) -> Finding:
    if not facts.trades.count:
        return Finding("it never recommended to buy or to sell")
    if facts.trades.count == facts.all.count:
        return Finding("it recommended to buy or to sell every time")
    return Finding(f"of {facts.trades.count:,} recommendations to buy or to sell {facts.trades.text}")


def _late(facts: Facts) -> Finding | None:
    if facts.late.count == facts.all.count or not facts.late.too_sure:
        return None
    return Finding(f"too sure of late: of the last {facts.late.count:,} recommendations {facts.late.text}", wrong=True)


def _calibration(facts: Facts) -> Finding | None:
    off = {name: error for name, (error, chance) in facts.errors.items() if error > OFF + 2.0 * chance}
    if not off:
        return None
    each = ", ".join(f"{name.replace('_', ' ')} by {percent(error)}" for name, error in off.items())
    return Finding(f"probabilities are off by more than chance explains, in the mean: {each}", wrong=True)


def _drifted(facts: Facts) -> Finding:
    if facts.drift is None:
        return Finding(
            "whether features have drifted is not known: the run of an ensemble, named with --run, tells how they were "
            "spread in training"
        )
    told = facts.drift.dropna(subset=["psi"])
    if told.empty:
        return Finding("whether features have drifted cannot be said of so few predictions")
    named = list(_named(told[told["drifted"]] if told["drifted"].any() else told.head(1)))
    if not told["drifted"].any():
        return Finding(f"no feature has drifted from training; the largest stability index is that of {named[0]}")
    more = int(told["drifted"].sum()) - NAMED
    listed = ", ".join(named[:NAMED]) + (f" and {more} more" if more > 0 else "")
    verb = "has" if len(named) == 1 else "have"
    return Finding(f"{len(named)} of {len(told)} features {verb} drifted from training: {listed}", wrong=True)


def _named(table: pd.DataFrame) -> Iterator[str]:
    for row in table.itertuples():
        usual = f", usually up to {ratio(row.usual)}" if np.isfinite(row.usual) else ""  # type: ignore[arg-type]
        yield f"{row.feature} ({ratio(row.psi)}{usual})"  # type: ignore[arg-type]


def _failed(facts: Facts) -> Finding | None:
    if not facts.failed:
        return None
    each = ", ".join(f"{model} {count:,}" for model, count in facts.failed.items())
    return Finding(f"models have failed, so many times each: {each}", wrong=True)


def _missing(facts: Facts) -> Finding | None:
    if not facts.missing:
        return None
    return Finding(f"members are missing: {', '.join(facts.missing)}", wrong=True)


def _unmatched(facts: Facts) -> Finding | None:
    if not facts.unmatched:
        return None
    return Finding(
        f"{facts.unmatched:,} predictions are of times at which no bar closed; are these the bars that were predicted?",
        wrong=True,
    )


def _unreadable(facts: Facts) -> Finding | None:
    if not facts.unreadable:
        return None
    return Finding(f"lines of the log that are no predictions, and are left out: {facts.unreadable:,}", wrong=True)


def _bundles(facts: Facts) -> Finding | None:
    if facts.bundles < 2:
        return None
    return Finding(f"{facts.bundles} different ensembles have written the log, and all of this is of them together")


ALWAYS: tuple[Callable[[Facts], Finding | None], ...] = (
    _drifted,
    _failed,
    _missing,
    _unmatched,
    _unreadable,
    _bundles,
)
