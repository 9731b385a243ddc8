from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dltrader.evaluation.behaviour import Collapse
from dltrader.evaluation.formats import MINUS
from dltrader.evaluation.verdict import Facts, Range, verdict

BETTER, WORSE, NEITHER = Range(0.05, 0.01, 0.09), Range(-0.05, -0.09, -0.01), Range(-0.01, -0.03, 0.02)
UNREMARKABLE = Facts(
    seeds=5,
    left_out=0,
    ruined=0,
    years=4.0,
    difference=NEITHER,
    seeds_difference=NEITHER,
    matched_difference=math.nan,
    exposure=0.5,
    correlation=0.4,
    collapses={},
    dsr=0.5,
    trials=37,
    min_track_record_years=math.nan,
    own_cost_bp=15.0,
    costs_bp=(0.0, 20.0),
    break_even_bp=math.nan,
    profitable=True,
)


def said(**changes):
    return verdict(replace(UNREMARKABLE, **changes))


def test_an_interval_with_0_cannot_be_told_from_holding():
    assert said()[0] == (
        "indistinguishable from buy-and-hold: the interval of the difference in log growth a year, "
        f"{MINUS}3.0% to +2.0%, contains 0"
    )


def test_an_interval_below_0_is_worse():
    assert said(difference=WORSE, seeds_difference=WORSE)[0] == (
        "worse than buy-and-hold: the interval of the difference in log growth a year, "
        f"{MINUS}9.0% to {MINUS}1.0%, lies below 0"
    )


@pytest.mark.parametrize(
    ("dsr", "trials", "end"),
    [
        (0.41, 37, ", but the deflated Sharpe ratio is 0.41 after 37 trials"),
        (0.97, 1, ", and the deflated Sharpe ratio is 0.97 after 1 trial"),
        (0.999, 1200, ", and the deflated Sharpe ratio is 0.99 after 1,200 trials"),
        (math.nan, None, ", but how many trials stand behind it is unknown, so it may have been chosen by luck"),
        (math.nan, 3, ", but it has no deflated Sharpe ratio"),
    ],
)
def test_an_interval_above_0_is_better_as_far_as_trials_go(dsr, trials, end):
    answer = said(difference=BETTER, seeds_difference=BETTER, dsr=dsr, trials=trials)[0]
    assert answer == (
        "better than buy-and-hold: the interval of the difference in log growth a year, +1.0% to +9.0%, lies above 0"
        + end
    )


def test_without_an_interval_nothing_can_be_said():
    few = Range(math.nan, math.nan, math.nan, "12 returns; at least 20 are needed")
    assert said(difference=few)[0] == (
        "nothing can be said of it beside buy-and-hold: 12 returns; at least 20 are needed"
    )


def test_who_never_trades_gets_no_other_verdict():
    idle = {Collapse.IDLE: 5}
    assert said(collapses=idle) == ["never trades: all 5 seeds stayed flat"]
    assert said(collapses={Collapse.IDLE: 1}, seeds=1) == ["never trades"]
    assert said(collapses=idle, left_out=2)[1] == "2 of 7 trainings did not finish and are left out"


def test_who_is_always_in_the_market_merely_holds():
    assert "merely holds: exposure 0.99, correlation with buy-and-hold 0.98" in said(exposure=0.99, correlation=0.98)
    assert "merely holds: exposure 1.00, correlation with buy-and-hold 0.99" in said(exposure=1.0, correlation=0.9999)
    assert not any("merely" in sentence for sentence in said(exposure=0.99, correlation=0.9))
    assert not any("merely" in sentence for sentence in said(exposure=0.9, correlation=0.98))
    assert not any("merely" in sentence for sentence in said(exposure=math.nan, correlation=math.nan))


def test_collapses_are_counted():
    some = {Collapse.IDLE: 1, Collapse.FLIPS: 2}
    assert "of 5 seeds 3 collapsed: 1 never traded, 2 flips on nearly every bar" in said(collapses=some)
    assert "collapsed: it bought once and held" in said(collapses={Collapse.BOUGHT: 1}, seeds=1)


def test_ruin_is_said_first_of_all_qualifications():
    assert said(ruined=2)[1] == "2 of 5 seeds lost all their money"
    assert said(ruined=1, seeds=1)[1] == "it lost all its money"


def test_what_depends_on_the_seed_is_said():
    found = said(difference=BETTER, seeds_difference=NEITHER)
    assert (
        f"it depends on the seed: the interval of that difference over seeds, {MINUS}3.0% to +2.0%, contains 0" in found
    )
    other = said(difference=BETTER, seeds_difference=WORSE)
    assert any(sentence.endswith(f"{MINUS}9.0% to {MINUS}1.0%, lies on the other side of 0") for sentence in other)
    for same in (said(difference=BETTER, seeds_difference=BETTER), said(seeds_difference=WORSE)):
        assert not any("depends" in sentence for sentence in same)


def test_one_seed_is_said_to_be_one():
    assert "one seed says nothing of others; evaluate several" in said(seeds=1)


def test_costs_take_all_the_profit():
    assert "all of its profit is gone at 3 basis points a side, and it pays 15" in said(break_even_bp=3.0)
    assert "all of its profit is gone at 17.3 basis points a side" in said(break_even_bp=17.29)
    assert "has no profit even at 0 basis points a side" in said(profitable=False)
    assert "still has a profit at 20 basis points a side, the highest cost tried" in said()


def test_timing_is_compared_with_the_same_exposure():
    rest = "of log growth a year, compared with the same exposure held constantly"
    assert f"its choice of moments added 2.0% {rest}" in said(matched_difference=0.02)
    assert f"its choice of moments cost 3.0% {rest}" in said(matched_difference=-0.03)


def test_a_record_may_be_too_short():
    assert said(min_track_record_years=11.23)[-1] == (
        "its record of 4.0 years is too short for a Sharpe ratio above 0 at 95%, which would take 11.2"
    )
    for years in (3.0, math.inf, math.nan):
        assert not any("record" in sentence for sentence in said(min_track_record_years=years))


def test_what_did_not_finish_is_said():
    assert said(left_out=1)[-1] == "1 of 6 trainings did not finish and are left out"
