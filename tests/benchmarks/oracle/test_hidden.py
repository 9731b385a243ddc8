"""The filter of the hidden task, and what can be had without one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dltrader.benchmarks.oracle.kalman import Filter
from dltrader.benchmarks.oracle.memoryless import LastReturn, best_jump, best_steps
from dltrader.benchmarks.oracle.signals import SIGNAL
from dltrader.benchmarks.oracle.solver import follow, solve
from dltrader.benchmarks.oracle.tasks import Hidden


@pytest.mark.parametrize("noise", [3.0, 10.0])
def test_the_estimate_has_the_error_and_the_law_that_are_claimed(noise):
    task, seen = Hidden(noise=noise), Filter(SIGNAL, noise)
    paths = task.sample(np.random.default_rng(1), 400, 1000, 200)
    estimates = seen.estimates(paths.shown)[:, 199:-1]
    errors = paths.signal - estimates
    assert (errors**2).mean() == pytest.approx(seen.variance, rel=0.03)
    assert (errors * estimates).mean() == pytest.approx(0.0, abs=0.01)
    assert estimates.std() == pytest.approx(seen.law.sd, rel=0.03)
    assert SIGNAL.sd**2 == pytest.approx(seen.variance + seen.law.sd**2, rel=1e-12)


def test_the_estimate_is_the_regression_on_past_returns():
    # An independent way: E[p_t | y] from the joint Gaussian law of p_t and the last 60 returns.
    noise, n = 3.0, 60
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    cov = SIGNAL.sd**2 * SIGNAL.persistence**lags + noise**2 * np.eye(n)
    weights = np.linalg.solve(cov, SIGNAL.sd**2 * SIGNAL.persistence ** np.arange(n, 0, -1))
    returns = np.random.default_rng(3).normal(size=(5, n))
    np.testing.assert_allclose(Filter(SIGNAL, noise).estimates(returns)[:, -1], returns @ weights, atol=1e-5)


# Noise -> best with one switch, best with three; the issue's simulated "best memoryless".
MEMORYLESS = {3.0: (0.1985, 0.2086, 0.196), 10.0: (0.0268, 0.0285, 0.032)}


@pytest.mark.parametrize("noise", MEMORYLESS)
def test_without_memory_much_less_is_earned(noise):
    task = Hidden(noise=noise)
    jump, steps, issue = MEMORYLESS[noise]
    assert best_jump(task)[1] == pytest.approx(jump, abs=1e-4)
    assert best_steps(task)[1] == pytest.approx(steps, abs=1e-4)
    assert best_jump(task)[1] == pytest.approx(issue, abs=0.006)
    assert best_steps(task)[1] < 0.75 * solve(task).value


@pytest.mark.parametrize("policy", [LastReturn(5.0, 5.0, 5.0), LastReturn(3.5, 4.5, 7.0), LastReturn(6.0, 1.0, 4.0)])
def test_the_value_of_a_memoryless_policy_is_what_a_simulation_earns(policy):
    task = Hidden()
    paths = task.sample(np.random.default_rng(4), 400, 2000, 1)
    earned = task.performance(paths, follow(policy, paths.shown[:, :-1]))
    assert abs(earned.mean() - policy.value(task)) < 2.5 * earned.std(ddof=1) / math.sqrt(len(earned))


def test_a_memoryless_policy_does_what_its_switches_say():
    policy = LastReturn(enter=2.0, leave=3.0, turn=5.0)
    returns, held = np.array([1.0, 2.5, -2.5, 4.0, 6.0, -4.0, -6.0]), np.array([0.0, 0.0, 0.0, -1.0, -1.0, 1.0, 1.0])
    assert policy(returns, held).tolist() == [0.0, 1.0, -1.0, 0.0, 1.0, 0.0, -1.0]
