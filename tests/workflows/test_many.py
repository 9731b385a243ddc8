from __future__ import annotations

import sys
import textwrap

import pytest

from dltrader.errors import ConfigError, RunError, SourceError
from dltrader.files import sha256_of
from dltrader.runs import ExperimentConfig, Run
from dltrader.workflows import many, processes
from dltrader.workflows.jobs import Outcome
from dltrader.workflows.many import seeds, train_many
from dltrader.workflows.train import train
from small_runs import experiment

PLUGIN = """
import os
import dltrader

bars = 0

def leaving(step):
    global bars
    bars += 1
    if bars > 100:
        print("leaving")
        os._exit(3)
    return 0.0 * step.equity

def raising(step):
    raise ZeroDivisionError("no such reward")

dltrader.REWARDS.register("leaving", leaving)
dltrader.REWARDS.register("raising", raising)
"""


def small(changes=None):
    return ExperimentConfig.load(experiment(changes))


def weights(run):
    return {file.parent.name: sha256_of(file) for file in run.path.rglob("weights.safetensors")}


class Inline:
    """An executor that makes the calls in this very process, the last one first."""

    def __init__(self, interrupt_after=99, ending="finished"):
        self.left, self.ending, self.ran, self.refuse = interrupt_after, ending, [], None

    def require(self, jobs, at_once):
        self.required = at_once

    def run(self, jobs, *, at_once, time_limit, plugins, started):
        for job in reversed(jobs):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            if started:
                started(job)
            self.ran.append(job.name)
            job.function(job.argument)
            yield Outcome(job, self.ending, 1.0, error=None if self.ending == "finished" else "why")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A module of rewards that end badly, registered here as the command line would."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "bad_rewards.py").write_text(textwrap.dedent(PLUGIN))
    sys.path.append(str(folder))
    try:
        import bad_rewards  # noqa: PLC0415

        yield bad_rewards.__name__
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def two_at_once(tmp_path_factory, plugin):
    """Two seeds, and two trainings between them that end badly."""
    first, second = seeds(small(), 2)
    bad = [small({"name": name, "env.reward": name, "seed": 7}) for name in ("leaving", "raising")]
    out = tmp_path_factory.mktemp("many") / "out"
    return train_many([first, *bad, second], out=out, jobs=2, plugins=[plugin])


def test_seeds_are_consecutive_from_the_experiments_own():
    many_seeds = seeds(small({"seed": 5}), 3)
    assert [each.seed for each in many_seeds] == [5, 6, 7]
    assert {each.with_overrides({"seed": 0}).to_yaml() for each in many_seeds} == {small().to_yaml()}
    with pytest.raises(ConfigError, match="the number of seeds must be at least 1, was 0"):
        seeds(small(), 0)
    with pytest.raises(ConfigError, match="seed must be less than 2147483648"):
        seeds(small({"seed": 2**31 - 1}), 2)


def test_a_training_gives_the_same_however_it_is_run(two_at_once, tmp_path):
    (alone,) = train_many([small({"seed": 1})], out=tmp_path / "alone")
    by_seed = {each.seed: each for each in two_at_once if each.name == "small"}
    inline = train_many(seeds(small(), 2), out=tmp_path / "inline", executor=Inline())
    plain = train(small({"seed": 1}), out=tmp_path / "plain")
    assert set(weights(plain)) == {"000000128", "000000256", "policy"}
    assert weights(by_seed[1].run) == weights(alone.run) == weights(inline[1].run) == weights(plain)
    assert weights(by_seed[0].run) == weights(inline[0].run) != weights(plain)
    assert by_seed[1].validation_growth == alone.validation_growth == plain.manifest["best"]["validation_growth"]


def test_each_has_a_folder_a_log_and_a_record_in_the_order_of_the_experiments(two_at_once):
    out = two_at_once[0].path.parent
    names = ["small-s0", "leaving-s7", "raising-s7", "small-s1"]
    assert [each.path for each in two_at_once] == [out / name for name in names]
    assert [each.log for each in two_at_once] == [out / f"{name}.log" for name in names]
    assert sorted(file.name for file in out.iterdir()) == sorted([*names, *(f"{name}.log" for name in names)])
    assert all(1 < each.seconds < 300 for each in two_at_once)
    assert {run.path.name for run in Run.all_in(out)} == set(names)


def test_what_ends_badly_is_reported_with_its_log_and_the_others_finish(two_at_once):
    first, leaving, raising, second = two_at_once
    assert [(each.status, each.error) for each in (first, second)] == [("finished", None)] * 2
    why = "its process ended with exit code 3 before the call returned"
    assert (leaving.status, leaving.error, leaving.tail) == ("failed", why, "leaving")
    assert leaving.validation_growth is None
    manifest = leaving.run.manifest  # which its process could not bring up to date itself
    assert (manifest["status"], manifest["error"]) == ("failed", why)
    assert (raising.status, raising.error) == ("failed", "ZeroDivisionError: no such reward")
    assert raising.tail.endswith('raise ZeroDivisionError("no such reward")\nZeroDivisionError: no such reward')
    assert raising.run.manifest["status"] == "failed"


def test_a_training_that_had_no_time_to_say_so_is_marked(tmp_path, monkeypatch):
    def cut_short(argument):
        config, folder = argument
        Run.create(folder, ExperimentConfig.load(config), data_sha256="")

    monkeypatch.setattr(many, "train_one", cut_short)
    (trained,) = train_many([small()], out=tmp_path / "out", executor=Inline(ending="timed out"))
    assert (trained.status, trained.error, trained.tail) == ("timed out", "why", "")
    manifest = trained.run.manifest
    assert (manifest["status"], manifest["error"]) == ("timed out", "why")


def test_ctrl_c_leaves_what_has_finished_and_says_what_has_not(tmp_path, capsys):
    trained = train_many(seeds(small(), 3), out=tmp_path / "out", executor=Inline(interrupt_after=1), progress=True)
    assert [each.status for each in trained] == ["interrupted", "interrupted", "finished"]
    assert trained[0].error == "it had not begun"
    assert not trained[0].path.exists()
    assert trained[2].run.policy() is not None
    assert "trainings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("experiments", "more", "error", "message"),
    [
        ([], {}, ConfigError, "there is no experiment to train"),
        ([{}, {"seed": 1}, {}], {}, ConfigError, "two trainings would be called small-s0, after their experiment"),
        ([{}], {"jobs": 0}, ConfigError, "--jobs must be at least 1, was 0"),
        ([{}], {"time_limit": 0.0}, ConfigError, "--time-limit must be above 0 seconds, was 0"),
        ([{}], {"time_limit": float("nan")}, ConfigError, "--time-limit must be above 0 seconds, was nan"),
        ([{}, {"name": "b", "data.bars": "csv:nowhere.csv"}], {}, SourceError, "nowhere.csv"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(tmp_path, experiments, more, error, message):
    executor = Inline()
    with pytest.raises(error, match=message):
        train_many([small(changes) for changes in experiments], out=tmp_path / "out", executor=executor, **more)
    assert executor.ran == []
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    executor = Inline()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="already exists; choose another --out or remove it"):
        train_many([small()], out=tmp_path, executor=executor)
    with pytest.raises(RunError, match=r"cannot make the folder .*/file/out: Not a directory"):
        train_many([small()], out=tmp_path / "file" / "out", executor=executor)
    assert executor.ran == []
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_more_jobs_than_memory_allows_are_refused_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "free_bytes", lambda: 2 * 2**30)
    bars = {"data.bars": "synthetic:gbm?n=80000&interval=1h"}
    with pytest.raises(ConfigError, match=r"^5 jobs at once take about 3.\d GiB, .* at most --jobs 3 fits$"):
        train_many(seeds(small(bars), 5), out=tmp_path / "out", jobs=8)
    with pytest.raises(ConfigError, match=r"^4 jobs at once take about 2.3 GiB, .* at most --jobs 3 fits$"):
        train_many(seeds(small(), 5), out=tmp_path / "out", jobs=4)
    assert list(tmp_path.iterdir()) == []


def test_no_more_jobs_are_asked_for_than_there_are_trainings(tmp_path):
    executor = Inline(interrupt_after=0)
    train_many(seeds(small(), 2), out=tmp_path / "out", jobs=64, executor=executor)
    assert executor.required == 2
