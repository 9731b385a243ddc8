from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from dltrader.benchmarks.forecasts import law
from dltrader.benchmarks.forecasts.law import Law, entropies, sides_given
from dltrader.benchmarks.forecasts.tasks import AR1Task, SineTask
from dltrader.forecast.vote import BUY, HOLD, SELL

BREAKEVEN = 0.003
PLANTED = AR1Task(persistence=0.8, volatility=0.004)


def of(task, horizon):
    return task.law(np.zeros(1), horizon)


def test_nothing_known_leaves_the_base_rate():
    nothing = Law(expected=np.zeros(3), deviation=0.01, centres=np.zeros(1), spread=0.0)
    assert nothing.wins(0.0).tolist() == [0.5] * 3
    assert nothing.best_win_loss(0.0) == pytest.approx(math.log(2), abs=1e-15)
    beyond = norm.sf(0.3)
    assert nothing.side_rates(BREAKEVEN) == pytest.approx([beyond, beyond, 1 - 2 * beyond], abs=1e-15)
    expected = -2 * beyond * math.log(beyond) - (1 - 2 * beyond) * math.log(1 - 2 * beyond)
    assert nothing.best_side_loss(BREAKEVEN) == pytest.approx(expected, abs=1e-14)
    assert nothing.base_side_loss(BREAKEVEN) == pytest.approx(expected, abs=1e-14)


def test_sides_are_the_normal_law_on_both_sides_of_the_breakeven():
    sides = sides_given(np.array([0.0, 0.01, -0.01]), 0.005, BREAKEVEN)
    assert sides[:, BUY] == pytest.approx([norm.sf(0.6), norm.sf(-1.4), norm.sf(2.6)], rel=1e-12)
    assert sides[:, SELL] == pytest.approx([norm.sf(0.6), norm.sf(2.6), norm.sf(-1.4)], rel=1e-12)
    assert sides.sum(axis=1) == pytest.approx([1.0] * 3, abs=1e-15)
    assert sides_given(np.zeros(1), 1.0, 0.0)[0, HOLD] == 0.0


@pytest.mark.parametrize("task", [PLANTED, SineTask(noise=0.02)])
@pytest.mark.parametrize("horizon", [1, 5, 30])
def test_the_best_losses_are_those_of_an_adaptive_quadrature(task, horizon):
    known = of(task, horizon)

    def loss(classes):
        def at(z, centre):
            m = centre + known.spread * z
            buy, sell = norm.sf((BREAKEVEN - m) / known.deviation), norm.cdf((-BREAKEVEN - m) / known.deviation)
            hold = norm.cdf((BREAKEVEN - m) / known.deviation) - sell
            parts = (buy, sell, hold) if classes == 3 else (buy, sell + hold)
            return norm.pdf(z) * -sum(p * math.log(p) for p in parts if p > 0)

        each = [quad(at, -9, 9, args=(float(c),), epsabs=1e-12, epsrel=1e-12, limit=400)[0] for c in known.centres]
        return float(np.mean(each))

    assert known.best_side_loss(BREAKEVEN) == pytest.approx(loss(3), abs=1e-10)
    assert known.best_win_loss(BREAKEVEN) == pytest.approx(loss(2), abs=1e-10)


def test_more_nodes_change_nothing(monkeypatch):
    known = [of(PLANTED, 5), of(SineTask(), 1)]
    before = [one.best_side_loss(BREAKEVEN) for one in known]
    monkeypatch.setattr(law, "NODES", 4001)
    assert [one.best_side_loss(BREAKEVEN) for one in known] == pytest.approx(before, abs=1e-13)


@pytest.mark.parametrize("horizon", [1, 5, 30])
def test_the_best_losses_are_those_of_a_simulation(horizon):
    """Futures drawn return by return, from independent present ones: no formula of the sum is used."""
    generator = np.random.default_rng(horizon)
    n, process = 200_000, PLANTED.process
    now = process.sd * generator.standard_normal(n)
    last, forward = now, np.zeros(n)
    for _ in range(horizon):
        last = process.persistence * last + process.shock * generator.standard_normal(n)
        forward += last
    known = PLANTED.law(now, horizon)
    sides = known.sides(BREAKEVEN)
    came = np.where(forward > BREAKEVEN, BUY, np.where(forward < -BREAKEVEN, SELL, HOLD))
    losses = -np.log(sides[np.arange(n), came])
    error = losses.std() / math.sqrt(n)
    assert abs(losses.mean() - known.best_side_loss(BREAKEVEN)) < 4 * error
    assert entropies(sides).mean() == pytest.approx(known.best_side_loss(BREAKEVEN), abs=0.003)
    rates = np.bincount(came, minlength=3) / n
    assert known.side_rates(BREAKEVEN) == pytest.approx(rates, abs=4 * math.sqrt(0.25 / n))
    assert known.base_side_loss(BREAKEVEN) == pytest.approx(entropies(rates[np.newaxis])[0], abs=0.004)


def test_whoever_says_anything_else_has_a_larger_loss():
    known = PLANTED.law(0.004 * np.random.default_rng(0).standard_normal(50_000), 5)
    truth = known.sides(BREAKEVEN)
    best = entropies(truth).mean()
    for scale, shift in ((1.3, 0.0), (0.7, 0.0), (1.0, 0.002)):
        said = sides_given(known.expected + shift, scale * known.deviation, BREAKEVEN)
        assert -(truth * np.log(said)).sum(axis=1).mean() > best + 1e-3


def test_there_is_less_to_know_of_a_later_future():
    shares = [1 - of(PLANTED, h).best_win_loss(0.0) / of(PLANTED, h).base_win_loss(0.0) for h in (1, 5, 30)]
    assert shares == sorted(shares, reverse=True)
    assert shares == pytest.approx([0.38460, 0.21252, 0.03259], abs=1e-5)
