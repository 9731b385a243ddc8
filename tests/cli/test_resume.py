from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.cli.tables import print_run
from dltrader.errors import ConfigError, RunError
from dltrader.files import sha256_of
from dltrader.runs import Run
from dltrader.workflows.train import train
from small_runs import experiment


def invoke(*arguments):
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.output.splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(experiment({"train.total_timesteps": 384}), out=tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    keep = Run.keep_state

    def last(self, state, steps):
        keep(self, state, steps)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "keep_state", last)
        return train(experiment({"train.total_timesteps": 384}), out=tmp_path_factory.mktemp("interrupted") / "run")


@pytest.fixture
def early(interrupted, tmp_path, monkeypatch):
    """A run that was interrupted after its first checkpoint, with its configuration beside it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(interrupted.path, "early")
    shutil.copy(interrupted.path / "config.yaml", "small.yaml")
    return Run.open("early")


@pytest.mark.parametrize("words", [[], ["small.yaml", "seed=0"], ["train.total_timesteps=384"]])
def test_train_goes_on_with_a_run(early, whole, words):
    assert early.manifest["status"] == "interrupted"
    lines = invoke("train", *words, "--resume", "early", "--quiet")
    assert lines[0] == "early: finished"
    assert lines[-1] == "next: dltrader backtest early"
    final = "policy/weights.safetensors"
    assert sha256_of(early.path / final) == sha256_of(whole.path / final)


def test_a_run_that_ended_early_says_how_to_go_on(early, capsys):
    print_run(early)
    assert capsys.readouterr().out.splitlines()[-1] == "to go on with it: dltrader train --resume early"


def test_another_configuration_is_refused_with_the_names_of_its_fields(early):
    with pytest.raises(
        ConfigError, match=r"early was trained with another configuration: agent.gamma was 0.95, now 0.5; "
    ):
        invoke("train", "small.yaml", "agent.gamma=0.5", "--resume", "early")
    assert early.manifest["status"] == "interrupted"


@pytest.mark.parametrize("option", [["--out", "other"], ["--seeds", "2"], ["--time-limit", "9"]])
def test_options_of_other_trainings_are_refused(early, option):
    with pytest.raises(
        ConfigError, match=r"^--resume goes on in the run's own folder: --out, --seeds, --time-limit, --ray do not fit"
    ):
        invoke("train", "--resume", "early", *option)


def test_a_policy_is_one_training(early):
    with pytest.raises(ConfigError, match=r"^early is a policy's run, whose training is one job; leave jobs and exec"):
        invoke("train", "--resume", "early", "--jobs", "2")


def test_one_configuration_can_be_compared(early):
    with pytest.raises(
        ConfigError, match=r"^--resume takes one configuration, which is compared with the run's; found"
    ):
        invoke("train", "small.yaml", "ppo_mlp", "--resume", "early")


def test_nothing_to_train_is_said_so(tmp_path, monkeypatch):
    with pytest.raises(ConfigError) as caught:
        invoke("train")
    assert str(caught.value) == (
        "train what? name a configuration, such as ppo_mlp or mine.yaml, or --resume a run folder"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="there is no run folder nowhere"):
        invoke("train", "--resume", "nowhere")


def test_a_finished_run_is_refused(whole):
    with pytest.raises(
        RunError, match=r"run has finished, so there is nothing to resume; for a longer training, train"
    ):
        invoke("train", "--resume", str(whole.path))
