from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.evaluation.leaks import Plan, Subject, Table, Votes, check
from market_bars import random_walk

BARS = random_walk(120, 7)
TIMES = pd.DatetimeIndex(BARS.index)
PLAN = Plan(cuts=6)


def told(name, values):
    """A member that says a series' values at the bars that it is asked of."""

    def compute(frames, times):
        series = values(frames["A"])
        return Table(times, (name,), series.reindex(times).to_numpy()[:, np.newaxis])

    return Votes(compute, TIMES[20])


def report(*votes):
    return check(Subject("planted", {"A": BARS}, TIMES, votes=votes), PLAN)


def trailing(bars):
    return bars["close"].rolling(5).mean()


def test_a_vote_on_past_bars_is_clean():
    found = report(told("lstm buy", trailing))
    assert found.ok
    (checked,) = found.checked
    assert (checked.stage, checked.bars, checked.of) == ("votes", 6, 100)


def test_a_vote_that_sees_one_bar_ahead_is_named():
    found = report(told("lgb buy", trailing), told("lstm buy", lambda bars: trailing(bars).shift(-1)))
    (finding,) = found.findings
    assert (finding.stage, finding.feature) == ("votes", "lstm buy")
    assert "knows later bars: it is another number when those after" in finding.reason
    assert finding.time in TIMES[20:]


def test_a_vote_that_is_scaled_by_all_bars_is_named():
    found = report(told("lstm risk", lambda bars: bars["close"] / bars["close"].mean()))
    assert [finding.feature for finding in found.findings] == ["lstm risk"]


def test_a_bar_that_is_not_voted_on_any_more_when_later_ones_are_missing_is_named():
    def compute(frames, times):
        known = times[times < frames["A"].index[-1]]
        return Table(known, ("vote",), np.ones((len(known), 1)))

    found = report(Votes(compute, TIMES[20]))
    # With all bars there the newest asked for is never the last one.
    assert [finding.difference for finding in found.findings] == [np.inf]


def test_one_who_remembers_begins_where_it_is_asked_to():
    asked = []

    def compute(frames, times):
        asked.append((times[0], len(times)))
        return Table(times, ("vote",), np.cumsum(frames["A"]["close"].reindex(times).to_numpy())[:, np.newaxis])

    assert report(Votes(compute, TIMES[20])).ok
    assert {length for _, length in asked} == {8}
    assert min(first for first, _ in asked) >= TIMES[20]
