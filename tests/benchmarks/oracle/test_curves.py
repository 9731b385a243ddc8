from __future__ import annotations

import math

import numpy as np
import pytest

from dltrader.benchmarks.oracle.curves import (
    N_PATHS,
    POINTS,
    REACH,
    STEPS,
    curves_of,
    held_before,
    learned_curve,
    signals_of,
)
from dltrader.benchmarks.oracle.observation import OptimalPolicy
from dltrader.benchmarks.oracle.ritter import Ritter
from dltrader.benchmarks.oracle.score import HISTORY, common_paths
from dltrader.benchmarks.oracle.signals import SIGNAL
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import Discrete, Hidden, LinearCapped, LinearRisk, Quadratic

SEEN = [Discrete(psi=1.0), Discrete(psi=4.0), LinearCapped(), LinearRisk(), Quadratic(), Ritter()]
CELL = {task.name: signals_of(task)[1] - signals_of(task)[0] for task in (Hidden(), Discrete())}


class LastReturn:
    """Long after a return above 0, short below; remembers how often it was asked, as if that mattered."""

    def __init__(self, task, *, remembers=False):
        self.task, self.remembers = task, remembers

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert deterministic
        held = observation["account"][:, 0] * self.task.largest
        position = np.sign(observation["market"][:, -1, 0])
        return self.task.action_of(position, held), (state or 0) + 1 if self.remembers else None


@pytest.mark.parametrize("task", SEEN, ids=lambda task: task.label)
def test_the_optimal_policy_is_its_own_curve(task):
    learned = learned_curve(OptimalPolicy(solve(task)), task, window_bars=1)
    curves = curves_of(task, [learned, learned])
    assert curves.learned.shape == (2, 3, POINTS)
    np.testing.assert_allclose(curves.learned[0], curves.optimal, atol=1e-6 * task.largest)


def test_the_curves_of_a_cost_turn_at_the_switches_that_are_known():
    task = Discrete(psi=4.0)
    switches = solve(task).policy.switches  # from short to flat, from flat to long
    signal, (short, none, long) = signals_of(task), curves_of(task, [np.zeros((3, POINTS))]).optimal
    assert signal[0] == -REACH * SIGNAL.sd == -signal[-1]
    assert signal[short > -1.0][0] - CELL["discrete"] < switches[0] <= signal[short > -1.0][0]
    assert signal[none > 0.0][0] - CELL["discrete"] < switches[1] <= signal[none > 0.0][0]
    np.testing.assert_array_equal(long, -short[::-1])  # the market looks the same upside down


@pytest.mark.parametrize(
    ("task", "usual"),
    [(Discrete(psi=4.0), 1.0), (LinearCapped(), 2.0), (Hidden(), 1.0), (Discrete(psi=20.0), 1.0)],
    ids=lambda value: getattr(value, "label", None),
)
def test_positions_held_before_are_usual_ones(task, usual):
    assert held_before(task).tolist() == [-usual, 0.0, usual]


def test_where_positions_have_no_levels_the_optimum_says_what_is_usual():
    task = Quadratic()
    taken = np.abs(solve(task).positions(common_paths(task)))
    assert held_before(task)[2] == pytest.approx(np.quantile(taken, 0.95), abs=0.1)
    assert held_before(Ritter())[2] in Ritter().levels


def test_ritter_is_shown_by_price():
    curves = curves_of(Ritter(), [np.zeros((3, POINTS))])
    assert curves.axis == "price"
    assert curves.signal[POINTS // 2] == pytest.approx(50.0)
    assert curves.signal[0] * curves.signal[-1] == pytest.approx(2500.0)
    assert (np.diff(curves.optimal) <= 0.0).all()  # what is dear is sold


def test_of_a_hidden_signal_the_estimate_decides():
    task = Hidden()
    learned = learned_curve(OptimalPolicy(solve(task)), task, window_bars=HISTORY)
    curves = curves_of(task, [learned])
    assert curves.axis == "estimate of the signal"
    assert curves.signal[-1] == pytest.approx(REACH * solve(task).filter.law.sd)
    switches = solve(task).policy.switches
    edges = np.concatenate([switches, -switches])
    clear = np.abs(curves.signal[:, None] - edges).min(axis=1) > CELL["hidden"]  # a cell with a switch in it has both
    known = clear & np.isfinite(learned).all(axis=0)
    assert known.sum() > 0.9 * POINTS
    np.testing.assert_allclose(learned[:, known], curves.optimal[:, known], atol=0.05)


@pytest.mark.parametrize("remembers", [False, True])
def test_a_policy_on_the_last_return_turns_slowly_with_the_estimate(remembers):
    task = Hidden()
    learned = learned_curve(LastReturn(task, remembers=remembers), task, window_bars=1)
    np.testing.assert_array_equal(learned[0], learned[2])  # whatever is held
    # The estimate is p̂' = a (p̂ + gain (y - p̂)): given it, the last return y is Gaussian.
    seen = solve(task).filter
    a, gain, variance = seen.signal.persistence, seen.gain, seen.law.sd**2
    spread = variance + seen.variance + seen.noise**2  # of y
    slope = a * ((1.0 - gain) * variance + gain * spread) / variance
    steepness = slope / math.sqrt(2.0 * (spread - slope**2 * variance))
    expected = np.array([math.erf(steepness * signal) for signal in signals_of(task)])
    known = np.isfinite(learned[0])
    assert known.sum() > 0.9 * POINTS
    assert np.abs(learned[0] - expected)[known].mean() < 0.05
    assert np.abs(learned[0] - expected)[known].max() < 0.3  # of 30 answers the mean may be off by three of its errors


def test_a_policy_that_sees_or_remembers_more_is_asked_along_paths():
    task = Discrete(psi=1.0)
    direct = learned_curve(LastReturn(task), task, window_bars=1)
    for answers in (
        learned_curve(LastReturn(task, remembers=True), task, window_bars=1),
        learned_curve(LastReturn(task), task, window_bars=4),
    ):
        known = np.isfinite(answers[0]) & (np.abs(signals_of(task)) > CELL["discrete"])
        assert known.sum() > 0.9 * POINTS
        np.testing.assert_array_equal(answers[:, known], direct[:, known])


def test_what_is_known_of_too_few_answers_is_not_told(monkeypatch):
    task = Hidden()
    counted = np.isnan(learned_curve(LastReturn(task), task, window_bars=1))
    assert counted[:, POINTS // 2].sum() == 0
    monkeypatch.setattr("dltrader.benchmarks.oracle.curves.LEAST_ANSWERS", N_PATHS * STEPS)
    assert np.isnan(learned_curve(LastReturn(task), task, window_bars=1)).all()


def test_curves_are_plain_values_for_json():
    curves = curves_of(Discrete(), [np.full((3, POINTS), 1.0 / 3.0)])
    found = curves.to_mapping()
    assert list(found) == ["axis", "signal", "held", "optimal", "learned"]
    assert found["held"] == [-1.0, 0.0, 1.0]
    assert found["learned"] == [[[0.3333] * POINTS] * 3]
