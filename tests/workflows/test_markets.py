"""Training on a set of markets, on frames at hand, and with a hook."""

from __future__ import annotations

import math

import backtrader as bt
import numpy as np
import pytest

from dltrader.envs.markets import Markets
from dltrader.errors import BarsError, ConfigError, SourceError
from dltrader.evaluation.backtest import backtest
from dltrader.runs import Run
from dltrader.workflows.backtest import backtest_markets, backtest_run
from dltrader.workflows.plot import plot_run
from dltrader.workflows.train import train
from market_bars import random_walk
from small_runs import experiment

NAMES = ("AAPL", "IBM", "KO")
SET = {
    "data.bars": [f"csv:{name}.csv" for name in NAMES],
    "env.episode_bars": 40,
    "env.random_start": True,
    "train.total_timesteps": 512,
}


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """Three markets of different length, as files in the folder that the test works in."""
    monkeypatch.chdir(tmp_path)
    found = {name: random_walk(260 + 20 * i, seed=i) for i, name in enumerate(NAMES)}
    for name, frame in found.items():
        frame.to_csv(f"{name}.csv")
    return found


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
def test_a_run_learns_on_every_market_of_its_set(frames, engine, monkeypatch):
    drawn = []
    build = Markets.build.__func__
    monkeypatch.setattr(
        Markets, "build", classmethod(lambda cls, bars, *a, **k: drawn.append(bars) or build(cls, bars, *a, **k))
    )
    run = train(experiment(SET | {"train.engine": engine}), out="run")
    assert set(drawn[0]) == set(NAMES)
    assert run.policy().instruments == ("AAPL or IBM or KO",)
    # Cut at the same times, whatever each has of bars.
    slices = run.config.data.cut(run.config.data.load())
    last = max(frame.index[-1] for frame in slices.train.values())
    assert last < slices.validation[1] < slices.test[1]


def test_validation_growth_is_the_mean_over_the_markets(frames):
    run = train(experiment(SET | {"train.evaluate_every": 512}), out="run")
    bars, start = run.config.data.cut(frames).validation
    growths = []
    for name, frame in bars.items():
        equity = backtest(run.policy("final"), {name: frame}, start=start).equity
        growths.append(math.log(equity.iloc[-1] / equity.iloc[0]))
    assert len(growths) >= 2
    assert run.manifest["best"]["validation_growth"] == pytest.approx(np.mean(growths), abs=1e-12)


def test_every_market_is_backtested_and_drawn_by_itself(frames):
    run = train(experiment(SET), out="run")
    results = backtest_markets(run)
    start = run.config.data.cut(frames).test[1]
    for name, result in results.items():
        alone = backtest(run.policy(), {name: frames[name]}, start=start)
        assert result.metrics["total_return"] == alone.metrics["total_return"]
        assert (run.path / "backtest" / name / "metrics.json").is_file()
    assert [file.name for file in plot_run(run)] == [*(f"backtest-{name}.png" for name in results), "training.png"]
    one = backtest_run(run, market="KO", keep=False)
    assert one.equity.equals(results["KO"].equity)
    with pytest.raises(ConfigError, match="none was named; pass market="):
        backtest_run(run)
    with pytest.raises(ConfigError, match="'FB' is none of them"):
        backtest_run(run, market="FB")
    with pytest.raises(ConfigError, match=r"market 'KO' is chosen among .* leave it out"):
        backtest_run(run, market="KO", bars="csv:KO.csv")


def test_names_to_uris_are_markets_apart_where_the_configuration_says_so(frames):
    named = {"data.bars": {name: f"csv:{name}.csv" for name in NAMES}, "data.trade": "apart"}
    assert train(experiment(SET | named), out="run").policy().action_space.n == 3


def test_a_wildcard_is_a_set(frames):
    assert train(experiment(SET | {"data.bars": "csv:*.csv"}), out="run").policy().instruments == ("AAPL or IBM or KO",)


def test_markets_of_a_set_that_do_not_fit_are_named(frames):
    frames["KO"].iloc[:30].to_csv("KO.csv")
    with pytest.raises(BarsError, match="KO: 30 bars are too few"):
        train(experiment(SET), out="run")
    random_walk(5).to_csv("ZZ.csv")
    frames["KO"].to_csv("KO.csv")
    with pytest.raises(ConfigError, match="two instruments are called KO"):
        train(experiment(SET | {"data.bars": ["csv:*.csv", "csv:./KO.csv"]}), out="run")


def test_frames_at_hand_are_trained_on_and_their_names_kept(frames):
    run = train(experiment({"data.trade": "apart"}), bars=frames, out="run")
    again = train(
        experiment(SET | {"env.episode_bars": None, "env.random_start": False, "train.total_timesteps": 256}),
        out="again",
    )
    assert run.manifest["data_sha256"] == again.manifest["data_sha256"]
    best, other = run.policy("final").weights(), again.policy("final").weights()
    assert all((best[name] == other[name]).all() for name in best)
    assert Run.open("run").config.data.bars == {name: f"memory:{name}" for name in NAMES}
    with pytest.raises(SourceError, match="AAPL were handed over as a frame and are not kept"):
        backtest_markets(Run.open("run"))
    single = train(experiment(), bars=frames["KO"], out="single")
    assert single.policy().instruments == ("asset",)


class TenAtMost(bt.Sizer):
    """Buys and sells ten, whatever was asked for."""

    def _getsizing(self, comminfo, cash, data, isbuy):
        return 10


def test_a_hook_that_changes_the_broker_needs_cerebro(tmp_path):
    seen = []

    def hook(cerebro):
        seen.append(cerebro)
        cerebro.addsizer(TenAtMost)

    with pytest.raises(ConfigError, match=r"train.engine is vector, which has none: .* set train.engine: cerebro"):
        train(experiment({"train.engine": "vector"}), prepare=hook, out=tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    assert seen == []
    run = train(experiment({"train.engine": "cerebro"}), prepare=hook, out=tmp_path / "run")
    assert run.manifest["status"] == "finished"
    assert len(seen) > 2
