from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.benchmarks import parity as module
from dltrader.benchmarks.parity import Parity, compare, measure_parity
from dltrader.benchmarks.parity_cases import Case, draw_bars, draw_case, drawn_case
from dltrader.envs.contract import EnvConfig
from dltrader.envs.vector import TradingVectorEnv
from market_bars import random_walk


@dataclass
class Drawing:
    """Choices that hypothesis makes, and can make simpler."""

    draw: Any

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def flag(self):
        return self.draw(st.booleans())

    def whole(self, low, high):
        return self.draw(st.integers(low, high))

    def wholes(self, count, low, high):
        return self.draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    def weights(self, count):
        return self.draw(st.lists(st.floats(-1.0, 1.0, width=32), min_size=count, max_size=count))


@st.composite
def cases(draw):
    return draw_case(Drawing(draw))


@settings(max_examples=120)
@given(cases())
def test_the_vectorised_market_says_what_cerebro_says(case):
    found = Parity()
    assert found.take(case) is None
    assert found.largest <= 1e-12


@pytest.fixture(scope="module")
def hundred():
    return measure_parity(episodes=100, seed=1)


def test_nothing_differs_in_a_hundred_episodes(hundred):
    assert hundred.episodes == 100
    assert hundred.mismatch is None
    assert hundred.largest <= 1e-12


def test_an_amount_of_everything_is_compared(hundred):
    assert hundred.bars > 2_500
    assert hundred.fills > 1_100
    assert hundred.refusals > 10
    assert hundred.limit_moves > 40
    assert hundred.random_starts > 15
    assert hundred.ruins >= 2


def test_every_kind_of_bar_and_rule_is_drawn():
    drawn = [drawn_case(0, number) for number in range(150)]
    frames = [frame for case in drawn for frame in case.bars.values()]
    locked = [(frame["high"] == frame["low"]).to_numpy() for frame in frames]
    moves = [frame["close"].pct_change().fillna(0.0).to_numpy() for frame in frames]
    assert any((flat & np.isclose(move, 0.1)).any() for flat, move in zip(locked, moves, strict=True))
    assert any((flat & np.isclose(move, -0.2)).any() for flat, move in zip(locked, moves, strict=True))
    assert any((flat & (move == 0.0)).any() for flat, move in zip(locked, moves, strict=True))
    assert any(((frame["open"] == frame["high"]) & (frame["high"] > frame["low"])).any() for frame in frames)
    assert any(((frame["open"] == frame["low"]) & (frame["high"] > frame["low"])).any() for frame in frames)
    assert any((abs(frame["open"] / frame["close"].shift() - 1.0) > 0.3).any() for frame in frames)
    assert min(frame["low"].min() for frame in frames) < 0.02
    assert max(frame["high"].max() for frame in frames) > 5e6
    assert {"AAPL", "i0"} <= {name for case in drawn for name in case.bars}
    sessions = [case.config.session for case in drawn if case.config.session is not None]
    assert {session.flat_at_close for session in sessions} == {True, False}
    assert {session.warmup_minutes for session in sessions} == {0, 30, 90}
    assert {len(case.bars) for case in drawn} == {1, 2, 3}
    assert {case.config.scaling.name for case in drawn} == {"none", "rolling", "train"}
    assert {case.config.action.name for case in drawn} == {
        "target_position",
        "buy_sell_hold",
        "target_weight",
        "target_units",
        "trade_units",
    }
    assert {case.config.window_bars for case in drawn} >= {1, 3, 4, 5, 8, 32}
    assert {case.config.episode_bars for case in drawn} >= {None, 1, 7, 60}
    assert any(case.start is not None for case in drawn)


def test_a_number_gives_the_same_case_again():
    one, again, other = (drawn_case(3, number).to_mapping() for number in (5, 5, 6))
    assert one == again
    assert one != other


@given(st.data())
@settings(max_examples=20)
def test_synthetic_bars_lie_within_their_limits(data):
    for frame in draw_bars(Drawing(data.draw), 1, 80).values():
        assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
        assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
        assert frame["low"].min() > 0


def final(infos):
    """The info of a step's own bar, also where the episode has ended and the next one has begun."""
    return infos.get("final_info", infos)


class Generous(TradingVectorEnv):
    """Pays more than there was."""

    def step(self, actions):
        observation, rewards, *rest = super().step(actions)
        return observation, rewards + 1e-6, *rest


class Greedy(TradingVectorEnv):
    """Charges a billionth too much."""

    def step(self, actions):
        result = super().step(actions)
        final(result[-1])["commission"] = final(result[-1])["commission"] * (1.0 + 1e-9)
        return result


class SlowAtGaps(TradingVectorEnv):
    """Buys at another price where the open lies more than 5 % above the close before."""

    def reset(self, **arguments):
        observation, infos = super().reset(**arguments)
        self.before = infos["close"]
        return observation, infos

    def step(self, actions):
        result = super().step(actions)
        infos = final(result[-1])
        price = infos["fill_price"]
        infos["fill_price"] = np.where(price > 1.05 * self.before, price * 1.001, price)
        self.before = infos["close"]
        return result


class Late(TradingVectorEnv):
    """Shows a window that ends a row too early."""

    def step(self, actions):
        observation, *rest = super().step(actions)
        seen = rest[-1].get("final_obs", observation)
        seen["market"] = np.roll(seen["market"], 1, axis=1)
        return observation, *rest


@pytest.mark.parametrize(
    ("twin", "what", "most_steps", "window"),
    [
        (Generous, "reward", 1, 1),
        (Greedy, "commission", 1, 1),
        (SlowAtGaps, "fills", 2, 1),  # to be flat and then buy, or to buy at once
        (Late, "market", 1, 8),  # a window of one row looks the same to it
    ],
)
def test_a_planted_fault_is_found_and_shrunk(twin, what, most_steps, window, monkeypatch):
    monkeypatch.setattr(module, "TradingVectorEnv", twin)
    found = measure_parity(episodes=12, seed=3).mismatch
    assert found.what.partition("[")[0] == what
    assert found.bar == len(found.case.actions) <= most_steps
    assert len(found.case.bars) == 1
    (bars,) = found.case.bars.values()
    assert found.case.config.window_bars <= window
    assert len(bars) == 1 + found.case.config.window_bars + len(found.case.actions)  # one warms the feature up
    assert found.case.config.features == EnvConfig(features=["log_return"]).features
    assert max(len(f"{price:g}") for price in bars["close"]) <= 6
    again = found.replay().mismatch
    assert (again.bar, again.what, again.cerebro, again.vector) == (found.bar, found.what, found.cerebro, found.vector)
    monkeypatch.undo()
    assert found.replay().mismatch is None


def test_a_shrunk_price_at_a_gap_still_has_its_gap(monkeypatch):
    monkeypatch.setattr(module, "TradingVectorEnv", SlowAtGaps)
    found = measure_parity(episodes=12, seed=3).mismatch
    ((_, size, price),), ((_, other_size, other_price),) = found.cerebro, found.vector
    (bars,) = found.case.bars.values()
    assert size == other_size > 0
    assert other_price == pytest.approx(1.001 * price, rel=1e-12)
    assert price > 1.05 * bars["close"].iloc[-2]


def test_the_mismatch_after_the_fewest_bars_is_kept(monkeypatch):
    class Tiring(TradingVectorEnv):
        def reset(self, **arguments):
            self.steps = 0
            return super().reset(**arguments)

        def step(self, actions):
            observation, rewards, *rest = super().step(actions)
            self.steps += 1
            return observation, rewards + (self.steps > 20) * 1e-6, *rest

    monkeypatch.setattr(module, "TradingVectorEnv", Tiring)
    found = measure_parity(episodes=6, seed=1).mismatch
    assert found.what == "reward"
    assert found.bar == len(found.case.actions) == 21
    assert found.vector > found.cerebro
    assert (found.case.actions == found.case.actions[0]).all()  # all that can be held is held


def test_an_engine_that_fails_alone_is_a_mismatch(monkeypatch, quick):
    class Fragile(TradingVectorEnv):
        def step(self, actions):
            raise module.DLTraderError("no")

    bars, actions = {"asset": random_walk(10, 0)}, np.array([0, 2, 1])
    assert compare(quick, bars, actions).mismatch is None
    monkeypatch.setattr(module, "TradingVectorEnv", Fragile)
    found = compare(quick, bars, actions).mismatch
    assert (found.bar, found.what, found.cerebro, found.vector) == (1, "error", None, "DLTraderError")


def test_a_difference_of_cash_is_measured_beside_the_equity(monkeypatch, free):
    class Rounding(TradingVectorEnv):
        def step(self, actions):
            result = super().step(actions)
            infos = final(result[-1])
            infos["cash"] = infos["cash"] + 1e-8
            return result

    monkeypatch.setattr(module, "TradingVectorEnv", Rounding)
    found = compare(free, {"asset": random_walk(10, 0)}, np.array([1, 1]))
    assert found.mismatch is None
    assert found.largest == pytest.approx(1e-13, rel=1e-3)
    assert math.isfinite(found.largest)


def test_a_case_survives_json():
    for number in range(12):
        case = drawn_case(7, number)
        again = Case.from_mapping(json.loads(json.dumps(case.to_mapping())))
        assert again.config == case.config
        assert again.actions.dtype == case.actions.dtype
        assert np.array_equal(again.actions, case.actions)
        assert (again.seed, again.start) == (case.seed, case.start)
        for name, frame in case.bars.items():
            assert np.array_equal(again.bars[name].to_numpy(), frame.to_numpy())
            assert (again.bars[name].index == frame.index).all()
