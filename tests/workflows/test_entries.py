from __future__ import annotations

import json
import logging
import math
import shutil
import sqlite3

import numpy as np
import pytest

from dltrader.data import fingerprint
from dltrader.envs.rewards import REWARDS, log_growth
from dltrader.evaluation.metrics import returns_of
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs import ledger as ledger_module
from dltrader.runs.ledger import Ledger
from dltrader.runs.trial import config_id
from dltrader.workflows.backtest import backtest_markets, backtest_run
from dltrader.workflows.entries import enter_result, enter_training, warn_of_unknown
from dltrader.workflows.many import train_many
from dltrader.workflows.resume import resume
from dltrader.workflows.train import train
from market_bars import random_walk
from small_runs import experiment

STANDING = ("trials", "trials_unknown", "test_looked_before")


@pytest.fixture
def standing(run):
    """A copy of the small run, of which this test's ledger has been told."""
    enter_training(run)
    return run


@pytest.fixture
def locked(ledger, monkeypatch):
    """A ledger that another process keeps to itself."""
    monkeypatch.setattr(ledger_module, "WAIT_SECONDS", 0.1)
    connection = sqlite3.connect(ledger, isolation_level=None)
    connection.execute("begin exclusive")
    yield ledger
    connection.rollback()
    connection.close()


def of(values):
    return tuple(values[key] for key in STANDING)


def entries():
    return Ledger.open().entries()


def test_a_training_is_entered_with_all_that_makes_it_a_trial(tmp_path):
    run = train(experiment({"seed": 3}), out=tmp_path / "run")
    (entry,) = entries()
    config, frames = run.config, run.config.data.load()
    index, best = frames["gbm"].index, run.manifest["best"]
    assert (entry.kind, entry.experiment, entry.seed, entry.engine) == ("train", "small", 3, "vector")
    assert (entry.status, entry.looked, entry.tested) == ("finished", False, None)
    assert (entry.config_id, entry.trial) == (config_id(config), run.manifest["trial"])
    assert entry.data.sha256 == fingerprint(frames) == run.manifest["data_sha256"]
    assert entry.data.uris == config.data.uris()
    assert (entry.data.train.first, entry.data.test.last) == (index[0], index[-1])
    assert (entry.data.validation.first, entry.data.test.first) == (index[int(300 * 0.7)], index[int(300 * 0.85)])
    assert entry.run == str(run.path.resolve())
    assert 0 <= entry.seconds < 60
    assert entry.scores.validation_growth == best["validation_growth"]
    row = run.curve.set_index("steps").loc[best["steps"]]
    assert entry.scores.validation_sharpe == pytest.approx(row["validation_sharpe"] / math.sqrt(252))
    assert of(run.manifest) == (1, None, 0)


def test_equal_trainings_are_one_trial_and_write_equal_policies(tmp_path):
    runs = [train(experiment({"name": name}), out=tmp_path / name) for name in ("one", "two")]
    assert [of(run.manifest) for run in runs] == [(1, None, 0), (1, None, 0)]
    assert len(entries()) == 2
    first, second = (run.path / "policy" / "weights.safetensors" for run in runs)
    assert first.read_bytes() == second.read_bytes()
    files = [sorted(path.name for path in run.path.rglob("*")) for run in runs]
    assert files[0] == files[1]


def test_a_training_that_failed_is_entered_and_is_no_trial_before_its_first_checkpoint(tmp_path):
    def bad(step):
        raise ZeroDivisionError("in my reward")

    REWARDS.register("ledger_bad", bad)
    with pytest.raises(ZeroDivisionError):
        train(experiment({"env.reward": "ledger_bad"}), out=tmp_path / "run")
    (entry,) = entries()
    assert (entry.status, entry.counts) == ("failed", False)
    assert of(Run.open(tmp_path / "run").manifest) == (0, None, 0)


def test_a_resumed_training_is_the_same_trial(tmp_path):
    class Interrupt:
        left = 200

        def __call__(self, step):
            Interrupt.left -= 1
            if Interrupt.left == 0:
                raise KeyboardInterrupt
            return log_growth(step)

    REWARDS.register("ledger_interrupt", Interrupt())
    changes = {"env.reward": "ledger_interrupt", "train.engine": "cerebro", "train.total_timesteps": 384}
    run = train(experiment(changes), out=tmp_path / "run")
    assert run.manifest["status"] == "interrupted"
    assert resume(run).manifest["status"] == "finished"
    first, second = entries()
    assert (first.status, second.status) == ("interrupted", "finished")
    assert first.trial == second.trial
    assert of(run.manifest) == (1, None, 0)


def test_a_hook_makes_another_trial(tmp_path):
    def slower(cerebro):
        pass

    small = experiment({"train.engine": "cerebro", "train.total_timesteps": 128})
    train(small, out=tmp_path / "plain")
    run = train(small, prepare=slower, out=tmp_path / "hooked")
    assert run.manifest["trials"] == 2


def test_bars_that_were_handed_over_are_known_by_their_name(tmp_path):
    bars = random_walk(300)
    train(experiment(), bars={"mine": bars}, out=tmp_path / "one")
    longer = train(experiment(), bars={"mine": random_walk(310)}, out=tmp_path / "two")
    other = train(experiment(), bars={"other": random_walk(310, seed=4)}, out=tmp_path / "three")
    assert [run.manifest["trials"] for run in (longer, other)] == [2, 1]
    assert entries()[0].data.markets == ["memory:mine"]


def test_a_backtest_on_the_test_bars_is_a_look_and_the_next_is_told(standing):
    result = backtest_run(standing)
    assert of(standing.metrics) == (1, None, 0)
    trained, tested = entries()
    assert tested.trial == trained.trial
    assert tested.looked
    index = result.equity.index
    assert tested.tested == (index[0], index[-1]) == tested.data.test
    returns = returns_of(result.equity).to_numpy()
    scores = tested.scores
    assert scores.growth == pytest.approx(math.log(result.equity.iloc[-1] / result.equity.iloc[0]))
    assert scores.sharpe * math.sqrt(scores.periods_per_year) == pytest.approx(result.metrics["sharpe"])
    apart = (returns - returns.mean()) / returns.std()
    assert (scores.returns, scores.max_drawdown) == (len(returns), result.metrics["max_drawdown"])
    assert scores.skewness == pytest.approx(np.mean(apart**3))
    assert scores.kurtosis == pytest.approx(np.mean(apart**4))
    backtest_run(standing, keep=False)
    backtest_run(standing, end="2001-01-31")
    assert of(standing.metrics) == (1, None, 2)


def test_the_next_training_on_these_bars_is_told_too(standing, tmp_path):
    backtest_run(standing)
    again = train(experiment({"seed": 9, "data.test_start": 0.95}), out=tmp_path / "again")
    assert of(again.manifest) == (2, None, 1)


def test_bars_before_the_test_are_no_look(standing):
    backtest_run(standing, start="2000-10-24", end="2000-12-20")
    assert not entries()[-1].looked
    backtest_run(standing)
    assert standing.metrics["test_looked_before"] == 0


def test_other_bars_are_test_bars(standing):
    for before in range(2):
        backtest_run(standing, bars="synthetic:ou?n=100&seed=3")
        assert of(standing.metrics) == (1, None, before)
    entry = entries()[-1]
    assert entry.looked
    assert (entry.data.uris, entry.data.train) == ({"ou": "synthetic:ou?n=100&seed=3"}, None)


def test_a_checkpoint_that_was_not_the_best_is_a_trial_more(standing):
    best = standing.manifest["best"]["steps"]
    for which in ("best", best):
        backtest_run(standing, which=which)
        assert standing.metrics["trials"] == 1
    other = next(one["steps"] for one in standing.manifest["checkpoints"] if one["steps"] != best)
    backtest_run(standing, which=other)
    assert standing.metrics["trials"] == 2
    backtest_run(standing, which="final")
    assert standing.metrics["trials"] == 2  # it is one of the two


def test_each_of_several_markets_is_a_look_at_it(tmp_path):
    bars = ["synthetic:gbm?n=300&seed=1", "synthetic:ou?n=300&seed=2"]
    run = train(experiment({"data.bars": bars}), out=tmp_path / "run")
    backtest_markets(run)
    backtest_run(run, market="ou")
    assert run.metrics["test_looked_before"] == 1
    assert [list(entry.data.uris) for entry in entries()] == [["gbm", "ou"], ["gbm"], ["ou"], ["ou"]]
    backtest_markets(run)
    found = {name: json.loads((run.path / "backtest" / name / "metrics.json").read_text()) for name in ("gbm", "ou")}
    assert [found[name]["test_looked_before"] for name in ("gbm", "ou")] == [1, 2]
    assert {one["trials"] for one in found.values()} == {1}


def test_a_run_of_an_earlier_version_is_entered_as_far_as_it_is_known(run):
    manifest = {key: value for key, value in run.manifest.items() if key not in {"kind", "trial", "data", *STANDING}}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    backtest_run(run)
    assert of(run.metrics) == (1, None, 0)
    assert entries()[0].looked


@pytest.mark.parametrize("which", ["locked", "not there"])
def test_without_a_ledger_the_run_goes_on_and_says_so(which, tmp_path, request, monkeypatch, caplog):
    if which == "locked":
        request.getfixturevalue("locked")
    else:
        (tmp_path / "file").touch()
        monkeypatch.setenv("DLTRADER_LEDGER", str(tmp_path / "file" / "trials.db"))
    run = train(experiment(), out=tmp_path / "run")
    backtest_run(run)
    assert run.manifest["status"] == "finished"
    for kept in (run.manifest, run.metrics):
        assert (kept["trials"], kept["test_looked_before"]) == (None, None)
        assert "cannot be used" in kept["trials_unknown"]
    assert len(caplog.records) == 2
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert "the run goes on, and how many trials stand behind it is unknown" in caplog.text


def test_a_ledger_that_is_off_is_unknown_and_gives_no_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("DLTRADER_LEDGER", "off")
    run = train(experiment(), out=tmp_path / "run")
    assert of(run.manifest) == (None, "the trial ledger is switched off (DLTRADER_LEDGER=off)", None)
    assert caplog.records == []


def test_workers_write_to_the_ledger_of_their_starter(tmp_path):
    small = ExperimentConfig.load(experiment({"train.total_timesteps": 128, "seed": 5}))
    trained = train_many([small], out=tmp_path / "many")
    assert [each.status for each in trained] == ["finished"]
    assert [(entry.seed, entry.run) for entry in entries()] == [(5, str(trained[0].path.resolve()))]
    assert trained[0].run.manifest["trials"] == 1


def test_of_many_it_is_said_once_that_they_are_unknown(run, tmp_path, caplog):
    manifest = run.manifest | {"trials": None, "trials_unknown": "it is locked"}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    shutil.copytree(run.path, tmp_path / "other")
    warn_of_unknown([run.path, tmp_path / "other", tmp_path / "nothing"])
    (record,) = caplog.records
    assert record.getMessage().startswith("LedgerError: it is locked; so it was for 2 training(s)")


def test_a_walk_forward_is_a_trial_and_its_folds_are_not(tmp_path, run):
    spans = {
        "train": [["2000-01-03", "2000-08-01"]],
        "validation": ["2000-08-02", "2000-10-02"],
        "test": [["2000-10-03", "2000-12-01"]],
    }
    fold = train(experiment({"data.spans": spans, "train.total_timesteps": 128}), out=tmp_path / "fold")
    result = backtest_run(run, keep=False)
    whole = ExperimentConfig.load(experiment({"train.total_timesteps": 128}))
    sha256 = fold.manifest["data_sha256"]
    assert of(fold.manifest) == (0, None, 0)
    found = enter_result("walk-forward", whole, result, sha256=sha256, folder=str(tmp_path), seconds=1.0)
    assert of(found) == (2, None, 1)  # with the run and the backtest that stand in for what folds come to
    trained, _, stitched = entries()
    assert (trained.kind, stitched.kind) == ("walk-forward fold", "walk-forward")
    assert (stitched.looked, trained.looked) == (True, False)
    assert str(trained.data.test.last.date()) == "2000-12-01"


def test_a_run_keeps_where_a_provider_s_bars_came_from(tmp_path):
    bars = random_walk(300)
    origin = {"provider": "stooq", "fetched_at": "2024-01-02T00:00:00+00:00", "adjusted": "splits", "sha256": "0" * 64}
    bars.attrs.update(origin)
    run = train(experiment(), bars={"kept": bars}, out=tmp_path / "run")
    assert run.manifest["data"]["origins"] == {"kept": origin}
