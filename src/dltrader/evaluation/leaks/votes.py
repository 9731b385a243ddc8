"""Votes of members: what one says of a bar must not change when bars after it do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from dltrader.data.times import written
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from dltrader.evaluation.leaks.plan import Plan
from dltrader.evaluation.leaks.report import Checked, Finding, Part
from dltrader.evaluation.leaks.tables import Frames, Table, compare

LOOKED = 8
"""Bars up to a cut whose votes are compared; a member that remembers begins with the first of them."""


@dataclass(frozen=True)
class Votes:
    """What members say of bars.

    Attributes:
        compute: Bars, and the times of bars in a row -> a table with their votes; whoever remembers begins there.
        first: The first bar that can be voted on.
        name: As findings call them.
    """

    compute: Callable[[Frames, pd.DatetimeIndex], Table]
    first: pd.Timestamp
    name: str = "votes"


def check_votes(votes: Votes, altered: Altered, plan: Plan) -> Part:
    """Remove and alter all bars after some, and look whether the votes up to there become others.

    Raises:
        Exception: Whatever the members raise on the bars as they are.
    """
    clock = altered.clock
    first = int(clock.searchsorted(votes.first))
    rows = plan.rows(first, len(clock) - 1, plan.few(plan.cuts)).tolist()
    found: dict[str, Finding] = {}
    for i, row in enumerate(rows):
        times = clock[max(first, row - LOOKED + 1) : row + 1]
        whole = votes.compute(altered.frames, times)
        for kind in ("removed", KINDS[i % 3]):
            for change in compare(whole, votes.compute(altered.after(row, kind), times), times):
                name = whole.names[change.column]
                known = found.get(name)
                if known is None or known.time is None or change.time < known.time:
                    reason = f"knows later bars: it is another number when those after {written(clock[row])} are {kind}"
                    found[name] = Finding(votes.name, name, change.time, change.difference, change.relative, reason)
    looked = Checked(votes.name, "all later bars altered, or removed", len(rows), len(clock) - first)
    return Part([found[name] for name in sorted(found)], [looked])
