"""Bars whose values look wrong: unadjusted splits, jumps, bad ticks, long wicks, stale prices, no volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from dltrader.data.bars import COLUMNS, Bars, times_of
from dltrader.data.findings import Finding, Level, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = npt.NDArray[np.float64]

# New shares for old ones, as companies split; each is looked for the other way round too.
SPLITS = ((3, 2), (2, 1), (5, 2), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (10, 1), (15, 1), (20, 1), (25, 1),
          (30, 1), (50, 1), (100, 1))  # fmt: skip
AROUND = 20
"""How many bars before and after a jump tell what volume is usual."""
JUMP, JUMP_SCALES = 0.15, 10.0
"""A jump is a log return beyond both: so much, and so many robust standard deviations."""
WICK, WICK_SCALES = 0.15, 30.0
"""The same of a high or low beyond open and close; in units of the median of those."""
ABSURD_WICK = math.log(1.5)

_TIGHT, _WIDE = 0.03, 0.10  # how near a ratio a jump must be, in log: without and with volume to confirm it
_SAME_TURNOVER = math.log(2.5)  # a crash multiplies the money traded, and a split does not
_REVERTED = 0.15  # what may be left of a bad tick at the next bar, as a fraction


@dataclass(frozen=True)
class Thresholds:
    """From how many bars in a row on something is worth a look, or a problem; fewer trades, fewer changes."""

    stale_look: int
    stale_problem: int
    idle_look: int
    idle_problem: int


DAILY = Thresholds(stale_look=3, stale_problem=5, idle_look=1, idle_problem=5)
WITHIN_DAY = Thresholds(stale_look=15, stale_problem=60, idle_look=15, idle_problem=60)


def jumps(bars: Bars) -> Iterator[Finding]:
    """Returns that are too large: possible splits, bad ticks that the next bar takes back, and what else jumps."""
    index = times_of(bars)
    opened, _, _, closed, volume = (bars[name].to_numpy() for name in COLUMNS)
    if len(bars) < 3:
        return
    returns = np.diff(np.log(closed))  # (bars - 1,)
    overnight = np.log(opened[1:] / closed[:-1])
    scale = 1.4826 * float(np.median(np.abs(returns)))
    large = np.maximum(np.abs(returns), np.abs(overnight)) > max(JUMP, JUMP_SCALES * scale)
    explained = -1  # the return that takes back a bad tick is no jump of its own
    for row in np.flatnonzero(large).tolist():
        if row <= explained:
            continue
        after = float(returns[row + 1]) if row + 1 < len(returns) else math.nan
        move = f"{math.expm1(returns[row]):+.1%} from close to close"
        if abs(returns[row] + after) < _REVERTED * abs(returns[row]):
            explained = row + 1
            text = f"{move}, taken back by the next bar"
            yield Finding("problem", "bad tick", index[row + 1], index[row + 1], 1, text)
            continue
        kind, level, why = _split(float(overnight[row]), closed, volume, row + 1)
        yield Finding(level, kind, index[row + 1], index[row + 1], 1, move + why)


def _split(overnight: float, closed: Array, volume: Array, row: int) -> tuple[str, Level, str]:
    """Whether a price that opens so far from the last close looks like a split: kind, level and why, in words."""
    near = min(((p / q, f"{p}:{q}") for a, b in SPLITS for p, q in ((a, b), (b, a))),
               key=lambda one: abs(overnight + math.log(one[0])))  # fmt: skip
    ratio, name = near
    off = abs(overnight + math.log(ratio))
    if off > _WIDE:
        return "jump", "look", ""
    before = volume[max(0, row - AROUND) : row]
    after = volume[row : row + AROUND]
    if not (np.median(before) > 0 and np.median(after) > 0 and volume[row] > 0):
        if off < _TIGHT:
            return "possible split", "problem", f": the open looks like a split {name}, and there is no volume to tell"
        return "jump", "look", f": not far from a split {name}"
    usual = float(np.median(before * closed[max(0, row - AROUND) : row]))
    turnover = math.log(float(volume[row] * closed[row]) / usual)
    shares = math.log(float(np.median(after)) / float(np.median(before)))
    # The nearer the price is to the ratio, the less the volume must say.
    moved_along = abs(shares - math.log(ratio)) < abs(shares) or off < _TIGHT / 2
    if turnover < _SAME_TURNOVER and moved_along:
        text = f": the open looks like a split {name}, with volume times {math.exp(shares):.2g} from then on"
        return "possible split", "problem", text
    if turnover < _SAME_TURNOVER:
        return "jump", "look", f": not far from a split {name}, which the volume does not bear out"
    times = f"{math.exp(turnover):.2g} times the usual"
    return "jump", "look", f": near a split {name}, but the money traded went to {times}, as in a crash"


def wicks(bars: Bars) -> Iterator[Finding]:
    """Highs and lows far from open and close."""
    index = times_of(bars)
    opened, high, low, closed, _ = (bars[name].to_numpy() for name in COLUMNS)
    for name, length in (
        ("high", np.log(high / np.maximum(opened, closed))),
        ("low", np.log(np.minimum(opened, closed) / low)),
    ):
        usual = float(np.median(length[length > 0])) if (length > 0).any() else 0.0
        for row in np.flatnonzero(length > max(WICK, WICK_SCALES * usual)).tolist():
            level: Level = "problem" if length[row] > ABSURD_WICK else "look"
            away = math.expm1(length[row]) if name == "high" else -math.expm1(-length[row])
            text = f"the {name} is {away:.1%} {'above' if name == 'high' else 'below'} both open and close"
            yield Finding(level, "long wick", index[row], index[row], 1, text)


def stale(bars: Bars, thresholds: Thresholds) -> Iterator[Finding]:
    """Bars in a row that show one and the same price."""
    index = times_of(bars)
    _, high, low, closed, _ = (bars[name].to_numpy() for name in COLUMNS)
    still = np.concatenate([[False], (high == low)[1:] & (closed[1:] == closed[:-1])])
    for row, stop in runs(still):
        length = stop - row + 1
        if length >= thresholds.stale_look:
            level: Level = "problem" if length >= thresholds.stale_problem else "look"
            text = f"{length} bars in a row at {closed[row]:.10g}, open, high and low included"
            yield Finding(level, "stale price", index[row], index[stop], length, text)


def idle(bars: Bars, thresholds: Thresholds) -> Iterator[Finding]:
    """Bars without volume, where others have some; where none has, as for currencies, there is nothing to find."""
    index = times_of(bars)
    none = bars["volume"].to_numpy() == 0
    if none.all():
        return
    for row, stop in runs(none):
        length = stop - row + 1
        if length >= thresholds.idle_look:
            level: Level = "problem" if length >= thresholds.idle_problem else "look"
            text = "1 bar has volume 0" if length == 1 else f"{length} bars in a row have volume 0"
            yield Finding(level, "no volume", index[row], index[stop], length, text)
