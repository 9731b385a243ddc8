from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import backtrader as bt
import pandas as pd
import pytest

import dltrader
from dltrader.errors import ConfigError, EnvironmentStateError, RunError
from dltrader.files import sha256_of
from dltrader.runs import Run
from dltrader.workflows.resume import resume
from dltrader.workflows.train import train
from market_bars import random_walk
from small_runs import experiment, experiment_of

THREE = {"train.total_timesteps": 384, "env.random_start": True, "env.episode_bars": 20}
"""Three checkpoints with two environments, and episodes that are cut anywhere."""
CEREBRO = THREE | {"train.engine": "cerebro"}
APART = {
    "data.bars": {name: f"synthetic:gbm?n={n}&sigma=0.3&seed={n}" for name, n in (("a", 300), ("b", 260), ("c", 280))},
    "data.trade": "apart",
}
SHARPE = {"env.reward": {"name": "differential_sharpe", "rate": 0.1}}


class Killed(BaseException):
    """Stands for whatever ends a process."""


def stopped(config, out, *, after=1, error=Killed, **options):
    """A run whose training has ended right after it kept its state for the so-manieth time."""
    keep, kept = Run.keep_state, []

    def last(self, state, steps):
        keep(self, state, steps)
        kept.append(steps)
        if len(kept) == after:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "keep_state", last)
        if error is KeyboardInterrupt:
            return train(config, out=out, **options)
        with pytest.raises(error):
            train(config, out=out, **options)
    return Run.open(out)


def contents(run):
    return {str(path.relative_to(run.path)): sha256_of(path) for path in run.path.rglob("*") if path.is_file()}


def weights(run):
    return {name: sha256 for name, sha256 in contents(run).items() if "checkpoints" in name or "policy" in name}


def assert_as_if_never_stopped(run, whole):
    assert run.manifest["status"] == "finished"
    assert contents(run).keys() == contents(whole).keys()
    assert weights(run) == weights(whole)
    curves = [each.curve.drop(columns="bars_per_second") for each in (run, whole)]
    pd.testing.assert_frame_equal(*curves, check_exact=True)
    for name in ("checkpoints", "best", "seed", "name", "data_sha256"):
        assert run.manifest[name] == whole.manifest[name]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(experiment(THREE), out=tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """The same, ended after the first checkpoint, for tests that only read it or are refused."""
    return stopped(experiment(THREE), tmp_path_factory.mktemp("early") / "run")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_however_a_training_ended_it_goes_on_as_if_it_had_not(error, whole, tmp_path):
    run = stopped(experiment(THREE), tmp_path / "run", error=error)
    assert run.manifest["status"] == {KeyboardInterrupt: "interrupted", ZeroDivisionError: "failed"}[error]
    assert (run.path / "policy").is_dir()
    assert run.curve["steps"].tolist() == [128]
    assert resume(run).path == run.path
    assert_as_if_never_stopped(run, whole)
    assert [each["steps"] for each in run.manifest["resumed"]] == [128]
    assert "error" not in run.manifest


KILL = """
    import json, os, signal, sys
    from dltrader.runs import Run
    from dltrader.workflows.train import train
    from small_runs import experiment

    keep, kept = Run.keep_state, []
    def last(self, state, steps):
        keep(self, state, steps)
        kept.append(steps)
        if len(kept) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    Run.keep_state = last
    train(experiment(json.loads(sys.argv[2])), out=sys.argv[1])
"""


def test_a_killed_process_is_resumed_in_another(whole, tmp_path):
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILL), str(tmp_path / "run"), json.dumps(THREE)],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL
    run = Run.open(tmp_path / "run")
    assert (run.manifest["status"], run.curve["steps"].tolist()) == ("running", [128, 256])
    assert_as_if_never_stopped(resume(run.path), whole)


def test_a_training_may_end_early_more_than_once(whole, tmp_path):
    run = stopped(experiment(THREE), tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "keep_state", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            resume(run)  # it comes to the second checkpoint, and not to its state
    assert [checkpoint["steps"] for checkpoint in run.manifest["checkpoints"]] == [128, 256]
    assert_as_if_never_stopped(resume(run), whole)
    assert [each["steps"] for each in run.manifest["resumed"]] == [128, 128]


@pytest.mark.parametrize(
    ("agent", "changes"),
    [
        ("ppo", CEREBRO | SHARPE),
        ("dqn", CEREBRO | APART),
        ("ppo", THREE | SHARPE | {"train.n_envs": 4, "train.lanes_per_episode": 2, "agent.n_steps": 32}),
        ("a2c", THREE | APART | {"train.n_envs": 4}),
        ("sac", THREE | APART | {"data.trade": "together"}),
    ],
)
def test_every_kind_of_training_can_be_resumed(agent, changes, tmp_path):
    config = experiment_of(agent, changes | {"train.total_timesteps": 256})
    whole = train(config, out=tmp_path / "whole")
    assert len(whole.manifest["checkpoints"]) == 2
    assert_as_if_never_stopped(resume(stopped(config, tmp_path / "run")), whole)


def frozen(cerebro):
    cerebro.addsizer(bt.sizers.FixedSize, stake=3)


def test_bars_at_hand_and_a_hook_are_passed_again(tmp_path):
    bars, config = random_walk(300, 4), experiment(CEREBRO)
    whole = train(config, bars=bars, prepare=frozen, out=tmp_path / "whole")
    run = stopped(config, tmp_path / "run", bars=bars, prepare=frozen)
    before = contents(run)
    refused = {
        "was trained with a prepare hook; pass it again": {"bars": bars},
        r"was trained on bars that were handed over \(asset\); hand them over again: dltrader.resume": {
            "prepare": frozen
        },
        "the bars of .* have changed since it began: their fingerprint was": {"bars": bars[:-1], "prepare": frozen},
    }
    for message, given in refused.items():
        with pytest.raises((ConfigError, RunError), match=message):
            resume(run, **given)
    assert contents(run) == before
    assert_as_if_never_stopped(resume(run, bars=bars, prepare=frozen), whole)


def test_another_hook_than_before_is_noticed(tmp_path):
    run = stopped(experiment(CEREBRO), tmp_path / "run", prepare=frozen)
    with pytest.raises(EnvironmentStateError, match=r"came to an equity of .*; pass the same prepare hook as before"):
        resume(run, prepare=lambda cerebro: cerebro.addsizer(bt.sizers.FixedSize, stake=7))
    assert run.manifest["status"] == "failed"
    assert resume(run, prepare=frozen).manifest["status"] == "finished"


def test_the_configuration_may_be_given_and_must_be_that_of_the_run(early):
    before = contents(early)
    changes = {"agent.gamma": 0.5, "train.total_timesteps": 512, "env.reward": "sortino", "name": "other"}
    with pytest.raises(ConfigError) as caught:
        resume(early, experiment(THREE | changes))
    assert str(caught.value) == (
        f"{early.path} was trained with another configuration: name was 'small', now 'other', "
        "env.reward was 'log_growth', now {'name': 'sortino', 'rate': 0.01}, agent.gamma was 0.95, now 0.5, "
        "train.total_timesteps was 384, now 512; resume it with its own, or train anew"
    )
    with pytest.raises(ConfigError, match=r"another configuration: seed was 0, now 1; resume"):
        resume(early, overrides={"seed": 1})
    with pytest.raises(
        ConfigError, match=r"another configuration: agent.extractor.hidden was \[8\], now \[9\]; resume"
    ):
        resume(early, experiment(THREE | {"agent.extractor.hidden": [9]}))
    # Of another agent only what both have can differ: an A2C has no batches.
    with pytest.raises(ConfigError, match=r"agent.name was 'ppo', now 'a2c', agent.learning_rate was") as caught:
        resume(early, experiment_of("a2c", THREE))
    assert "batch_size" not in str(caught.value)
    assert contents(early) == before


def test_the_same_configuration_is_taken(whole, tmp_path):
    run = stopped(experiment(THREE), tmp_path / "run", after=2)
    (tmp_path / "small.yaml").write_text(run.config.to_yaml())
    again = resume(run, tmp_path / "small.yaml", {"seed": 0})
    assert_as_if_never_stopped(again, whole)


def test_bars_that_have_changed_are_refused(tmp_path):
    bars = random_walk(300, 1)
    bars.to_csv(tmp_path / "asset.csv")
    config = experiment(THREE | {"data.bars": f"csv:{tmp_path / 'asset.csv'}"})
    run = stopped(config, tmp_path / "run")
    before = contents(run)
    bars.iloc[-1, 3] = bars.iloc[-1, 1]
    bars.to_csv(tmp_path / "asset.csv")
    with pytest.raises(
        RunError, match=r"^the bars of .* have changed since it began: their fingerprint was \w{12}…, now"
    ):
        resume(run)
    assert contents(run) == before


def test_a_finished_run_is_refused(whole):
    with pytest.raises(RunError) as caught:
        resume(whole.path)
    message = f"{whole.path} has finished, so there is nothing to resume; for a longer training, train anew"
    assert str(caught.value) == message


def test_a_run_that_keeps_no_state_is_refused(tmp_path):
    config = experiment(THREE | {"train.keep_state": False, "agent.schedule": "constant"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "write_curve", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            train(config, out=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert len(run.manifest["checkpoints"]) == 1
    with pytest.raises(
        RunError, match=r"run \(status failed\) has nothing to resume from: it had not come to its first"
    ):
        resume(run)


def test_a_run_that_is_being_trained_is_refused(early):
    with early.held(), pytest.raises(RunError, match="is being trained by another process; wait until it has ended"):
        resume(early)


def test_a_training_keeps_others_out_of_its_folder(tmp_path):
    found = []

    def enter(cerebro):
        if not found:
            with pytest.raises(RunError, match="is being trained by another process") as caught:
                resume(tmp_path / "run")
            found.append(caught.value)

    train(experiment(CEREBRO), out=tmp_path / "run", prepare=enter)
    assert len(found) == 1


def test_a_broken_state_is_refused_and_nothing_touched(tmp_path):
    run = stopped(experiment(THREE), tmp_path / "run")
    (file,) = (run.path / "state").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-8])
    before = contents(run)
    with pytest.raises(RunError, match=r"000000128.safetensors is truncated or altered"):
        resume(run)
    assert contents(run) == before


def test_a_finished_run_keeps_no_state(whole):
    assert not (whole.path / "state").exists()
    assert "resumed" not in whole.manifest


def test_it_is_a_public_name():
    assert dltrader.resume is resume
