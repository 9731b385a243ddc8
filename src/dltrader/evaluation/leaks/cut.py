"""The cut between training, validation and test: slices apart from each other, and a fit that knows the first only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import pandas as pd

from dltrader.data.times import written
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from dltrader.evaluation.leaks.report import Checked, Finding, Part
from dltrader.evaluation.leaks.tables import Frames, Table, compare

Fit: TypeAlias = Callable[[Frames], Table]
"""Bars of all slices -> what is learned of those of training, one row."""


class Span(NamedTuple):
    """A slice.

    Attributes:
        name: train, validation, test, or that of a fold.
        first: The first bar that is learned from, or decided on.
        last: The last bar of the slice.
    """

    name: str
    first: pd.Timestamp
    last: pd.Timestamp


def check_spans(spans: Sequence[Span]) -> Part:
    """Look whether slices are apart: each must end before the next begins.

    Args:
        spans: In order of time, as they are meant to be.
    """
    findings = []
    for one, two in pairwise(spans):
        if two.first <= one.last:
            days = (one.last - two.first) / pd.Timedelta(days=1)
            reason = f"begins before {one.name} ends, {written(one.last)}: {days:g} days overlap"
            findings.append(Finding("cut", two.name, two.first, days, float("nan"), reason))
    return Part(findings, [Checked("cut", "slices compared", len(spans), len(spans))])


def check_fit(fit: Fit, altered: Altered, unseen: pd.Timestamp) -> Part:
    """Look whether what is fitted on the training bars knows those from a time on.

    Args:
        fit: What is learned; its table has one row.
        altered: The bars of all slices.
        unseen: Where the bars begin that are not learned from.

    Raises:
        Exception: Whatever the fit raises on the bars as they are.
    """
    whole = fit(altered.frames)
    last_seen = int(altered.clock.searchsorted(unseen)) - 1
    kinds = KINDS[:-1]  # a cut that is a fraction moves when bars are removed
    findings: dict[int, Finding] = {}
    for kind in kinds:
        for change in compare(whole, fit(altered.after(last_seen, kind)), whole.times):
            reason = f"is fitted on bars from {written(unseen)} on: it is another number when these are {kind}"
            finding = Finding("cut", whole.names[change.column], unseen, change.difference, change.relative, reason)
            findings.setdefault(change.column, finding)
    checked = Checked("cut", "a fit on altered validation and test bars", len(kinds), len(kinds))
    return Part([findings[column] for column in sorted(findings)], [checked])
