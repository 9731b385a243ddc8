"""Labels: what became of a bar, said of it afterwards, to learn from and to be scored by.

Every label of bar t is made of the bars after it: of a trade that is entered at the open of t+1, as an order given at
the close of t fills, and that is left at the close of t+h. The *break-even price* is the one beyond which that pays for
the commission and slippage of both sides. No decision ever sees a label, and none of a training bar may reach into the
bars that a forecaster is validated or tested on: `dltrader.evaluation.sample_cuts` sees to that.
"""

from __future__ import annotations

from dltrader.forecast.labels.rules import RULES, SideRule, Threshold, TripleBarrier, side, triple_barrier
from dltrader.forecast.labels.table import LabelsConfig, label_table, longest_horizon
from dltrader.forecast.labels.trades import (
    BreakEven,
    break_even,
    forward_return,
    realised_volatility,
    trailing_volatility,
    win,
    worst_excursion,
)

__all__ = [
    "RULES",
    "BreakEven",
    "LabelsConfig",
    "SideRule",
    "Threshold",
    "TripleBarrier",
    "break_even",
    "forward_return",
    "label_table",
    "longest_horizon",
    "realised_volatility",
    "side",
    "trailing_volatility",
    "triple_barrier",
    "win",
    "worst_excursion",
]
