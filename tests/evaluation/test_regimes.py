from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.regimes import (
    TREND_BARS,
    VOLATILITY_BARS,
    Traded,
    regime_rows,
    terciles,
    trends,
    volatilities,
    year_rows,
)
from market_bars import random_walk


def market(growths, start="2020-01-01"):
    times = pd.date_range(start, periods=len(growths) + 1, tz="UTC", name="time")
    return pd.Series(100.0 * np.exp(np.concatenate([[0.0], np.cumsum(growths)])), times)


def bars_of(closes):
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), closes) | {"volume": 1.0}, index=closes.index)


def test_a_trend_is_up_sideways_or_down():
    swing = np.tile([0.01, -0.01], 50)
    assert trends(market(swing + 0.004)).iloc[-1] == "up"
    assert trends(market(swing)).iloc[-1] == "sideways"
    assert trends(market(swing - 0.004)).iloc[-1] == "down"


def test_the_bound_of_a_trend_is_half_a_standard_deviation():
    swing = np.tile([0.01, -0.01], 50)
    # Over 60 bars: growth 60 d, standard deviation 0.01 √(60 / 59) √60.
    bound = 0.5 * 0.01 * math.sqrt(60 / 59) / math.sqrt(60)
    assert trends(market(swing + 1.01 * bound)).iloc[-1] == "up"
    assert trends(market(swing + 0.99 * bound)).iloc[-1] == "sideways"


def test_regimes_are_known_before_the_bar():
    closes = random_walk(200, 1)["close"]
    other = closes.copy()
    other.iloc[150:] *= 3.0
    for known in (trends, volatilities):
        pd.testing.assert_series_equal(known(closes).iloc[:151], known(other).iloc[:151])
        assert not known(closes).iloc[151:].equals(known(other).iloc[151:])


def test_too_short_a_history_has_no_regime():
    closes = random_walk(200, 1)["close"]
    assert trends(closes).notna().sum() == 200 - TREND_BARS - 1
    assert volatilities(closes).notna().sum() == 200 - VOLATILITY_BARS - 1
    assert trends(pd.Series(1.0, closes.index)).isna().all()  # it has never moved


def test_volatility_is_that_of_the_bars_before():
    growths = np.tile([0.02, -0.02], 30)
    assert volatilities(market(growths)).iloc[-1] == pytest.approx(0.02 * math.sqrt(20 / 19))


def test_terciles_are_equally_frequent():
    labels = terciles(pd.Series([*range(9), math.nan]))
    assert labels.iloc[:9].tolist() == ["low"] * 3 + ["middle"] * 3 + ["high"] * 3
    assert pd.isna(labels.iloc[9])


def traded(growths, held, exposure=0.5):
    """Seeds whose log growths are given, by name."""
    times = pd.date_range("2020-12-29", periods=len(held) + 1, tz="UTC", name="time")
    equity = {name: 100.0 * np.exp([0.0, *np.cumsum(each)]) for name, each in growths.items()}
    money = pd.Series(100.0 * np.exp([0.0, *np.cumsum(held)]), times)
    frame = pd.DataFrame(equity, times)
    return Traded(frame, money, pd.DataFrame(exposure, times, frame.columns), next(iter(growths)), 252.0)


def test_a_year_is_that_of_the_closes():
    up = [0.1, 0.0, -0.2, 0.1]  # closes of 30 and 31 December, of 1 and 2 January
    rows = year_rows(traded({"seed-0": up, "seed-1": [0.0] * 4}, [0.05] * 4))
    assert [(row["year"], row["bars"]) for row in rows] == [(2020, 2), (2021, 2)]
    first, second = rows
    assert first["return"] == pytest.approx(math.expm1(0.1) / 2)
    assert (first["return_low"], first["return_high"]) == pytest.approx((0.0, math.expm1(0.1)))
    assert first["buy_and_hold"] == pytest.approx(math.expm1(0.1))
    assert first["ahead"] == 0.0  # as good is not ahead
    assert first["max_drawdown"] == 0.0
    assert second["max_drawdown"] == pytest.approx(math.expm1(-0.2))  # from the last close of the year before
    assert second["exposure"] == 0.5
    assert second["return"] == pytest.approx(math.expm1(-0.1) / 2)


def test_the_bars_of_regimes_add_up():
    closes = random_walk(300, 3)["close"]
    history = {"asset": bars_of(closes)}
    tested = closes.iloc[200:]
    held = 100.0 * tested / tested.iloc[0]
    equity = pd.DataFrame({"seed-0": held, "seed-1": 100.0}, tested.index)
    both = Traded(equity, held, pd.DataFrame({"seed-0": 1.0, "seed-1": 0.0}, tested.index), "seed-0", 252.0)
    rows = regime_rows(both, history)
    assert [(row["kind"], row["regime"]) for row in rows] == [
        ("trend", "up"), ("trend", "sideways"), ("trend", "down"),
        ("volatility", "low"), ("volatility", "middle"), ("volatility", "high"),
    ]  # fmt: skip
    for kind in ("trend", "volatility"):
        own = [row for row in rows if row["kind"] == kind]
        assert sum(row["bars"] for row in own) == 99
        assert sum(row["share"] for row in own) == pytest.approx(1.0)
        assert sum(row["bars"] * row["buy_and_hold"] for row in own if row["bars"]) / 252.0 == pytest.approx(
            math.log(held.iloc[-1] / held.iloc[0])
        )
        for row in own:
            if row["bars"]:
                assert row["growth"] == pytest.approx(row["buy_and_hold"] / 2)  # one holds, the other stays flat
                assert row["exposure"] == 0.5
                assert row["ahead"] == (0.5 if row["buy_and_hold"] < 0 else 0.0)


def test_a_regime_without_bars_is_said_to_have_none():
    closes = market(np.tile([0.014, -0.006], 60))
    both = Traded(
        closes.iloc[100:].to_frame("seed-0"),
        closes.iloc[100:],
        closes.iloc[100:].to_frame("seed-0") * 0.0,
        "seed-0",
        252.0,
    )
    down = regime_rows(both, {"asset": bars_of(closes)})[2]
    assert (down["regime"], down["bars"], down["share"]) == ("down", 0, 0.0)
    assert math.isnan(down["growth"])
    assert math.isnan(down["ahead"])
