"""Costs: what is left of a policy when trading costs more, or less.

A cost here is that of one side, all in all, in basis points of the value traded. All of it is charged as commission,
without slippage, impact or money per unit: slippage never leaves the range of a bar, so on quiet bars it is less than
it says, while a commission is what it says on every fill. The policy trades anew at each cost, for its account, which
it sees, differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError

COSTS_BP = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Basis points of one side that are tried unless others are asked for."""

HIGHEST_BP = 1000.0
"""A tenth of the value traded; the bound of `Costs.commission`."""

BASIS_POINT = 1e-4

BASIS = (
    "the cost of one side, all in all, in basis points of the value traded, charged as commission; without slippage, "
    "impact and money per unit"
)


class BreakEven(NamedTuple):
    """Where nothing is left.

    Attributes:
        cost_bp: Basis points of one side; nan where there is no such cost.
        why: Why there is none.
    """

    cost_bp: float
    why: str | None = None


def costs_at(cost_bp: float) -> Costs:
    """Costs of so many basis points a side, all of them commission."""
    return Costs(commission=cost_bp * BASIS_POINT, slippage=0.0)


def one_side_bp(costs: Costs) -> float:
    """Commission and slippage of one side in basis points; money per unit and impact, which are no shares, left out."""
    return (costs.commission + costs.slippage) / BASIS_POINT


def require_costs(costs_bp: Sequence[float]) -> tuple[float, ...]:
    """The costs in ascending order, each once.

    Raises:
        ConfigError: There is none, or one is out of range.
    """
    if not costs_bp:
        raise ConfigError("--costs needs at least one number of basis points, such as 0,1,2,5,10,20")
    for cost in costs_bp:
        if not 0.0 <= cost < HIGHEST_BP:
            raise ConfigError(
                f"--costs must be in [0, {HIGHEST_BP:g}) basis points of one side, was {cost:g}; 10 is 0.1 % of the "
                "value traded"
            )
    return tuple(sorted({float(cost) for cost in costs_bp}))


def break_even(costs_bp: Sequence[float], excess: Sequence[float], what: str = "profit") -> BreakEven:
    """The lowest cost at which what is left comes down to 0, between two costs by linear interpolation.

    Args:
        costs_bp: (costs,) in ascending order.
        excess: (costs,) what is left at each, such as a growth.
        what: What is left, for the reason.
    """
    if any(math.isnan(value) for value in excess):
        return BreakEven(math.nan, f"the {what} is not known at every cost")
    lowest, highest = costs_bp[0], costs_bp[-1]
    if excess[0] <= 0.0:
        return BreakEven(math.nan, f"there is no {what} even at {lowest:g} basis points, the lowest cost tried")
    for i in range(1, len(costs_bp)):
        if excess[i] <= 0.0:
            share = excess[i - 1] / (excess[i - 1] - excess[i])
            return BreakEven(costs_bp[i - 1] + share * (costs_bp[i] - costs_bp[i - 1]))
    return BreakEven(math.nan, f"some {what} is left at {highest:g} basis points, the highest cost tried")
