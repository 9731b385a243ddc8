from __future__ import annotations

from dltrader.benchmarks import env_speed
from dltrader.benchmarks.env_speed import measure_env
from dltrader.data import load_bars
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig


def test_the_bare_loop_trades_the_orders_of_the_environment(monkeypatch):
    values = []
    monkeypatch.setattr(env_speed._Tape, "stop", lambda self: values.append(self.broker.getvalue()), raising=False)
    env = TradingEnv(load_bars("synthetic:gbm?n=1000&seed=1"), EnvConfig(episode_bars=100))
    tape = env_speed.tape_of(env, [1, 2, 0] * 33 + [1])
    equity = env._info()["equity"]
    env_speed.bare_loop(env, tape)
    assert sum(size != 0 for size in tape) == 99
    assert values == [equity]


def test_medians_are_positive_numbers():
    speed = measure_env(bars=500, repeats=1)
    assert min(*speed.quiet, *speed.busy, speed.reset_ms) > 0
    assert (speed.bars, speed.repeats) == (500, 1)
