from __future__ import annotations

import math

import pytest

from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError
from dltrader.evaluation.costs import COSTS_BP, break_even, costs_at, one_side_bp, require_costs


def test_a_cost_is_all_commission():
    assert costs_at(10.0) == Costs(commission=0.001, slippage=0.0, per_unit=0.0, impact=0.0)
    assert one_side_bp(costs_at(2.5)) == pytest.approx(2.5)
    assert one_side_bp(Costs()) == pytest.approx(15.0)


def test_costs_come_in_order_and_once():
    assert require_costs([10, 0, 10.0, 2.5]) == (0.0, 2.5, 10.0)
    assert require_costs(COSTS_BP) == COSTS_BP


@pytest.mark.parametrize("costs", [[-1.0], [0.0, 1000.0], [math.nan], [math.inf]])
def test_costs_out_of_range_are_refused(costs):
    with pytest.raises(ConfigError) as caught:
        require_costs(costs)
    assert str(caught.value) == (
        f"--costs must be in [0, 1000) basis points of one side, was {costs[-1]:g}; 10 is 0.1 % of the value traded"
    )


def test_no_cost_at_all_is_refused():
    with pytest.raises(ConfigError, match="at least one number of basis points"):
        require_costs([])


def test_break_even_lies_between_two_costs():
    # From 0.03 at 2 basis points to -0.01 at 10: three quarters of the way.
    found = break_even([0.0, 2.0, 10.0], [0.04, 0.03, -0.01])
    assert found.cost_bp == pytest.approx(8.0)
    assert found.why is None


def test_break_even_may_be_a_cost_that_was_tried():
    assert break_even([0.0, 1.0, 2.0], [0.2, 0.0, -0.1]).cost_bp == 1.0


def test_break_even_is_the_first_of_several():
    assert break_even([0.0, 1.0, 2.0, 3.0], [0.1, -0.1, 0.1, -0.1]).cost_bp == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("excess", "why"),
    [
        ([-0.1, -0.2], "there is no profit even at 1 basis points, the lowest cost tried"),
        ([0.0, -0.2], "there is no profit even at 1 basis points, the lowest cost tried"),
        ([0.2, 0.1], "some profit is left at 5 basis points, the highest cost tried"),
        ([0.2, math.nan], "the profit is not known at every cost"),
    ],
)
def test_without_a_break_even_it_says_why(excess, why):
    found = break_even([1.0, 5.0], excess)
    assert math.isnan(found.cost_bp)
    assert found.why == why
