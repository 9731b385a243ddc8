"""From a configuration to a backtest, on what is seen beside the bars that are traded."""

from __future__ import annotations

import numpy as np
import pytest

from dltrader.data import fingerprint, load_bars
from dltrader.errors import ConfigError, RunError, SourceError
from dltrader.evaluation.backtest import backtest
from dltrader.runs import Run
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.resume import resume
from dltrader.workflows.train import train
from small_runs import experiment

OTHER = "synthetic:gbm?n=320&sigma=0.2&seed=9"
SEEN = {
    "env.features": [
        "log_return",
        {"name": "rsi", "window": 2, "interval": "1W"},
        {"name": "log_return", "market": "index", "horizon": 3},
        {"name": "range", "market": "index", "interval": "1ME"},
    ],
    "env.context": {"index": OTHER},
}


def few(changes=None):
    return experiment(SEEN | (changes or {}))


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
def test_a_policy_learns_from_weeks_and_another_market_and_is_tested_on_them(tmp_path, engine):
    run = train(few({"train.engine": engine}), out=tmp_path / "run")
    assert run.manifest["status"] == "finished"
    policy = Run.open(run.path).policy()
    assert policy.pipeline.names == ("log_return_1", "rsi_2@1W", "index:log_return_3", "index:range@1ME")
    assert policy.pipeline.context == ("index",)
    result = backtest_run(run)
    bars, context = run.config.data.load(), {"index": load_bars(OTHER)}
    again = backtest(policy, bars, start=run.config.data.cut(bars).test[1], context=context)
    np.testing.assert_array_equal(result.equity, again.equity)


def test_the_fingerprint_of_a_run_covers_what_it_sees(tmp_path):
    frames = {"asset": load_bars("synthetic:gbm?n=300&sigma=0.3&seed=5")}
    context = {"index": load_bars(OTHER)}
    assert fingerprint(frames) == fingerprint(frames, {}) != fingerprint(frames, context)
    assert fingerprint(frames, context) != fingerprint(frames | context)
    run = train(few(), bars=frames, context=context, out=tmp_path / "run")
    assert run.manifest["data_sha256"] == fingerprint(frames, context)
    assert run.config.env.context == {"index": "memory:index"}
    with pytest.raises(SourceError, match="the bars of index were handed over"):
        backtest(run.policy(), frames)
    assert len(backtest(run.policy(), frames, context=context).equity) > 100


def test_a_training_is_resumed_only_on_what_it_saw(tmp_path, monkeypatch):
    handed = {"bars": load_bars("synthetic:gbm?n=300&sigma=0.3&seed=5"), "context": {"index": load_bars(OTHER)}}
    whole = train(few(), **handed, out=tmp_path / "whole")
    keep = Run.keep_state

    def last(self, state, steps):
        keep(self, state, steps)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "keep_state", last)
        run = train(few(), **handed, out=tmp_path / "run")
    assert run.manifest["status"] == "interrupted"
    with pytest.raises(RunError, match="have changed since it began"):
        resume(run, bars=handed["bars"], context={"index": load_bars(OTHER.replace("seed=9", "seed=8"))})
    assert resume(run, **handed).manifest["status"] == "finished"
    weights, expected = run.policy("final").weights(), whole.policy("final").weights()
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_what_is_missing_is_named_before_there_is_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="index:log_return_3 looks at 'index', whose bars are not there"):
        train(few({"env.context": {}}), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_the_day_trading_preset_learns_and_is_flat_over_night(tmp_path):
    run = train(
        "day_trading",
        {
            "data.bars": "synthetic:sine?n=5850&interval=1min&session=09:30-16:00&timezone=America/New_York"
            "&start=2024-03-04&period=40&amplitude=0.0015",
            "train.total_timesteps": 512,
            "train.n_envs": 8,
            "train.evaluate_every": 512,
        },
        out=tmp_path / "run",
    )
    result = backtest_run(run, keep=False)
    local = result.position.tz_convert("America/New_York")
    assert (local.at_time("16:00") == 0).all(axis=None)
    assert (local.between_time("09:31", "09:40") == 0).all(axis=None)
    assert len(result.equity) > 700
