"""Alignment of labels and rewards: what is said of bar t tells of the bars after it, and of no more than its horizon.

A label may know the future: that is what it is for. But a label of bar t with a horizon of h bars must be the same
whatever comes after bar t + h, else training bars reach into those of validation, and it must not be the same whatever
happens at bar t + h, else it stands at another bar than the one it tells of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

from dltrader.data.times import written
from dltrader.errors import ConfigError
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from dltrader.evaluation.leaks.plan import Plan
from dltrader.evaluation.leaks.report import Checked, Finding, Part
from dltrader.evaluation.leaks.tables import Change, Frames, Table, compare

LabelFunction: TypeAlias = Callable[[pd.DataFrame], "pd.Series[float] | pd.DataFrame"]
"""Bars of one instrument -> a label for every bar that has one."""

TRIES = 64
"""Further bars that are looked at before a label is called one that never moves: a class stays where it is mostly."""

BEYOND = 8
"""Altered bars that are left after a horizon: what reaches further is not told from what ends there."""


@dataclass(frozen=True)
class Labels:
    """Something that is said of bars and tells of later ones.

    Attributes:
        compute: Bars -> a table with a row for every bar that has a label, by the time of that bar.
        horizon_bars: How many bars after its own a label tells of.
        name: As findings call them.
    """

    compute: Callable[[Frames], Table]
    horizon_bars: int
    name: str = "labels"


def check_labels(label_function: LabelFunction, bars: pd.DataFrame, horizon: int, *, plan: Plan | None = None) -> Part:
    """Look whether a label of bar t tells of the bars after t, up to t + horizon and no further.

    Args:
        label_function: Bars -> labels, indexed by the time of the bar that each is said of.
        bars: Of one instrument.
        horizon: In bars, from 1 on.
        plan: How many bars are looked at.

    Raises:
        ConfigError: The horizon is below 1, or there are too few bars for it.
    """

    def table(frames: Frames) -> Table:
        return Table.of(label_function(frames["bars"]).dropna())

    plan = plan or Plan()
    altered = Altered.of({"bars": bars}, pd.DatetimeIndex(bars.index), plan.seed)
    return check_alignment(Labels(table, horizon), altered, plan)


def check_alignment(labels: Labels, altered: Altered, plan: Plan) -> Part:
    """As `check_labels`, of any labels on any bars."""
    horizon, clock = labels.horizon_bars, altered.clock
    if horizon < 1:
        raise ConfigError(f"a horizon counts bars from 1 on, was {horizon}")
    whole = labels.compute(altered.frames)
    places = clock.get_indexer(whole.times)
    places = places[places + horizon < len(clock)]
    if not len(places):
        raise ConfigError(f"{len(clock)} bars are too few for labels with a horizon of {horizon} bars; take more")
    rows = [int(places[i]) for i in plan.rows(0, len(places), plan.few(plan.cuts))]
    earliest = int(places[0])
    looked = list(dict.fromkeys([earliest, *rows]))
    beyond: dict[int, Change] = {}
    moved: set[int] = set()

    def reaches(i: int, row: int) -> list[Change]:
        """The labels up to a row that are others when the bars after its horizon are."""
        after = labels.compute(altered.after(row + horizon, KINDS[i % 3], BEYOND))
        return compare(whole, after, whole.times[whole.times <= clock[row]])

    def moves(i: int, row: int) -> set[int]:
        """The labels of a row that are others when the last bar of the horizon is."""
        after = labels.compute(altered.after(row + horizon - 1, KINDS[i % 3], BEYOND))
        return {change.column for change in compare(whole, after, whole.times[whole.times == clock[row]])}

    for i, row in enumerate(looked):
        for change in reaches(i, row):
            if change.column not in beyond or change.time < beyond[change.column].time:
                beyond[change.column] = change
        moved |= moves(i, row)
    for i in plan.rows(0, len(places), TRIES).tolist():
        if len(moved) < len(whole.names):
            moved |= moves(i, int(places[i]))
    findings = [
        Finding(
            labels.name, whole.names[column], change.time, change.difference, change.relative,
            f"tells of bars beyond its horizon of {horizon}: it stands too early, or its horizon is longer",
        )
        for column, change in sorted(beyond.items())
    ]  # fmt: skip
    findings += [
        Finding(
            labels.name, name, clock[earliest], float("nan"), float("nan"),
            f"is the same whatever the bar {horizon} later, {written(clock[earliest + horizon])}: "
            "it stands too late, or its horizon is shorter",
        )
        for column, name in enumerate(whole.names)
        if column not in moved
    ]  # fmt: skip
    return Part(findings, [Checked(labels.name, f"bars from {horizon} later on altered", len(looked), len(whole))])
