from __future__ import annotations

import numpy as np
import pytest

from dltrader.agents.policy import Policy
from dltrader.benchmarks.oracle.observation import OptimalPolicy
from dltrader.benchmarks.oracle.score import (
    Score,
    common_paths,
    play,
    score,
    score_positions,
)
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import TASKS, Discrete, Hidden, LinearRisk, Quadratic
from dltrader.errors import ConfigError

EVERY = [TASKS[name]() for name in TASKS]


def label(task):
    return task.label


class Idle:
    """Asks for no position, whatever the task."""

    def __init__(self, task):
        self.task = task

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        held = observation["account"][:, 0] * self.task.largest
        return self.task.action_of(np.zeros(len(held)), np.rint(held)), state


def short_paths(task):
    return common_paths(task, n_paths=20, steps=200)


@pytest.mark.parametrize("task", EVERY, ids=label)
def test_the_positions_of_the_optimal_policy_score_exactly_one(task):
    paths = short_paths(task)
    found = score_positions(solve(task).positions(paths), task, paths=paths)
    assert (found.task, found.fraction, found.standard_error) == (task.label, 1.0, 0.0)


@pytest.mark.parametrize("task", EVERY, ids=label)
def test_the_optimal_policy_scores_one_by_what_it_sees(task):
    policy, paths = OptimalPolicy(solve(task)), short_paths(task)
    assert isinstance(policy, Policy)
    assert score(policy, task, window_bars=paths.history, paths=paths).fraction == pytest.approx(1.0, abs=1e-6)


def test_a_window_of_32_returns_tells_nearly_all_of_the_hidden_signal():
    for noise, least in ((3, 0.995), (10, 0.95)):
        task = Hidden(noise=noise)
        assert least < score(OptimalPolicy(solve(task)), task, window_bars=32).fraction < 1.05


@pytest.mark.parametrize("task", EVERY, ids=label)
def test_doing_nothing_scores_nothing(task):
    found = score(Idle(task), task, window_bars=1, paths=short_paths(task))
    assert (found.fraction, found.standard_error) == (0.0, 0.0)


def test_known_shifts_give_known_fractions():
    task = Discrete(psi=1)
    paths = short_paths(task)
    best = task.performance(paths, solve(task).positions(paths))
    assert Score(task.label, 0.9 * best, best).fraction == pytest.approx(0.9, abs=1e-12)
    assert Score(task.label, 0.9 * best, best).standard_error == pytest.approx(0.0, abs=1e-12)
    assert Score(task.label, best - 0.25 * best.mean(), best).fraction == pytest.approx(0.75, abs=1e-12)
    # The same positions, paid for twice as dearly: what is lost is the cost of the moves.
    positions = solve(task).positions(paths)
    moves = np.abs(np.diff(positions, axis=1, prepend=0.0)).mean()
    dearer = Discrete(psi=2).performance(paths, positions)
    assert best.mean() - dearer.mean() == pytest.approx(moves, abs=1e-12)
    # The wrong way round, a policy loses what the right one earns, and pays the same.
    assert score_positions(-positions, task, paths=paths).fraction == pytest.approx(-1.0 - 2.0 * moves / best.mean())


def test_half_of_every_position_earns_a_known_share_where_rewards_are_quadratic():
    task = Quadratic()
    paths = short_paths(task)
    positions = solve(task).positions(paths)
    earned = (paths.signal * positions).mean()
    whole = task.performance(paths, positions).mean()
    # Half the earnings, a quarter of risk and cost.
    expected = (0.5 * earned - 0.25 * (earned - whole)) / whole
    assert score_positions(0.5 * positions, task, paths=paths).fraction == pytest.approx(expected)


def test_pairing_makes_the_error_of_a_fraction_small():
    task = LinearRisk()
    paths = common_paths(task)
    assert paths.paid.shape == (100, 1000)
    found = score_positions(0.9 * solve(task).positions(paths), task, paths=paths)
    alone = found.reached.std(ddof=1) / 10.0 / found.optimum.mean()
    assert 0.9 < found.fraction < 1.0
    assert 0.0 < found.standard_error < 0.2 * alone


def test_the_standard_error_is_that_of_paths_drawn_anew():
    task = Discrete(psi=4)
    fractions, errors = [], []
    for seed in range(60):
        paths = task.sample(np.random.default_rng(seed), 30, 100, 1)
        positions = np.sign(paths.signal)  # memoryless and dear
        found = score_positions(positions, task, paths=paths)
        fractions.append(found.fraction)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(fractions, ddof=1), rel=0.3)


def test_a_hidden_signal_is_scored_by_its_estimate_which_takes_the_luck_out_and_nothing_else():
    task = Hidden(noise=10.0)
    paths = task.sample(np.random.default_rng(8), 400, 1000, 256)
    best = solve(task)
    positions = best.positions(paths)
    found = task.performance(paths, positions)
    lucky = found + ((paths.signal - task.expected(paths)) * positions).mean(axis=1)
    assert (lucky - found).mean() == pytest.approx(0.0, abs=3.0 * (lucky - found).std() / 20.0)
    assert found.mean() == pytest.approx(best.value, abs=3.0 * found.std() / 20.0)
    assert found.std() < 0.3 * lucky.std()
    # A policy that sees the signal itself would be worth more than any that may be: luck is all that it would have.
    assert task.performance(paths, np.sign(paths.signal)).mean() < best.value


def test_paths_are_common_and_differ_from_those_of_other_seeds():
    task = Discrete(psi=2)
    assert common_paths(task) is common_paths(task)
    assert not np.isin(common_paths(task, seed=1).signal, common_paths(task).signal).any()


def test_a_policy_hears_when_the_episode_starts_and_keeps_its_state():
    task, paths, heard = Discrete(), short_paths(Discrete()), []

    class Counting:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            state = 0 if state is None else state + 1
            heard.append((state, bool(episode_start.all()), bool(episode_start.any()), deterministic))
            assert observation["market"].shape == (20, 3, 1)
            assert observation["market"].dtype == np.float32
            np.testing.assert_allclose(observation["market"][:, -1, 0], paths.signal[:, state], rtol=1e-6)
            return np.full(20, state % 3), state

    positions = play(Counting(), task, paths, window_bars=3)
    assert heard[:2] == [(0, True, True, True), (1, False, False, True)]
    assert positions[:, :4].tolist() == [[-1.0, 0.0, 1.0, -1.0]] * 20


def test_a_window_beyond_the_history_and_too_few_paths_are_refused():
    task = Discrete()
    with pytest.raises(ConfigError, match="window_bars must be from 1 to 256"):
        score(Idle(task), task, window_bars=257, paths=short_paths(task))
    with pytest.raises(ConfigError, match="at least 2 paths"):
        common_paths(task, n_paths=1)
