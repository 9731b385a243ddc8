"""A stepped Cerebro comes and goes: dropped, reset, pickled, or met by another thread."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref

from dltrader.envs.cerebro import TradingEnv
from dltrader.errors import EnvironmentStateError
from market_bars import random_walk
from small_envs import play as run

SHORT, FLAT, LONG = 0, 1, 2


def test_a_dropped_environment_unwinds_its_cerebro(quick):
    seen = []
    env = TradingEnv(random_walk(30), quick, prepare=lambda cerebro: seen.append(weakref.ref(cerebro)))
    env.reset()
    env.step(LONG)
    loop = weakref.ref(env._stepper)
    del env
    gc.collect()
    assert loop() is None
    assert seen[0]() is None


def test_many_resets_leave_nothing_behind(quick):
    seen = []
    env = TradingEnv(random_walk(30), quick, prepare=lambda cerebro: seen.append(weakref.ref(cerebro)))
    for _ in range(5):
        env.reset()
        env.step(LONG)
    gc.collect()
    assert [cerebro() is None for cerebro in seen] == [True] * 4 + [False]


def test_another_thread_is_told_to_reset(quick):
    env = TradingEnv(random_walk(30), quick)
    env.reset()
    caught = []

    def step():
        try:
            env.step(LONG)
        except EnvironmentStateError as error:
            caught.append(str(error))
        env.reset()
        caught.append(env.step(LONG)[-1]["position"] > 0)
        env.close()

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    assert caught[0].startswith("an environment stays in the thread that reset it")
    assert caught[1] is True


def test_it_can_be_pickled_before_and_after_use(quick):
    env = TradingEnv(random_walk(30), quick)
    fresh = pickle.loads(pickle.dumps(env))
    expected = run(env, [LONG, SHORT, FLAT])[1]
    used = pickle.loads(pickle.dumps(env))
    assert run(fresh, [LONG, SHORT, FLAT])[1] == run(used, [LONG, SHORT, FLAT])[1] == expected
