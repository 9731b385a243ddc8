"""The session of a day trader, in both engines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.agents.baselines import BuyAndHold
from dltrader.benchmarks.parity import compare
from dltrader.data import load_bars
from dltrader.data.feed import BarsFeed
from dltrader.envs.broker import make_cerebro
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.session import PHASES, Session
from dltrader.envs.strategy import PolicyStrategy
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import ConfigError
from dltrader.evaluation.backtest import backtest

SESSION = (
    "synthetic:gbm?n={n}&interval={interval}&session=09:30-16:00&timezone=America/New_York&start=2024-03-07&wick=0"
)
BARS = load_bars(SESSION.format(n=4 * 39, interval="10min"))  # over the change to summer time on 10 March
LONG = 2


def config_of(**changes):
    return EnvConfig.from_mapping(
        {"window_bars": 1, "features": ["log_return"], "scaling": "none", "session": {"warmup_minutes": 20}} | changes
    )


def walls(times):
    return pd.DatetimeIndex(times).tz_convert("America/New_York").strftime("%H:%M")


def play(env, action):
    """Every info of an episode of one action."""
    _, info = env.reset(seed=0)
    infos, ended = [info], False
    while not ended:
        _, _, terminated, truncated, info = env.step(action)
        infos.append(info)
        ended = terminated or truncated
    return infos


def test_phases_go_by_the_clock():
    phases = np.array(PHASES)[Session(warmup_minutes=20).phases(BARS.index)]
    for day in phases.reshape(4, 39):
        assert day.tolist() == ["warmup"] + ["open"] * 36 + ["closing", "closed"]
    minutes = np.array(PHASES)[Session().phases(load_bars(SESSION.format(n=390, interval="1min")).index)]
    assert minutes.tolist() == ["warmup"] * 9 + ["open"] * 379 + ["closing", "closed"]


def test_a_phase_does_not_depend_on_whether_another_bar_follows():
    whole = Session().phases(BARS.index)
    for end in range(2, len(BARS)):
        assert (Session().phases(BARS.index[:end]) == whole[:end]).all()


def test_who_always_wants_to_be_long_is_flat_over_night_and_in_the_first_minutes():
    infos = play(TradingEnv(BARS, config_of()), LONG)
    fills = [fill for info in infos for fill in info["fills"]]
    # The bar stamped 10:00 opens at 09:50, when the warm-up is over; that of 16:00 is the last.
    assert (
        list(zip(walls([fill.time for fill in fills]), [fill.side for fill in fills], strict=True))
        == [
            ("10:00", "buy"),
            ("16:00", "sell"),
        ]
        * 4
    )
    for info in infos:
        held = info["position"] != 0
        assert held == (
            (info["session"] == "open" and walls([info["time"]])[0] > "09:50") or info["session"] == "closing"
        )


def test_what_an_early_close_left_over_is_sold_at_the_next_open():
    bars = BARS.drop(BARS.index[30:39])  # the first day ends at 14:30
    fills = [fill for info in play(TradingEnv(bars, config_of()), LONG) for fill in info["fills"]]
    assert [(fill.side, str(fill.time.date())) for fill in fills[:3]] == [
        ("buy", "2024-03-07"),
        ("sell", "2024-03-08"),
        ("buy", "2024-03-08"),
    ]
    assert walls([fill.time for fill in fills[:3]]).tolist() == ["10:00", "09:50", "10:00"]


def test_without_being_flat_at_the_close_trades_wait_for_the_session():
    config = config_of(session={"warmup_minutes": 20, "flat_at_close": False})
    env = TradingEnv(BARS, config)
    _, info = env.reset()
    actions, filled = {"warmup": 0, "closed": 0, "closing": 0, "open": 2}, []
    for _ in range(3 * 39):
        _, _, _, _, info = env.step(actions[info["session"]])
        filled += [(walls([fill.time])[0], fill.side) for fill in info["fills"]]
    assert filled[:3] == [("10:00", "buy"), ("16:00", "sell"), ("10:00", "buy")]  # short over night from the last bar


@pytest.mark.parametrize("action", ["target_position", "target_weight", "buy_sell_hold", "target_units"])
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("sizing", ["at_open", "at_close"])
def test_both_engines_keep_the_session_alike(action, flat, sizing):
    if action == "target_units":
        action = {"name": "target_units", "levels": [-50.0, 0.0, 30.0]}
    config = config_of(action=action, sizing=sizing, session={"warmup_minutes": 30, "flat_at_close": flat})
    bars = {"a": BARS, "b": BARS * [1.5, 1.5, 1.5, 1.5, 1.0]}
    space = config.action_space(2)
    space.seed(1)
    actions = np.stack([space.sample() for _ in range(150)])
    found = compare(config, bars, actions)
    assert found.mismatch is None
    assert found.bars == 150
    assert found.fills > 30


def test_lanes_tell_the_phase_and_torch_computes_the_same():
    config = config_of(action="target_weight")
    tapes = np.random.default_rng(0).uniform(-1, 1, (100, 3, 1)).astype(np.float32)
    told = []
    for arrays in ("numpy", "torch"):
        env = TradingVectorEnv(BARS, 3, config, arrays=arrays)
        _, info = env.reset(seed=0)
        assert info["session"].tolist() == ["open"] * 3
        rows = []
        for actions in tapes:
            *_, info = env.step(actions)
            rows.append([*map(float, info["equity"]), *map(float, info["position"])])
        told.append(rows)
    np.testing.assert_allclose(told[0], told[1], rtol=1e-12)


def test_buy_and_hold_holds_over_night():
    result = backtest(BuyAndHold(), BARS, config_of())
    assert len(result.orders) == 1
    assert (result.position.iloc[2:] > 0).all(axis=None)


def test_a_strategy_in_a_cerebro_of_ones_own_keeps_the_session():
    class Long:
        """Always fully long."""

        env_config, pipeline = config_of(), None

        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return LONG, state

    cerebro = make_cerebro(Long.env_config)
    cerebro.adddata(BarsFeed(dataname=BARS), name="asset")
    cerebro.addstrategy(PolicyStrategy, policy=Long())
    (strategy,) = cerebro.run()
    expected = play(TradingEnv(BARS, Long.env_config), LONG)[-1]["equity"]
    assert strategy.broker.getvalue() == pytest.approx(expected, rel=1e-12)
    assert strategy.position.size == 0


def test_bars_that_are_too_long_for_a_session_are_told():
    with pytest.raises(ConfigError, match="that is no time to trade bars of 1440 minutes"):
        Market.build("sample:AAPL", config_of())
    with pytest.raises(ConfigError, match="session lasts 390 minutes, from 09:30 to 16:00 in America/New_York"):
        Market.build(BARS, config_of(session={"warmup_minutes": 380}))


def test_without_a_session_nothing_of_it_is_written_or_told():
    config = config_of(session=None)
    assert not {"session", "context"} & set(config.to_mapping())
    assert "session" not in play(TradingEnv(BARS, config), LONG)[-1]
    assert config_of().to_mapping()["session"] == {
        "timezone": "America/New_York",
        "open": "09:30",
        "close": "16:00",
        "warmup_minutes": 20,
        "flat_at_close": True,
    }
