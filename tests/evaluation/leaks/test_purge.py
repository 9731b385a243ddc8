from __future__ import annotations

import pandas as pd
import pytest

from dltrader.envs.contract import Costs
from dltrader.evaluation.leaks import LeakReport, Purge, Span, Subject, Table, check, check_purge
from dltrader.evaluation.leaks.alterations import Altered
from dltrader.forecast.labels import LabelsConfig, label_table
from market_bars import random_walk

BARS = random_walk(120, 6)
TIMES = pd.DatetimeIndex(BARS.index)
FRAMES = {"A": BARS}
ALTERED = Altered.of(FRAMES, TIMES)
HORIZON = 5


def labels(frames):
    return Table.of(label_table(frames["A"], LabelsConfig(horizon_bars=HORIZON), Costs()).dropna())


def purge(training, validation, *, test=(90, 119), held=(60, 79)):
    """A training on rows of these numbers; validation and test are bars from one to another."""
    spans = {
        "validation": Span("validation", TIMES[held[0]], TIMES[held[1]]),
        "test": Span("test", TIMES[test[0]], TIMES[test[1]]),
    }
    return Purge(
        "fold 1",
        labels,
        {"training": TIMES[list(training)], "validation": TIMES[list(validation)]},
        {"training": (spans["validation"], spans["test"]), "validation": (spans["test"],)},
    )


def test_rows_whose_labels_end_before_the_border_are_clean():
    part = check_purge(purge(range(55), range(60, 80)), ALTERED)
    assert part.findings == []
    assert (part.checked[0].bars, part.checked[0].of) == (75, 75)
    assert part.checked[0].what == "labels at 3 borders (fold 1)"


def test_a_label_that_reaches_into_the_validation_is_found_at_its_row():
    findings = check_purge(purge(range(56), range(60, 80)), ALTERED).findings
    assert {finding.feature for finding in findings} >= {"fold 1: movement", "fold 1: risk"}
    assert {(finding.stage, finding.time) for finding in findings} == {("folds", TIMES[55])}
    reason = f"a label of training tells of bars from {TIMES[60]:%Y-%m-%d} on, which are its validation; leave out more"
    assert reason in findings[0].reason


def test_a_label_of_the_validation_that_reaches_into_the_test_is_found():
    findings = check_purge(purge(range(55), range(60, 87), held=(60, 86)), ALTERED).findings
    moved = next(finding for finding in findings if finding.feature == "fold 1: movement")
    assert moved.time == TIMES[85]  # the label of bar 85 ends with bar 90
    assert "a label of validation tells of bars from" in moved.reason


@pytest.mark.parametrize(("first_behind", "leaks"), [(84, True), (85, True), (86, False)])
def test_a_row_behind_a_test_must_not_begin_before_its_last_label_ends(first_behind, leaks):
    # The test is of bars 60 to 81; the label of bar 81 tells of 82 to 86.
    behind = purge(range(first_behind, 110), (), test=(60, 81), held=(30, 31))
    findings = check_purge(behind, ALTERED).findings
    assert bool(findings) is leaks
    if leaks:
        assert "a label of the test tells of bars after" in findings[0].reason
        assert "a row of training behind it" in findings[0].reason


def test_a_subject_is_checked_for_it():
    report = check(Subject("planted", FRAMES, TIMES, purges=(purge(range(58), range(60, 80)),)))
    assert isinstance(report, LeakReport)
    assert not report.ok
    assert {finding.stage for finding in report.findings} == {"folds"}
