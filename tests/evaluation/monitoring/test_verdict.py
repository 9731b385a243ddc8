from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.monitoring.verdict import Facts, independent, verdict

SIDES = ["BUY", "SELL", "HOLD"]


def judged(count=200, right=0.6, said=0.6, *, recommended="BUY", pending=0, failed="", bundles="run:a"):
    """Predictions of which a share has come true, spread evenly; other sides came by turns."""
    hit = np.floor(right * np.arange(1, count + 1)) > np.floor(right * np.arange(count))
    others = [side for side in SIDES if side != recommended]
    side = np.where(hit, recommended, np.resize(others, count))
    known = pd.DataFrame({"standing": "known", "row": range(count), "hit": hit.astype(float), "side": side})
    unknown = pd.DataFrame({"standing": ["pending"] * pending, "row": range(count, count + pending)})
    whole = pd.concat([known, unknown], ignore_index=True) if pending else known
    return whole.assign(said=said, recommendation=recommended, failed=failed, bundles=bundles)


def drift(*drifted):
    names = ["x", "y"]
    return pd.DataFrame(
        {"feature": names, "psi": [0.9, 0.05], "usual": [0.2, np.nan], "drifted": [name in drifted for name in names]}
    )


def told(table, *, errors=None, found=None, horizon=1, window=50, **facts):
    return verdict(Facts.of(table, errors or {}, found, horizon, window=window, **facts))


def first(table, **facts):
    return told(table, **facts)[0]


def test_one_that_keeps_its_word():
    sentence, wrong = first(judged())
    assert sentence == (
        "keeps its word: of 200 recommendations 60.0% came true (95 % interval 53.1% to 66.5%), it had said 60.0%"
    )
    assert not wrong


def test_one_that_is_too_sure_and_one_that_is_too_humble():
    sentence, wrong = first(judged(said=0.75))
    assert (sentence.partition(":")[0], wrong) == ("too sure of itself", True)
    sentence, wrong = first(judged(said=0.45))
    assert (sentence.partition(":")[0], wrong) == ("less sure of itself than it could be", False)


def test_of_members_that_never_agreed_nobody_knows_how_sure_they_were():
    sentence, wrong = first(judged(said=np.nan))
    assert sentence == (
        "how sure it was is not known, for its members never agreed: of 200 recommendations 60.0% came true "
        "(95 % interval 53.1% to 66.5%)"
    )
    assert wrong


def test_labels_that_overlap_count_as_fewer():
    sentence, wrong = first(judged(said=0.75), horizon=10)
    assert "keeps its word" in sentence
    assert not wrong
    assert independent(np.arange(200), 10) == 20
    assert independent(np.array([0, 3, 10, 11, 30]), 10) == 3


def test_few_predictions_are_not_judged():
    findings = told(judged(29, said=0.99, pending=4), horizon=5)
    assert findings[0].sentence == (
        "nothing can be said of its forecasts yet: 29 predictions are known, and 30 are needed; "
        "4 wait for their 5 bars to pass"
    )
    assert not any(finding.wrong for finding in findings)
    assert told(judged(0, pending=3))[0].sentence.startswith("nothing can be said of its forecasts yet: 0 predictions")


@pytest.mark.parametrize(
    ("right", "begins", "is_wrong"),
    [(0.8, "cannot be told from always saying BUY", False), (0.2, "worse than always saying", True)],
)
def test_beside_one_answer_for_all(right, begins, is_wrong):
    finding = told(judged(right=right, said=right))[1]
    assert finding.sentence.startswith(begins)
    assert finding.wrong == is_wrong


def test_better_than_one_answer_for_all():
    table = judged(right=0.9, said=0.9)
    turns = np.resize(SIDES, len(table))
    sides = np.where(table["hit"] == 1.0, turns, np.roll(turns, 1))
    finding = told(table.assign(recommendation=turns, side=sides))[1]
    assert finding.sentence.startswith("better than always saying")


def test_of_late_it_may_have_become_worse():
    table = pd.concat([judged(400, 0.7, 0.65), judged(50, 0.2, 0.65).assign(row=range(400, 450))], ignore_index=True)
    findings = told(table)
    assert [finding.sentence.partition(":")[0] for finding in findings if finding.wrong] == ["too sure of late"]


def test_what_it_recommended():
    sentences = [told(table)[2].sentence for table in (judged(), judged(recommended="HOLD"))]
    assert sentences == [
        "it recommended to buy or to sell every time",
        "it never recommended to buy or to sell",
    ]
    mixed = judged().assign(recommendation=["BUY"] * 50 + ["HOLD"] * 150)
    assert told(mixed)[2].sentence.startswith("of 50 recommendations to buy or to sell 60.0% came true")


def test_drift():
    unknown = told(judged())[-1]
    assert "is not known" in unknown.sentence
    assert not unknown.wrong
    none = told(judged(), found=drift())[-1]
    assert none.sentence == (
        "no feature has drifted from training; the largest stability index is that of x (0.90, usually up to 0.20)"
    )
    one = told(judged(), found=drift("x"))[-1]
    assert one == ("1 of 2 features has drifted from training: x (0.90, usually up to 0.20)", True)
    both = told(judged(), found=drift("x", "y"))[-1]
    assert both.sentence.endswith("have drifted from training: x (0.90, usually up to 0.20), y (0.05)")
    few = told(judged(), found=drift().assign(psi=np.nan))[-1]
    assert "of so few predictions" in few.sentence


def test_probabilities_that_are_off():
    findings = told(judged(), errors={"win_5d": (0.2, 0.03), "win_30d": (0.1, 0.05), "recommendation": (np.nan, 0.1)})
    [wrong] = [finding.sentence for finding in findings if finding.wrong]
    assert wrong == "probabilities are off by more than chance explains, in the mean: win 5d by 20.0%"


def test_what_else_may_be_wrong():
    table = judged().assign(failed=["lstm ppo"] * 3 + ["lstm"] * 2 + [""] * 195)
    table.loc[:3, "standing"] = "unmatched"
    findings = told(table, missing=["lgb"], unreadable=2)
    assert [finding.sentence for finding in findings if finding.wrong] == [
        "models have failed, so many times each: lstm 5, ppo 3",
        "members are missing: lgb",
        "4 predictions are of times at which no bar closed; are these the bars that were predicted?",
        "lines of the log that are no predictions, and are left out: 2",
    ]
    two = judged().assign(bundles=["run:a"] * 100 + ["run:b"] * 100)
    assert told(two)[-1].sentence.startswith("2 different ensembles have written the log")
