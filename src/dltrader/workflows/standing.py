"""Standing: what the trial ledger says of an evaluation, once it has been told of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dltrader.data import periods_per_year
from dltrader.evaluation.confidence import Trials
from dltrader.evaluation.examined import Examined
from dltrader.runs import Run
from dltrader.runs.ledger import Ledger
from dltrader.runs.trial import DataSet, Span
from dltrader.workflows.entries import enter_backtest, enter_result
from dltrader.workflows.stretch import Stretch
from dltrader.workflows.subjects import Subject


def enter_evaluation(subject: Subject, stretch: Stretch, examined: Sequence[Examined]) -> tuple[Trials, list[str]]:
    """Tell the ledger that each seed has looked at the bars; the trials behind them, and what a reader must know.

    A walk-forward has told the ledger of its own curves, and nothing else is looked at here.
    """
    tested = Span(*_ends(examined))
    data = DataSet(stretch.sha256, dict(stretch.uris), test=tested)
    ledger = Ledger.open()
    before = ledger.looked(data)
    if subject.kind == "walk_forward":
        before = None if before is None else max(before - len(examined), 0)  # one look a seed was its own
    else:
        for each in examined:
            if stretch.own:
                one = subject.experiment.with_overrides({"seed": each.seed})
                enter_result(
                    "evaluate", one, each.result, sha256=stretch.sha256, folder=each.path, seconds=each.seconds
                )
            else:
                enter_backtest(Run.open(each.path), each.result, data, which="best", seconds=each.seconds)
    trials = _trials(ledger, data, stretch, len(examined))
    return trials, _looks(before)


def _trials(ledger: Ledger, data: DataSet, stretch: Stretch, n_seeds: int) -> Trials:
    count = ledger.count(data)
    if count is None:
        return Trials(None, why=ledger.unknown)
    periods = periods_per_year(next(iter(stretch.frames.values())))
    return Trials(max(count, n_seeds), ledger.sharpes(data, periods_per_year=periods) or ())


def _looks(before: int | None) -> list[str]:
    if before is None:
        return ["how often these bars have been looked at before is unknown"]
    times = "once" if before == 1 else f"{before} times"
    return [f"these bars have been looked at {times} before"] if before else []


def _ends(examined: Sequence[Examined]) -> tuple[pd.Timestamp, pd.Timestamp]:
    index = max((each.result.equity.index for each in examined), key=len)
    return index[0], index[-1]
