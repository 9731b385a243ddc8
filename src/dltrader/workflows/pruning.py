"""Pruning: a training that is behind the others ends early.

The rule is complete when a training begins: it carries what earlier trials had come to, so that a worker decides by
itself, on whatever machine, without asking anyone, and decides the same however many run beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Curve = Sequence[tuple[int, float]]
"""Checkpoints of a training: bars learned from, and log growth on the validation bars."""

EARLIER_TRIALS = 4
"""Fewer make no median worth the name."""
SPARED_SHARE = 1 / 3
"""Share of a training in which it is not judged: the first checkpoints say little about the last."""


@dataclass(frozen=True)
class MedianRule:
    """Ends a training whose best checkpoint is below the median of what earlier trainings had reached by then.

    Source: the median stopping rule of Golovin, Solnik, Moitra, Kochanski, Karro and Sculley 2017, "Google Vizier",
    section 3.2.2; here with the best so far in place of the running average, because a run keeps its best checkpoint.

    Attributes:
        earlier: Curves of trainings that came to their end.
        spared_bars: Bars before which nothing is ended.
    """

    earlier: Sequence[Curve]
    spared_bars: float

    def __call__(self, curve: Curve) -> bool:
        """Whether the training with these checkpoints so far is to end now."""
        bars, _ = curve[-1]
        reached = [best for one in self.earlier if (best := best_by(one, bars)) is not None]
        if bars < self.spared_bars or len(reached) < EARLIER_TRIALS:
            return False
        return max(growth for _, growth in curve) < median(reached)


def best_by(curve: Curve, bars: int) -> float | None:
    """The best growth of checkpoints after no more than so many bars; None where there was none yet."""
    return max((growth for steps, growth in curve if steps <= bars), default=None)
