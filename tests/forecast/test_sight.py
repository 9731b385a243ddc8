from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.errors import BarsError, SnapshotError
from dltrader.forecast.sight import observation_of
from dltrader.forecast.snapshot import Snapshot
from market_bars import random_walk
from snapshots import records

CONFIG = EnvConfig.from_mapping(
    {
        "window_bars": 4,
        "action": "target_weight",
        "features": ["log_return", {"name": "rsi", "window": 5}, "range"],
        "scaling": {"name": "rolling", "window_bars": 8},
    }
)
BARS = random_walk(90, 7)
MARKET = Market.build(BARS, CONFIG)
NEEDED = MARKET.first + 1
SEEING = SimpleNamespace(env_config=CONFIG, pipeline=MARKET.pipeline, interval=pd.Timedelta("1D"))
NAMES = MARKET.pipeline.names


def with_bars(row, n_bars=NEEDED, **account):
    frame = BARS.iloc[row + 1 - n_bars : row + 1]
    return {"symbol": "asset", "timestamp": frame.index[-1].isoformat(), "bars": records(frame), **account}


def with_features(row, **changes):
    window = MARKET.features[row + 1 - CONFIG.window_bars : row + 1].astype(float)
    values = {
        "symbol": "asset",
        "timestamp": BARS.index[row].isoformat(),
        "features": dict(zip(NAMES, window[-1].tolist(), strict=True)),
        "sequence": window[:-1].tolist(),
    }
    return values | changes


def seen(values, seeing=SEEING):
    return observation_of(Snapshot.of(values), seeing)


def refusal(values, error=SnapshotError, seeing=SEEING):
    with pytest.raises(error) as caught:
        seen(values, seeing)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("row", [NEEDED - 1, 50, 89])
def test_bars_and_features_give_the_window_of_the_environment_to_the_bit(row):
    window = MARKET.features[row - 3 : row + 1]
    for values in (with_bars(row), with_bars(row, n_bars=row + 1), with_features(row)):
        observation = seen(values)
        assert observation["market"].dtype == np.float32
        np.testing.assert_array_equal(observation["market"], window)
        np.testing.assert_array_equal(observation["account"], np.zeros(2, np.float32))


def test_the_account_is_that_of_the_environment():
    env = TradingEnv(MARKET, CONFIG)
    generator = np.random.default_rng(0)
    observation, info = env.reset(seed=0)
    short = long = 0
    for row in range(MARKET.first, 80):
        position, close = info["position"], info["close"]
        entry = env.strategy.broker.getposition(env.strategy.datas[0]).price
        made = position * (close - entry)
        account = {"position": position, "balance": info["equity"] - made, "unrealized_pnl": made}
        found = seen(with_bars(row, **account))
        np.testing.assert_array_equal(found["market"], observation["market"])
        np.testing.assert_allclose(found["account"], observation["account"], rtol=1e-6, atol=1e-9)
        short, long = short + (position < 0), long + (position > 0)
        observation, _, _, _, info = env.step(generator.uniform(-1, 1, 1))
    assert min(short, long) > 10


def test_features_may_come_in_any_order_with_the_sequence_in_the_same():
    values = with_features(50)
    turned = values | {
        "features": dict(reversed(values["features"].items())),
        "sequence": [list(reversed(row)) for row in values["sequence"]],
    }
    np.testing.assert_array_equal(seen(turned)["market"], seen(values)["market"])


def test_the_sequence_may_end_with_the_newest_row():
    values = with_features(50)
    whole = values | {"sequence": [*values["sequence"], list(values["features"].values())]}
    np.testing.assert_array_equal(seen(whole)["market"], seen(values)["market"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"features": {"log_return_1": 0.1, "rsi5": 0.0, "range": 0.0}},
            "features: rsi_5 missing, rsi5 unknown; did you mean 'rsi_5'?; expected are 3: log_return_1 rsi_5 range",
        ),
        ({"features": {"log_return_1": 0.1, "range": 0.0}}, "features: rsi_5 missing; expected are 3"),
        (
            {"features": {"log_return_1": 0.1, "range": 0.0, "rsi_5": 0.0, "zeal": 1.0}},
            "features: zeal unknown; expected are 3",
        ),
        (
            {"features": {"log_return_1": 0.1, "range": 0.0, "rsi_5": 57.0}},
            "the feature rsi_5 reaches 57, and observations end at 5; send features as the ensemble's own pipeline",
        ),
        (
            {"features": {"log_return_1": 0.1, "range": 0.0, "rsi_5": 1e300}},
            "the feature rsi_5 reaches inf, and observations end at 5",
        ),
        ({"sequence": None}, "sequence has 0 rows, and 3 are needed before the newest: the ensemble reads 4 bars"),
        ({"sequence": [[0.0, 0.0, 0.0]] * 5}, "sequence has 5 rows, and 3 are needed before the newest"),
        ({"sequence": [[0.0, 0.0, 0.0]] * 2 + [[0.0]]}, "sequence row 2 has 1 values, and features has 3 keys"),
        ({"sequence": [[0.5, 0.5, 0.5]] * 4}, "sequence ends with log_return_1 = 0.5, and features says"),
        ({"position": 5.0}, "close is missing: a position of 5 is worth nothing known; add it to features"),
    ],
)
def test_features_that_do_not_fit_are_named(changes, said):
    assert said in refusal(with_features(50, **changes))


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"balance": 0.0}, "balance and unrealized_pnl come to 0"),
        ({"balance": 10.0, "position": 1.0, "unrealized_pnl": -11.0}, "come to -1; an account without money"),
        ({"unrealized_pnl": 3.0}, "unrealized_pnl is 3 and position 0; what a closed trade made belongs to balance"),
        ({"position": 1.0, "unrealized_pnl": 5_000.0}, "would mean that it was opened at -"),
    ],
)
def test_an_account_that_cannot_be_is_refused(account, said):
    assert said in refusal(with_bars(50, **account))


def test_too_few_bars_are_told_how_many_are_needed():
    said = refusal(with_bars(50, n_bars=NEEDED - 1))
    assert said.startswith(f"{NEEDED - 1} bars are too few, and {NEEDED} are needed: {NEEDED - 4} warm the features up")


def test_a_bar_after_the_timestamp_is_refused():
    late = with_bars(50) | {"timestamp": BARS.index[49].isoformat()}
    assert "bars run to 2001-02-20T00:00:00+00:00, after the timestamp 2001-02-19" in refusal(late)


def test_bars_of_another_interval_are_refused():
    hourly = with_bars(50)
    for row, each in enumerate(hourly["bars"]):
        each["time"] = (BARS.index[0] + pd.Timedelta(hours=row)).isoformat()
    assert "bars come every 1 hour, and the ensemble was trained on bars of 1 day" in refusal(hourly)
    unknown = SimpleNamespace(env_config=CONFIG, pipeline=MARKET.pipeline, interval=None)
    assert seen(hourly, unknown)["market"].shape == (4, 3)


def test_bars_that_break_their_rules_are_refused():
    broken = with_bars(50)
    broken["bars"][3]["high"] = broken["bars"][3]["low"] * 0.5
    assert "bars row 3" in refusal(broken, BarsError)


def test_features_of_another_market_come_with_its_bars():
    other = random_walk(90, 8)
    config = CONFIG.with_overrides({"features": ["log_return", {"name": "log_return", "market": "SPY"}]})
    config = config.with_overrides({"context": {"SPY": "sample:AAPL"}})
    market = Market.build(BARS, config, context={"SPY": other})
    seeing = SimpleNamespace(env_config=config, pipeline=market.pipeline, interval=None)
    values = with_bars(50, n_bars=51)
    assert "context lacks 'SPY'" in refusal(values, seeing=seeing)
    assert "context has 'SPY', and no feature looks there" in refusal(values | {"context": {"SPY": records(other)}})
    told = values | {"context": {"SPY": records(other.iloc[:51])}}
    np.testing.assert_array_equal(seen(told, seeing)["market"], market.features[47:51])
    ahead = values | {"context": {"SPY": records(other.iloc[:52])}}
    assert "after the timestamp" in refusal(ahead, seeing=seeing)
    few = with_bars(50, n_bars=11) | {"context": {"SPY": records(other.iloc[:51])}}
    assert "11 bars are too few, and 12 are needed" in refusal(few, seeing=seeing)


def test_a_higher_interval_takes_more_bars_and_says_so():
    config = CONFIG.with_overrides({"features": [{"name": "log_return", "interval": "1W"}]})
    market = Market.build(BARS, config)
    seeing = SimpleNamespace(env_config=config, pipeline=market.pipeline, interval=None)
    needed = next(n_bars for n_bars in range(11, 60) if _answers(with_bars(80, n_bars=n_bars), seeing))
    assert 11 < needed < 40
    for n_bars in range(needed, 60, 7):
        np.testing.assert_array_equal(seen(with_bars(80, n_bars=n_bars), seeing)["market"], market.features[77:81])
    with pytest.raises((SnapshotError, BarsError), match=r"too few|to warm up"):
        seen(with_bars(80, n_bars=needed - 1), seeing)


def _answers(values, seeing):
    with contextlib.suppress(SnapshotError, BarsError):
        return seen(values, seeing) is not None
    return False
