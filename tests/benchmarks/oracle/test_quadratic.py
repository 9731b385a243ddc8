from __future__ import annotations

import itertools

import numpy as np
import pytest

from dltrader.benchmarks.oracle import quadratic
from dltrader.benchmarks.oracle.quadratic import Linear
from dltrader.benchmarks.oracle.signals import SIGNAL
from dltrader.benchmarks.oracle.solver import follow
from dltrader.benchmarks.oracle.tasks import Quadratic

COSTS = {"impact": 1.0, "risk": 0.3}


def test_the_closed_form_is_that_of_the_table():
    best = quadratic.optimal(SIGNAL, **COSTS)
    assert (round(best.keep, 6), round(best.aim, 6)) == (0.582109, 0.611329)
    assert round(best.value(SIGNAL, **COSTS), 6) == 0.675805


def test_the_myopic_policy_reaches_93_percent():
    share = quadratic.myopic(**COSTS).value(SIGNAL, **COSTS) / quadratic.optimal(SIGNAL, **COSTS).value(SIGNAL, **COSTS)
    assert round(share, 3) == 0.931


def test_every_other_linear_policy_earns_less():
    best = quadratic.optimal(SIGNAL, **COSTS)
    for keep, aim in itertools.product((-0.01, 0.0, 0.01), repeat=2):
        if keep or aim:
            assert Linear(best.keep + keep, best.aim + aim).value(SIGNAL, **COSTS) < best.value(SIGNAL, **COSTS)


def test_the_value_of_a_linear_policy_is_what_a_simulation_earns():
    task, policy = Quadratic(), quadratic.myopic(**COSTS)
    paths = task.sample(np.random.default_rng(2), 400, 2000, 1)
    earned = task.performance(paths, follow(policy, paths.signal))
    error = earned.std(ddof=1) / np.sqrt(len(earned))
    assert earned.mean() == pytest.approx(policy.value(SIGNAL, **COSTS), abs=2.5 * error)


def test_positions_keep_within_the_bound():
    assert quadratic.optimal(SIGNAL, **COSTS, largest=2.0)(np.array([9.0, -9.0]), np.zeros(2)).tolist() == [2.0, -2.0]
