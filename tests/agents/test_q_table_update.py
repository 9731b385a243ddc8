from __future__ import annotations

import numpy as np
import pytest

from dltrader.agents.q_table_update import LONGEST_TRAIL, Teacher, Trails, targets

YES, NO = np.array([True]), np.array([False])


def trail_of(trails):
    """Places with their weights, of a single lane."""
    held = np.flatnonzero(trails.weights[:, 0])
    return dict(zip(trails.places[held, 0].tolist(), trails.weights[held, 0].tolist(), strict=True))


def test_lanes_in_one_place_move_it_as_far_as_one_after_the_other_would():
    values = np.array([1.0, 5.0])
    Teacher(values).teach(np.array([0, 0, 0]), np.ones(3), np.full(3, 2.0), 0.5)
    one_by_one = 1.0
    for _ in range(3):
        one_by_one += 0.5 * (3.0 - one_by_one)
    assert values.tolist() == [one_by_one, 5.0]


def test_different_errors_move_a_place_towards_their_mean_and_never_beyond():
    values = np.zeros(3)
    Teacher(values).teach(np.array([1, 2, 1]), np.ones(3), np.array([1.0, 10.0, 3.0]), 0.1)
    np.testing.assert_allclose(values, [0.0, 2.0 * (1 - 0.9**2), 1.0])
    Teacher(values).teach(np.zeros(1000, int), np.ones(1000), np.full(1000, 4.0), 0.9)
    assert values[0] == pytest.approx(4.0)


def test_a_teacher_remembers_nothing_of_the_lesson_before():
    values = np.zeros(2)
    teacher = Teacher(values)
    for _ in range(2):
        teacher.teach(np.array([0]), np.ones(1), np.array([1.0]), 0.5)
    assert values.tolist() == [1.0, 0.0]


def test_weights_and_steps_count():
    values = np.zeros(3)
    Teacher(values).teach(np.array([0, 1]), np.array([0.5, 1.0]), np.array([1.0, 1.0]), np.array([0.19, 1.0]))
    np.testing.assert_allclose(values, [1 - 0.9, 1.0, 0.0])


def test_weights_fall_along_the_trail():
    trails = Trails(1, 0.5)
    for place in (7, 8, 9):
        trails.add(np.array([place]), YES)
    assert trail_of(trails) == {7: 0.25, 8: 0.5, 9: 1.0}


def test_a_place_that_comes_again_is_replaced():
    trails = Trails(1, 0.5)
    for place in (7, 8, 7):
        trails.add(np.array([place]), YES)
    assert trail_of(trails) == {8: 0.5, 7: 1.0}


def test_a_choice_that_was_not_the_best_begins_a_new_trail():
    trails = Trails(1, 0.5)
    for place, best in ((7, YES), (8, YES), (9, NO), (10, YES)):
        trails.add(np.array([place]), best)
    assert trail_of(trails) == {9: 0.5, 10: 1.0}


def test_lanes_have_trails_of_their_own():
    trails = Trails(2, 0.5)
    trails.add(np.array([1, 2]), np.array([True, True]))
    trails.clear(np.array([False, True]))
    trails.add(np.array([3, 4]), np.array([True, True]))
    assert trails.weights[:, 0].sum() == 1.5
    assert trails.weights[:, 1].sum() == 1.0


@pytest.mark.parametrize(("decay", "length"), [(0.0, 1), (1e-9, 1), (0.5, 7), (0.9, 44), (0.99, 64), (1.0, 64)])
def test_trails_end_where_weights_have_fallen_to_a_hundredth(decay, length):
    trails = Trails(1, decay)
    for place in range(200):
        trails.add(np.array([place]), YES)
    assert LONGEST_TRAIL == 64
    assert sorted(trail_of(trails)) == list(range(200 - length, 200))


def test_what_a_choice_was_worth():
    values = np.array([[[0.0, 1.0], [3.0, 2.0]]])
    zeros = np.zeros(2, int)
    found = targets(values, zeros, np.array([0, 1]), np.array([10.0, 20.0]), np.array([0.5, 0.0]))
    assert found.tolist() == [10.5, 20.0]


def test_of_two_tables_one_chooses_and_the_other_judges():
    values = np.array([[[0.0, 1.0]], [[5.0, -2.0]]])
    found = targets(values, np.array([0, 1]), np.array([0, 0]), np.zeros(2), np.ones(2))
    assert found.tolist() == [-2.0, 0.0]
