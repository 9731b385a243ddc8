from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

import dltrader
from dltrader.envs.rewards import REWARDS
from dltrader.errors import BundleError, ConfigError, RunError
from dltrader.runs import ExperimentConfig, Run
from small_runs import experiment, untrained


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "runs" / "one", ExperimentConfig.load(experiment({"seed": 3})), data_sha256="abc")


def bias(policy):
    return policy.weights()["value_net.bias"].item()


def test_a_new_run_is_running(run):
    manifest = run.manifest
    assert sorted(path.name for path in run.path.iterdir()) == ["config.yaml", "manifest.json"]
    assert (manifest["status"], manifest["name"], manifest["seed"]) == ("running", "small", 3)
    assert (manifest["data_sha256"], manifest["checkpoints"], manifest["best"]) == ("abc", [], None)
    assert manifest["ended"] is None
    assert manifest["versions"]["dltrader"] == dltrader.__version__
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["versions"]["numpy"] == np.__version__
    assert len(manifest["command"]) >= 1
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(manifest["started"])
    assert dt.timedelta(0) <= age < dt.timedelta(minutes=5)
    assert len(run.curve) == 0
    assert run.metrics == {}


def test_its_configuration_is_read_back(run):
    assert Run.open(run.path).config == ExperimentConfig.load(experiment({"seed": 3}))


def test_a_folder_that_is_there_is_left_alone(run):
    before = (run.path / "manifest.json").read_bytes()
    with pytest.raises(RunError) as caught:
        Run.create(run.path, ExperimentConfig(), data_sha256="other")
    assert str(caught.value) == f"{run.path} already exists; choose another --out or remove it"
    assert (run.path / "manifest.json").read_bytes() == before


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"^cannot make the run folder .*/file/run: Not a directory$"):
        Run.create(tmp_path / "file" / "run", ExperimentConfig(), data_sha256="")


def test_a_configuration_that_cannot_be_written_leaves_no_folder(tmp_path):
    config = ExperimentConfig.load({"env": {"reward": lambda step: 0.0}})
    with pytest.raises(ConfigError, match="register it first"):
        Run.create(tmp_path / "run", config, data_sha256="")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(RunError) as caught:
        Run.open(tmp_path / "nowhere")
    assert str(caught.value) == f"there is no run folder {tmp_path}/nowhere; list runs with: dltrader runs"


@pytest.mark.parametrize("kept", ["config.yaml", "manifest.json", None])
def test_another_folder_is_no_run(tmp_path, kept):
    if kept:
        (tmp_path / kept).write_text("{}")
    with pytest.raises(RunError) as caught:
        Run.open(tmp_path)
    assert str(caught.value) == f"{tmp_path} is no run folder: it has no manifest.json with a config.yaml"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read .*manifest.json: Expecting property name"),
        ("[]", "cannot read .*manifest.json: it must hold keys and values, found list"),
        ('{"status": "finished"}', "manifest.json is no manifest: it has no best; copy the run again"),
    ],
)
def test_a_damaged_manifest_is_named(run, content, message):
    (run.path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match=message):
        run.policy()


def test_damaged_metrics_are_named(run):
    (run.path / "backtest").mkdir()
    (run.path / "backtest" / "metrics.json").write_text("{")
    with pytest.raises(RunError, match=r"cannot read .*metrics.json"):
        _ = run.metrics


def test_the_best_checkpoint_grew_most_on_the_validation_bars(run):
    growths = {100: 0.1, 200: 0.3, 300: 0.3, 400: -0.2}
    policies = {steps: untrained(seed=steps) for steps in growths}
    found = [run.add_checkpoint(policies[steps], steps, growth) for steps, growth in growths.items()]
    assert found == [True, True, False, False]
    run.finish(policies[400], status="finished")
    assert run.manifest["best"] == {"steps": 200, "validation_growth": 0.3, "behaviour": None}
    assert [checkpoint["steps"] for checkpoint in run.manifest["checkpoints"]] == [100, 200, 300, 400]
    assert bias(run.policy()) == bias(run.policy("best")) == bias(policies[200])
    assert bias(run.policy("final")) == bias(policies[400])
    assert {steps: bias(run.policy(steps)) for steps in growths} == {
        steps: bias(policy) for steps, policy in policies.items()
    }
    assert run.checkpoint(200) == run.path / "checkpoints" / "000000200"


def test_a_checkpoint_keeps_how_its_policy_collapsed(run):
    run.add_checkpoint(untrained(), 100, 0.0, "never traded")
    assert run.manifest["best"] == {"steps": 100, "validation_growth": 0.0, "behaviour": "never traded"}
    assert run.manifest["checkpoints"] == [run.manifest["best"]]


def test_without_checkpoints_the_final_policy_is_the_best(run):
    policy = untrained(seed=1)
    run.finish(policy, status="interrupted")
    assert bias(run.policy()) == bias(run.policy("final")) == bias(policy)


@pytest.mark.parametrize("which", ["best", "final", "worst", 7])
def test_a_policy_that_is_not_there_is_named(run, which):
    with pytest.raises(RunError) as caught:
        run.policy(which)
    assert str(caught.value) == f"{run.path} has no policy {which!r} (status running); it has checkpoints []"


def test_a_damaged_policy_is_named(run):
    run.finish(untrained(), status="finished")
    (run.path / "policy" / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"weights.safetensors is truncated or altered"):
        run.policy("final")


def test_how_it_ended_is_kept(run):
    run.finish(None, status="failed", error="ValueError: mine")
    manifest = run.manifest
    assert (manifest["status"], manifest["error"]) == ("failed", "ValueError: mine")
    assert manifest["ended"] >= manifest["started"]
    assert not (run.path / "policy").exists()


def test_the_curve_is_read_back(run):
    rows = [{"steps": 64, "validation_growth": math.nan}, {"steps": 128, "validation_growth": -0.125}]
    run.write_curve(rows)
    pd.testing.assert_frame_equal(run.curve, pd.DataFrame(rows))


def test_runs_are_listed_oldest_first_and_other_folders_passed_over(tmp_path):
    for name, started in {"a": "2020-01-02", "b": "2020-01-01", "c": "2020-01-03"}.items():
        run = Run.create(tmp_path / name, ExperimentConfig(name=name), data_sha256="")
        values = json.loads((run.path / "manifest.json").read_text()) | {"started": started}
        (run.path / "manifest.json").write_text(json.dumps(values))
    (tmp_path / "other").mkdir()
    (tmp_path / "a.txt").write_text("")
    assert [run.path.name for run in Run.all_in(tmp_path)] == ["b", "a", "c"]
    assert Run.all_in(tmp_path / "nowhere") == []


def test_a_registered_reward_is_kept_by_name(tmp_path):
    def quarter(step):
        return 0.25

    REWARDS.register("quarter_for_run", quarter)
    run = Run.create(tmp_path / "run", ExperimentConfig.load({"env": {"reward": quarter}}), data_sha256="")
    assert "reward: quarter_for_run" in (run.path / "config.yaml").read_text()
    assert Run.open(run.path).config.env.reward is quarter
