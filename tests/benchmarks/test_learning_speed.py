from __future__ import annotations

import math

import pytest

from dltrader.benchmarks import learning_speed
from dltrader.benchmarks.lanes_speed import market_of
from dltrader.benchmarks.learning_speed import EXTRACTORS, STOCK_BATCH, WAYS, learning_tasks
from dltrader.envs.contract import EnvConfig


def test_there_is_a_batch_for_every_extractor():
    assert STOCK_BATCH.keys() == EXTRACTORS.keys()


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_every_way_of_learning_measures_a_positive_number(small_learning, extractor):
    config = EnvConfig(window_bars=4, random_start=True, episode_bars=40)
    tasks = learning_tasks(market_of(600, config), extractor, config)
    assert tuple(tasks) == WAYS
    speeds = [measure() for measure in tasks.values()]
    assert all(math.isfinite(speed) and speed > 0 for speed in speeds)


def test_the_first_rollout_does_not_count_and_the_learner_stays(small_learning, monkeypatch):
    learned = []
    learn = learning_speed._learn
    monkeypatch.setattr(learning_speed, "_learn", lambda learner: learned.append(learner) or learn(learner))
    timed = []
    monkeypatch.setattr(learning_speed, "seconds", lambda run: timed.append(run()) or 2.0)
    config = EnvConfig(window_bars=4, random_start=True, episode_bars=40)
    measure = learning_tasks(market_of(600, config), "mlp", config)["shared encodings"]
    assert [measure(), measure()] == [learning_speed.ROLLOUT / 2.0] * 2
    assert len(timed) == 2
    assert len(learned) == 3
    assert len({id(learner) for learner in learned}) == 1
    assert learned[0].num_timesteps == 3 * learning_speed.ROLLOUT
