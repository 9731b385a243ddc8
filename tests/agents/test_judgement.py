from __future__ import annotations

import numpy as np
from gymnasium import spaces

from dltrader.agents.judgement import certain, judge_by_action


class Fixed:
    """Does the same on every bar, and counts them."""

    def __init__(self, action):
        self.action = np.asarray(action)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert deterministic
        return self.action, (state or 0) + 1


def test_certainty_is_all_on_one():
    np.testing.assert_array_equal(certain([2, 0], 3), [[0, 0, 1], [1, 0, 0]])


def test_anything_that_predicts_is_sure_of_its_choice_and_knows_no_value():
    said = judge_by_action(Fixed([1, 0]), spaces.Discrete(2), {}, 4, None)
    np.testing.assert_array_equal(said.odds, [[0, 1], [1, 0]])
    assert (said.action.tolist(), said.value, said.state) == ([1, 0], None, 5)


def test_anything_that_predicts_is_sure_of_its_numbers():
    said = judge_by_action(Fixed([[0.25], [-1.0]]), spaces.Box(-1, 1, (1,)), {}, None, None)
    assert said.odds.mean.tolist() == [[0.25], [-1.0]]
    assert said.odds.deviation.tolist() == [[0.0], [0.0]]
    assert not said.odds.squashed
