"""What a leak check is made on: functions of bars, one for everything that must not know later ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from dltrader.evaluation.leaks.alterations import Altered
from dltrader.evaluation.leaks.causality import Stage, check_stage
from dltrader.evaluation.leaks.cut import Fit, Span, check_fit, check_spans
from dltrader.evaluation.leaks.labels import Labels, check_alignment
from dltrader.evaluation.leaks.plan import Plan
from dltrader.evaluation.leaks.purge import Purge, check_purge
from dltrader.evaluation.leaks.report import LeakReport, Part
from dltrader.evaluation.leaks.tables import Frames
from dltrader.evaluation.leaks.trading import Backtest, check_trading
from dltrader.evaluation.leaks.votes import Votes, check_votes


@dataclass(frozen=True)
class Subject:
    """Bars, and what is made of them; whatever is None or empty is not looked at.

    Attributes:
        name: For titles and tables.
        frames: Instrument -> bars, all that anything is computed from.
        clock: The times of bars on which decisions are made.
        stages: What is computed at every bar.
        labels: What is said of bars and tells of later ones, rewards among them.
        purges: Trainings on labels, with what each must not know by them.
        votes: What members of an ensemble say of bars.
        trades: Backtests; one after the first is made only where those before it never traded.
        fit: What is learned of the training bars.
        spans: The slices, in order of time.
    """

    name: str
    frames: Frames
    clock: pd.DatetimeIndex
    stages: tuple[Stage, ...] = ()
    labels: tuple[Labels, ...] = ()
    purges: tuple[Purge, ...] = ()
    votes: tuple[Votes, ...] = ()
    trades: tuple[Backtest, ...] = ()
    fit: Fit | None = None
    spans: tuple[Span, ...] = ()


def check(subject: Subject, plan: Plan | None = None) -> LeakReport:
    """Look for leaks in all that a subject has.

    Raises:
        BarsError: There are too few bars.
        Exception: Whatever its functions raise on the bars as they are.
    """
    return LeakReport.of(subject.name, parts(subject, plan or Plan()))


def parts(subject: Subject, plan: Plan) -> Iterator[Part]:
    """One part after the other, so that a caller can tell how far it is."""
    altered = Altered.of(subject.frames, subject.clock, plan.seed)
    for stage in subject.stages:
        yield check_stage(stage, altered, plan)
    if subject.spans:
        yield check_spans(subject.spans)
    if subject.fit is not None:
        # A slice is what it is by its first bar that was not learned from.
        yield check_fit(subject.fit, altered, subject.spans[1].first)
    for labels in subject.labels:
        yield check_alignment(labels, altered, plan)
    for purge in subject.purges:
        yield check_purge(purge, altered)
    for votes in subject.votes:
        yield check_votes(votes, altered, plan)
    for number, trade in enumerate(subject.trades, start=1):
        part = check_trading(trade, altered, plan)
        another = bool(part.skipped) and number < len(subject.trades)
        yield part._replace(skipped=()) if another else part
        if not another:
            return
