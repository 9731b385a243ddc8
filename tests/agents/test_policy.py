from __future__ import annotations

from dltrader.agents.baselines import Flat
from dltrader.agents.policy import Adapting, Policy


class Bare:
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return 0, state


def test_whatever_predicts_is_a_policy_and_only_what_adapts_is_adapting():
    assert isinstance(Bare(), Policy)
    assert not isinstance(Bare(), Adapting)
    assert isinstance(Flat(), Policy)
    assert isinstance(Flat(), Adapting)


def test_what_does_not_predict_is_no_policy():
    assert not isinstance(object(), Policy)
    assert not isinstance(lambda observation: 0, Policy)
