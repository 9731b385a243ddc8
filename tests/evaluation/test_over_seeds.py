from __future__ import annotations

import math

import pytest

from dltrader.evaluation.over_seeds import Estimate, over_seeds, table_over_seeds
from dltrader.evaluation.statistics.seeds import seeds_interval


def test_the_middle_half_counts():
    # Of eight values the two lowest and the two highest are left out.
    found = over_seeds([-100.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 100.0])
    assert found.estimate == pytest.approx(2.5)
    assert found.low < 2.5 < found.high
    assert found.seeds == 8
    assert found.low == seeds_interval([-100.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 100.0]).low


def test_one_seed_has_no_interval():
    found = over_seeds([0.7])
    assert (found.estimate, found.seeds) == (0.7, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_seed_without_the_number_does_not_count():
    assert over_seeds([1.0, math.nan, 3.0]) == over_seeds([1.0, 3.0])
    assert over_seeds([math.inf, 3.0]).seeds == 1
    assert over_seeds([]).seeds == 0
    assert math.isnan(over_seeds([math.nan]).estimate)


def test_rows_become_a_table():
    table = table_over_seeds([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 2.0}], ["a", "b"])
    assert table["a"] == {"estimate": 2.0, "low": 1.0, "high": 3.0, "seeds": 2}
    assert table["b"] == {"estimate": 2.0, "low": 2.0, "high": 2.0, "seeds": 2}


def test_an_estimate_is_named_for_a_row():
    assert Estimate(1.0, 0.5, 1.5, 9).named("growth") == {"growth": 1.0, "growth_low": 0.5, "growth_high": 1.5}
