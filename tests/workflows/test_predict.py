from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import dltrader
from dltrader.envs.cerebro import TradingEnv
from dltrader.errors import BundleError, RunError, SnapshotError, SourceError, VoteError
from dltrader.evaluation.backtest import backtest
from dltrader.forecast.snapshot import Snapshot
from dltrader.forecast.voting import Weighting
from dltrader.workflows.predict import EnsemblePredictor
from small_members import by_last_return, mixed_ensemble
from small_members import telling_ensemble as ensemble
from small_predictions import AGENTS, BARS, RULES, run_of, snapshot, voters


def four_models():
    """An LSTM, two LightGBM models and a PPO, under the same rules."""
    return mixed_ensemble(**RULES)


class Recorded:
    """A policy whose weights are kept."""

    def __init__(self, policy):
        self.policy, self.weights = policy, []
        self.env_config, self.pipeline = policy.env_config, policy.pipeline

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        action, state = self.policy.predict(observation, state, episode_start, deterministic)
        self.weights.append(float(action[0]))
        return action, state


@pytest.mark.parametrize(("policy_of", "form", "told"), [(voters, "bars", False), (four_models, "features", True)])
def test_a_backtest_and_predict_line_by_line_decide_alike_on_every_bar(policy_of, form, told):
    policy = policy_of()
    recorded = Recorded(policy)
    result = backtest(recorded, BARS, benchmark=False)

    env = TradingEnv(BARS, policy.env_config, pipeline=policy.pipeline)
    predictor = EnsemblePredictor(policy)
    _, info = env.reset(seed=0)
    weights, equity, taken, ended = [], [info["equity"]], [], False
    while not ended:
        entry = env.strategy.broker.getposition(env.strategy.datas[0]).price
        made = info["position"] * (info["close"] - entry)
        account = {"position": info["position"], "balance": info["equity"] - made, "unrealized_pnl": made}
        recent = {"recent_actions": taken} if told else {}
        row = BARS.index.get_loc(info["time"])
        answer = predictor.predict(json.dumps(snapshot(policy, row, form=form, **account, **recent)))
        weights.append(answer.target_weight)
        taken.append(answer.action)
        _, _, terminated, truncated, info = env.step(np.array([answer.target_weight], np.float32))
        equity.append(info["equity"])
        ended = terminated or truncated
    assert np.float32(weights).tolist() == recorded.weights
    assert equity == result.equity.tolist()
    assert {"BUY", "SELL", "STOP"} <= set(taken)
    assert len(set(recorded.weights)) > 10


def test_json_and_python_give_the_same_answer_to_the_bit():
    policy = ensemble({"trend": by_last_return, "other": lambda windows: np.tile([0.2, 0.5, 0.3], (len(windows), 1))})
    values = snapshot(policy, 60, position=3.0, balance=99_000.0, unrealized_pnl=-7.25)
    answers = [
        EnsemblePredictor(policy).predict(each)
        for each in (values, json.dumps(values), json.dumps(values).encode(), Snapshot.of(values))
    ]
    lines = {answer.to_json() for answer in answers}
    assert len(lines) == 1
    told = json.loads(lines.pop())
    assert told == answers[0].to_mapping()
    assert told["models_used"] == ["trend", "other"]
    assert (told["other_buy_prob"], told["other_sell_prob"], told["other_hold_prob"]) == (0.2, 0.5, 0.3)


def test_features_and_bars_give_the_same_answer():
    policy = voters()
    answers = [EnsemblePredictor(policy).predict(snapshot(policy, 70, form=form)) for form in ("bars", "features")]
    assert answers[0] == answers[1]


def test_the_same_time_again_is_answered_alike_and_forgotten_nowhere():
    policy = voters()
    once, twice = EnsemblePredictor(policy), EnsemblePredictor(policy)
    for row in range(40, 60):
        expected = once.predict(snapshot(policy, row))
        assert twice.predict(snapshot(policy, row)) == twice.predict(snapshot(policy, row)) == expected


def test_a_snapshot_before_the_last_one_is_refused_and_leaves_no_trace():
    policy = voters()
    predictor, other = EnsemblePredictor(policy), EnsemblePredictor(policy)
    for row in (50, 51):
        assert predictor.predict(snapshot(policy, row)) == other.predict(snapshot(policy, row))
    with pytest.raises(SnapshotError, match=r"timestamp 2001-02-20T00:00:00\+00:00 is before 2001-02-21"):
        predictor.predict(snapshot(policy, 50))
    with pytest.raises(SnapshotError, match="balance and unrealized_pnl come to"):
        predictor.predict(snapshot(policy, 52, balance=-1.0))
    assert predictor.predict(snapshot(policy, 52)) == other.predict(snapshot(policy, 52))


def test_an_unknown_symbol_is_refused():
    policy = ensemble()
    with pytest.raises(SnapshotError, match="unknown symbol 'aset'; did you mean 'asset'"):
        EnsemblePredictor(policy).predict(snapshot(policy, 60) | {"symbol": "aset"})


def test_a_member_that_fails_is_named_and_the_others_answer():
    def broken(windows):
        raise RuntimeError("out of\nluck")

    policy = ensemble({"trend": by_last_return, "broken": broken})
    answer = EnsemblePredictor(policy).predict(snapshot(policy, 60))
    assert answer.models_used == ["trend"]
    assert answer.models_failed == {"broken": "RuntimeError: out of luck"}
    assert answer.failed
    alone = EnsemblePredictor(ensemble()).predict(snapshot(policy, 60))
    assert (answer.confidence_score, answer.target_weight) == (alone.confidence_score, alone.target_weight)
    with pytest.raises(VoteError, match="broken: RuntimeError: out of luck"):
        EnsemblePredictor(ensemble({"broken": broken})).predict(snapshot(policy, 60))


def test_a_missing_member_is_named():
    policy = ensemble()
    weights = Weighting(weights={"trend": 1.0, "gone_5d": 2.0})
    answer = EnsemblePredictor(replace(policy, weighting=weights)).predict(snapshot(policy, 60))
    assert answer.models_missing == ["gone_5d"]
    assert not answer.failed


def test_the_newest_bar_of_a_source_is_answered_as_its_snapshot(tmp_path):
    policy = voters()
    file = tmp_path / "asset.csv"
    BARS.iloc[:90].to_csv(file)
    predictor = EnsemblePredictor(policy)
    told = predictor.predict_bars(f"csv:{file}")
    assert told == EnsemblePredictor(policy).predict(snapshot(policy, 89))
    assert told == EnsemblePredictor(policy).predict_bars(BARS.iloc[:90])
    with pytest.raises(SnapshotError, match="is before"):
        predictor.predict_bars(BARS.iloc[:80])
    with pytest.raises(SnapshotError, match="10 bars are too few"):
        EnsemblePredictor(policy).predict_bars(BARS.iloc[:10])
    with pytest.raises(SourceError):
        predictor.predict_bars(f"csv:{tmp_path / 'none.csv'}")


def test_a_day_trader_is_told_to_be_flat_at_the_close():
    policy = ensemble(unsure="close", enter_confidence=0.0)
    session = {"timezone": "UTC", "open": "00:00", "close": "06:00", "warmup_minutes": 0}
    config = policy.env_config.with_overrides({"session": session})
    trader = replace(policy, env_config=config, interval=pd.Timedelta("1h"))
    hourly = BARS.set_axis(pd.date_range("2001-01-01", periods=len(BARS), freq="1h", tz="UTC", name="time"))
    weights = {}
    for row in range(60, 160):
        answer = EnsemblePredictor(trader).predict_bars(hourly.iloc[: row + 1])
        weights.setdefault(hourly.index[row].hour, set()).add(answer.target_weight != 0.0)
        if hourly.index[row].hour == 5:
            assert answer.reason == "session closing: flat"
    assert weights[3] == {True}
    assert weights[5] == weights[12] == {False}


def test_every_prediction_is_told_of():
    policy = ensemble()
    heard = []
    predictor = EnsemblePredictor(policy, watch=heard.append)
    answers = [predictor.predict(snapshot(policy, row)) for row in (60, 61)]
    assert [each.answer for each in heard] == answers
    assert heard[0].observation["market"].shape == (4, len(heard[0].names)) == (4, 3)
    assert heard[1].time == BARS.index[61]
    assert 0 < heard[0].seconds < 5


def test_memory_does_not_grow_with_the_number_of_snapshots():
    policy = ensemble()
    predictor = EnsemblePredictor(policy)
    values = snapshot(policy, 60, form="features")
    times = (BARS.index[0] + pd.to_timedelta(np.arange(700), unit="min")).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [json.dumps(values | {"timestamp": time}) for time in times]

    def after(some):
        for line in some:
            predictor.predict(line)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        warm = after(lines[:200])
        assert after(lines[200:]) - warm < 10_000  # 20 bytes a snapshot: one that is kept would take hundreds
    finally:
        tracemalloc.stop()


def test_there_must_be_a_run(tmp_path):
    with pytest.raises(RunError, match="there is no run to predict with"):
        dltrader.EnsemblePredictor.open()
    with pytest.raises(RunError, match="there is no run folder"):
        dltrader.EnsemblePredictor.open(tmp_path / "none")


def test_the_ensemble_of_a_run_is_opened(tmp_path):
    opened, other = dltrader.EnsemblePredictor.open(run_of(tmp_path / "run")), EnsemblePredictor(voters())
    for row in range(50, 60):
        values = snapshot(voters(), row)
        assert opened.predict(values).to_json() == other.predict(values).to_json()
    assert opened.ensemble.models == tuple(AGENTS)


def test_an_altered_file_of_a_run_is_refused(tmp_path):
    run = run_of(tmp_path / "run")
    file = next(run.rglob("weights.safetensors"))
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match="altered"):
        EnsemblePredictor.open(run)


def test_runs_are_joined_with_equal_shares(tmp_path):
    runs = run_of(tmp_path / "a"), run_of(tmp_path / "b")
    joined = EnsemblePredictor.open(*runs).ensemble
    assert joined.models == ("ppo", "memory", "ppo_2", "memory_2")
    assert joined.weighting.among(joined.models) == pytest.approx(
        {"ppo": 0.2, "memory": 0.3, "ppo_2": 0.2, "memory_2": 0.3}
    )
    answer = EnsemblePredictor(joined).predict(snapshot(voters(), 60))
    assert answer.models_used == list(joined.models)
    alone = EnsemblePredictor(voters()).predict(snapshot(voters(), 60))
    assert answer.confidence_score == pytest.approx(alone.confidence_score)
