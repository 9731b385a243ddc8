from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from dltrader.data import fingerprint, load_bars
from dltrader.envs.rewards import REWARDS, log_growth
from dltrader.errors import BarsError, BundleError, ConfigError, RunError, SourceError, UnknownNameError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.behaviour import Collapse
from dltrader.files import sha256_of
from dltrader.runs import Run
from dltrader.workflows import recorder
from dltrader.workflows.recorder import TRADING, Validation, collapse_on_all
from dltrader.workflows.train import train
from market_bars import random_walk
from small_runs import experiment

CURVE = [
    "steps",
    "bars_per_second",
    "episode_growth",
    "validation_growth",
    "policy_entropy",
    "value_loss",
    "learning_rate",
    "validation_collapsed",
    *(f"validation_{name}" for name in TRADING),
]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def policy_hashes(run):
    return {name: sha256_of(run.path / name) for name in files_in(run.path) if "policy" in name or "weights" in name}


class Interrupt:
    """A reward that is interrupted after so many bars."""

    def __init__(self, after, error):
        self.left, self.error = after, error

    def __call__(self, step):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return log_growth(step)


def interrupted_by(name, after, error):
    return REWARDS.register(name, Interrupt(after, error))


def test_the_folder_explains_the_training(trained):
    assert files_in(trained.path) == [
        "checkpoints/000000128/policy.json",
        "checkpoints/000000128/weights.safetensors",
        "checkpoints/000000256/policy.json",
        "checkpoints/000000256/weights.safetensors",
        "config.yaml",
        "manifest.json",
        "policy/policy.json",
        "policy/weights.safetensors",
        "training.csv",
    ]
    manifest, curve = trained.manifest, trained.curve
    assert (manifest["status"], manifest["name"], manifest["seed"]) == ("finished", "small", 0)
    assert manifest["data_sha256"] == fingerprint({"gbm": load_bars("synthetic:gbm?n=300&sigma=0.3&seed=5")})
    assert manifest["ended"] >= manifest["started"]
    assert list(curve.columns) == CURVE
    assert curve["steps"].tolist() == [128, 256]
    assert np.isfinite(curve[["bars_per_second", "validation_growth", "policy_entropy", "value_loss"]]).all(axis=None)
    config = yaml.safe_load((trained.path / "config.yaml").read_text())
    costs = {"commission": 0.001, "slippage": 0.0005, "per_unit": 0.0, "impact": 0.0}
    assert config["env"]["costs"] == costs  # defaults stand there too


def test_the_checkpoint_that_grew_most_on_validation_bars_is_the_best(trained):
    data = trained.config.data
    bars, start = data.cut(data.load()).validation
    growths = {}
    for checkpoint in trained.manifest["checkpoints"]:
        equity = backtest(trained.policy(checkpoint["steps"]), bars, start=start).equity
        growths[checkpoint["steps"]] = math.log(equity.iloc[-1] / equity.iloc[0])
        assert checkpoint["validation_growth"] == pytest.approx(growths[checkpoint["steps"]], abs=1e-12)
        assert equity.index[0] == start
    best = trained.manifest["best"]
    assert best["validation_growth"] == max(
        checkpoint["validation_growth"] for checkpoint in trained.manifest["checkpoints"]
    )
    assert trained.curve["validation_growth"].max() == pytest.approx(best["validation_growth"])


def test_checkpoints_say_how_they_collapsed_on_the_validation_bars(trained):
    data = trained.config.data
    bars, start = data.cut(data.load()).validation
    for checkpoint in trained.manifest["checkpoints"]:
        result = backtest(trained.policy(checkpoint["steps"]), bars, start=start, benchmark=False)
        assert checkpoint["behaviour"] == result.behaviour.collapse
        row = trained.curve.set_index("steps").loc[checkpoint["steps"]]
        assert row["validation_collapsed"] == (checkpoint["behaviour"] is not None)
        for name, value in {"turnover": result.metrics["turnover"], **result.behaviour.numbers}.items():
            if name in TRADING:
                assert row[f"validation_{name}"] == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ([None], None),
        ([Collapse.IDLE], "never traded"),
        ([Collapse.IDLE, None], None),
        ([Collapse.BOUGHT, Collapse.BOUGHT], "bought once and held"),
        ([Collapse.BOUGHT, Collapse.IDLE, Collapse.BOUGHT], "bought once and held or never traded"),
    ],
)
def test_a_policy_has_collapsed_where_it_did_on_every_market(ways, expected):
    assert collapse_on_all([Validation(0.0, way, {}) for way in ways]) == expected


def test_an_early_best_stays_the_best(tmp_path, monkeypatch):
    ways = [None, Collapse.BOUGHT, None, None]
    found = map(Validation, [0.1, 0.4, 0.2, 0.3], ways, [{"turnover": turnover} for turnover in (9.0, 1.0, 2.0, 3.0)])
    monkeypatch.setattr(recorder, "validation", lambda *_, **__: next(found))
    run = train(experiment({"train.total_timesteps": 512}), out=tmp_path / "run")
    assert run.manifest["best"] == {"steps": 256, "validation_growth": 0.4, "behaviour": "bought once and held"}
    best, second = run.policy("best").weights(), run.policy(256).weights()
    assert all(torch.equal(best[name], second[name]) for name in best)
    assert run.curve["validation_growth"].tolist() == [0.1, 0.4, 0.2, 0.3]
    assert run.curve["validation_collapsed"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert run.curve["validation_turnover"].tolist() == [9.0, 1.0, 2.0, 3.0]


def test_the_last_policy_is_validated_where_no_checkpoint_was_due(tmp_path):
    run = train(experiment({"train.evaluate_every": 10_000}), out=tmp_path / "run")
    assert [checkpoint["steps"] for checkpoint in run.manifest["checkpoints"]] == [256]
    assert run.curve["validation_growth"].isna().tolist() == [True, False]


def test_how_often_is_validated_changes_no_weight(trained, tmp_path):
    seldom = train(experiment({"train.evaluate_every": 10_000}), out=tmp_path / "run")
    assert sha256_of(seldom.path / "policy" / "weights.safetensors") == sha256_of(
        trained.path / "policy" / "weights.safetensors"
    )


def csv_of(bars, file):
    bars.to_csv(file)
    return f"csv:{file}"


def test_test_bars_change_no_weight_and_no_choice(tmp_path):
    bars = random_walk(300, 1)
    other = bars.copy()
    test = bars.index >= "2001-09-13"
    other.loc[test] = random_walk(300, 2, volatility=0.1, price=7.0).loc[test]
    changes = {"data.validation_start": "2001-07-30", "data.test_start": "2001-09-13", "train.total_timesteps": 384}
    runs = []
    for name, frame in {"one": bars, "other": other}.items():
        (tmp_path / name).mkdir()
        uri = csv_of(frame, tmp_path / name / "asset.csv")
        runs.append(train(experiment(changes | {"data.bars": uri}), out=tmp_path / name / "run"))
    one, corrupted = runs
    assert one.manifest["data_sha256"] != corrupted.manifest["data_sha256"]
    assert test.sum() == 45
    assert policy_hashes(one) == policy_hashes(corrupted)
    for key in ("checkpoints", "best"):
        assert one.manifest[key] == corrupted.manifest[key]


def test_validation_bars_change_the_choice_but_no_weight(tmp_path):
    bars = random_walk(300, 1)
    other = bars.copy()
    validation = (bars.index >= "2001-07-30") & (bars.index < "2001-09-13")
    other.loc[validation] = random_walk(300, 2, volatility=0.1).loc[validation]
    changes = {"data.validation_start": "2001-07-30", "data.test_start": "2001-09-13"}
    runs = []
    for name, frame in {"one": bars, "other": other}.items():
        uri = csv_of(frame, tmp_path / f"{name}.csv")
        runs.append(train(experiment(changes | {"data.bars": {"asset": uri}}), out=tmp_path / name))
    assert policy_hashes(runs[0]) == policy_hashes(runs[1])
    assert runs[0].manifest["checkpoints"] != runs[1].manifest["checkpoints"]


# Rollouts of 128 bars and validations of 44 take turns: 150 is in the first validation, 400 in the third rollout.
@pytest.mark.parametrize(("after", "checkpoints"), [(150, 0), (400, 2)])
def test_an_interrupted_training_leaves_a_run_that_can_be_loaded(tmp_path, after, checkpoints):
    interrupted_by(f"interrupted_after_{after}", after, KeyboardInterrupt())
    # In Cerebro a reward is asked for once a bar of every environment: that can be counted.
    changes = {"env.reward": f"interrupted_after_{after}", "train.total_timesteps": 10_000, "train.engine": "cerebro"}
    run = train(experiment(changes), out=tmp_path / "run")
    assert run.manifest["status"] == "interrupted"
    assert run.manifest["ended"] is not None
    assert len(run.manifest["checkpoints"]) == checkpoints
    reopened = Run.open(run.path)
    result = backtest(reopened.policy("final"), random_walk(80))
    assert len(result.equity) == 80 - reopened.policy().pipeline.warmup_bars - 3


def test_interrupted_before_the_first_update_it_leaves_the_policy_it_began_with(tmp_path):
    interrupted_by("interrupted_at_once", 5, KeyboardInterrupt())
    run = train(experiment({"env.reward": "interrupted_at_once"}), out=tmp_path / "run")
    assert run.manifest["status"] == "interrupted"
    assert run.manifest["checkpoints"] == []
    result = backtest(Run.open(run.path).policy(), random_walk(80))
    assert len(result.equity) > 70


def test_interrupted_during_the_last_validation_the_run_is_interrupted(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder, "validation", interrupt)
    run = train(experiment({"train.evaluate_every": 10_000}), out=tmp_path / "run")
    assert run.manifest["status"] == "interrupted"
    assert run.policy().name == "ppo (mlp)"


def test_what_a_reward_raises_arrives_and_the_run_is_failed(tmp_path):
    interrupted_by("broken_reward", 200, ZeroDivisionError("in my reward"))
    with pytest.raises(ZeroDivisionError, match=r"^in my reward$") as caught:
        train(experiment({"env.reward": "broken_reward"}), out=tmp_path / "run")
    assert caught.traceback[-1].name == "__call__"
    manifest = Run.open(tmp_path / "run").manifest
    assert (manifest["status"], manifest["error"]) == ("failed", "ZeroDivisionError: in my reward")


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="already exists; choose another --out or remove it"):
        train(experiment(), out=tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data.bars": "synthetic:gbm?n=5"}, BarsError, "3 bars are too few: 1 warm the features up"),
        # Trained on 50 bars of which the last tenth is too little for one step.
        ({"data.test_start": 0.999}, BarsError, "no step can be taken from"),
        ({"agent.batch_size": 100}, ConfigError, "agent.batch_size must divide the 128 bars of an update"),
        ({"train.device": "gpu"}, ConfigError, "train.device must be cpu, cuda or auto, was 'gpu'"),
        ({"data.bars": "csv:nowhere.csv"}, SourceError, "nowhere.csv"),
        ({"data.bars": "smaple:AAPL"}, UnknownNameError, "unknown source 'smaple'; did you mean 'sample'?"),
        ({"env.reward": lambda step: 0.0}, ConfigError, "register it first"),
        ({"train.n_envs": 2**40}, ConfigError, "1099511627776 lanes take about"),
        ({"train.n_envs": 64, "agent.n_steps": 2**40}, ConfigError, "64 lanes of a rollout take about"),
        ({"train.n_env": 2}, ConfigError, "unknown key 'train.n_env'; did you mean 'train.n_envs'?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, monkeypatch, changes, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        train(experiment(changes))
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_runs_are_named_after_the_experiment_and_the_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = train(experiment({"train.total_timesteps": 1}))
    assert run.path.parent.name == "runs"
    assert run.path.name.startswith("small-20")
    assert [found.path for found in Run.all_in("runs")] == [run.path]


def test_a_portfolio_is_trained_on_common_times(tmp_path):
    uris = {"a": "synthetic:gbm?n=300&seed=1", "b": "synthetic:gbm?n=280&seed=2"}
    run = train(experiment({"data.bars": uris}), out=tmp_path / "run")
    assert run.policy().instruments == ("a", "b")
    assert run.policy().action_space.nvec.tolist() == [3, 3]


def test_progress_is_shown_when_asked_for(tmp_path, capsys):
    train(experiment(), out=tmp_path / "loud", progress=True)
    assert "small" in capsys.readouterr().out
    train(experiment(), out=tmp_path / "quiet")
    assert capsys.readouterr().out == ""


def test_two_processes_write_the_same_policy_files(trained, tmp_path):
    script = """
        import sys
        from dltrader.workflows.train import train
        from small_runs import experiment
        train(experiment(), out=sys.argv[1])
    """
    for name in ("one", "two"):
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(tmp_path / name)]
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
    hashes = [policy_hashes(Run.open(tmp_path / name)) for name in ("one", "two")]
    assert hashes[0] == hashes[1] == policy_hashes(trained)
    assert len(set(hashes[0].values())) == 4  # the final policy is the last checkpoint's


def test_another_seed_writes_another_policy(trained, tmp_path):
    other = train(experiment({"seed": 1}), out=tmp_path / "run")
    weights = "policy/weights.safetensors"
    assert policy_hashes(other)[weights] != policy_hashes(trained)[weights]


def test_a_training_may_begin_with_what_another_has_learned(trained, tmp_path):
    hardly = {"agent.learning_rate": 1e-12, "seed": 7}
    run = train(experiment(hardly), out=tmp_path / "run", begin_with=trained)
    was, now = (each.policy().weights() for each in (trained, run))
    assert all(torch.allclose(was[name], now[name], atol=1e-6) for name in was)
    assert run.manifest["began_with"] == str(trained.path)
    drawn = train(experiment(hardly), out=tmp_path / "drawn")
    assert "began_with" not in drawn.manifest
    assert not all(torch.allclose(was[name], one, atol=1e-2) for name, one in drawn.policy().weights().items())


def test_weights_of_another_network_are_refused_before_anything_is_written(trained, tmp_path):
    with pytest.raises(BundleError, match="the weights do not fit the network"):
        train(experiment({"agent.hidden": [16]}), out=tmp_path / "run", begin_with=trained.path)
    with pytest.raises(RunError, match="there is no run folder"):
        train(experiment(), out=tmp_path / "run", begin_with=tmp_path / "nowhere")
    assert not (tmp_path / "run").exists()
