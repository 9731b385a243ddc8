from __future__ import annotations

import json
from functools import partial

import pandas as pd
import pytest

from dltrader.agents.baselines import Flat
from dltrader.envs.contract import EnvConfig
from dltrader.errors import BarsError, BundleError, ConfigError, RunError, SourceError
from dltrader.evaluation.backtest import backtest
from dltrader.runs import Run
from dltrader.workflows import backtest as workflow
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.train import train
from small_runs import experiment


def test_a_run_is_backtested_on_its_own_test_bars(run):
    result = backtest_run(run)
    bars, start = run.config.data.cut(run.config.data.load()).test
    assert (result.equity.index[0], result.equity.index[-1]) == (start, bars["gbm"].index[-1])
    expected = backtest(run.policy("best"), bars, start=start)
    pd.testing.assert_series_equal(result.equity, expected.equity)
    assert result.benchmark.equity.index.equals(result.equity.index)
    assert result.policy == "ppo (mlp)"


def test_what_was_found_is_kept(run):
    result = backtest_run(run)
    folder = run.path / "backtest"
    assert sorted(path.name for path in folder.iterdir()) == [
        "equity.csv",
        "metrics.json",
        "orders.csv",
        "trades.csv",
    ]
    kept = json.loads((folder / "metrics.json").read_text())
    assert (kept["bars"], kept["policy"]) == (run.config.data.bars, "best")
    assert (kept["start"], kept["end"]) == (str(result.equity.index[0]), str(result.equity.index[-1]))
    assert kept["metrics"]["total_return"] == result.metrics["total_return"]
    assert kept["buy_and_hold"]["total_return"] == result.benchmark.metrics["total_return"]
    assert kept["same_exposure"]["total_return"] == result.matched.metrics["total_return"]
    assert kept["behaviour"]["collapse"] == result.behaviour.collapse
    for name, value in result.behaviour.numbers.items():
        assert kept["behaviour"][name] == pytest.approx(value, rel=1e-12)
    assert run.metrics == kept
    equity = pd.read_csv(folder / "equity.csv", index_col="time", parse_dates=True)
    assert equity["equity"].tolist() == result.equity.tolist()
    assert equity["buy_and_hold"].tolist() == result.benchmark.equity.tolist()
    assert equity["same_exposure"].tolist() == result.matched.equity.tolist()
    assert len(pd.read_csv(folder / "orders.csv")) == len(result.orders)
    assert len(pd.read_csv(folder / "trades.csv")) == len(result.trades)


def test_what_never_traded_is_kept_without_a_matched_baseline(run, monkeypatch):
    monkeypatch.setattr(Run, "policy", lambda *_: Flat())
    monkeypatch.setattr(workflow, "backtest", partial(backtest, config=EnvConfig()))
    backtest_run(run)
    assert run.metrics["same_exposure"] is None
    assert pd.read_csv(run.path / "backtest" / "equity.csv")["same_exposure"].isna().all()
    assert run.metrics["behaviour"] == {
        "collapse": "never traded",
        "net_exposure": 0.0,
        "in_market": 0.0,
        "fills_per_bar": 0.0,
        "flips": 0.0,
        "exposure_entropy": 0.0,
        "correlation": None,
    }


def test_a_later_backtest_takes_the_place_of_the_older(run):
    backtest_run(run)
    backtest_run(run, bars="synthetic:ou?n=100", which="final")
    assert (run.metrics["bars"], run.metrics["policy"]) == ("synthetic:ou?n=100", "final")
    assert [path.name for path in run.path.glob(".*")] == []


def test_other_bars_are_traded_from_the_first_on(run):
    result = backtest_run(run, bars="synthetic:ou?n=100&seed=3")
    assert list(result.bars) == ["ou"]
    # One bar warms the return up, and the window takes four.
    assert len(result.equity) == 100 - 1 - 4 + 1


def test_start_and_end_bound_the_decisions(run):
    result = backtest_run(run, bars="synthetic:ou?n=100", start="2000-03-01", end="2000-03-31")
    assert str(result.equity.index[0].date()) == "2000-03-01"
    assert str(result.equity.index[-1].date()) == "2000-03-31"
    own = backtest_run(run, start="2000-12-01", end="2001-01")
    assert (str(own.equity.index[0].date()), str(own.equity.index[-1].date())) == ("2000-12-01", "2001-01-31")


def test_checkpoints_can_be_chosen(run):
    equities = {which: backtest_run(run, which=which).equity for which in (128, 256, "final", "best")}
    assert equities[256].equals(equities["final"])
    assert equities["best"].equals(equities[run.manifest["best"]["steps"]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start": "soon"}, ConfigError, "start must be a date or time such as '2010-01-31', was 'soon'"),
        ({"end": "soon"}, ConfigError, "end must be a date or time such as '2010-01-31', was 'soon'"),
        ({"bars": "csv:nowhere.csv"}, SourceError, "nowhere.csv"),
        ({"bars": "synthetic:ou?n=5"}, BarsError, "5 bars are too few: 1 warm the features up, the window takes 4"),
        ({"end": "2000-06-01"}, BarsError, "no step can be taken from"),
        ({"which": 5}, RunError, "has no policy 5 (status finished); it has checkpoints [128, 256]"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(run, options, error, message):
    with pytest.raises(error) as caught:
        backtest_run(run, **options)
    assert message in str(caught.value)
    assert not (run.path / "backtest").exists()


def test_a_portfolio_policy_trades_as_many_instruments_as_it_learned_on(tmp_path):
    uris = {"a": "synthetic:gbm?n=300&seed=1", "b": "synthetic:gbm?n=300&seed=2"}
    run = train(experiment({"data.bars": uris}), out=tmp_path / "run")
    assert list(backtest_run(run).position.columns) == ["a", "b"]
    others = {"c": "synthetic:gbm?n=100&seed=3", "d": "synthetic:gbm?n=100&seed=4"}
    assert list(backtest_run(run, bars=others).position.columns) == ["c", "d"]
    assert run.metrics["bars"] == others
    with pytest.raises(BundleError) as caught:
        backtest_run(run, bars="synthetic:gbm?n=300")
    assert str(caught.value) == "the policy trades 2 instrument(s) (a, b), was given 1 (gbm); give as many"
