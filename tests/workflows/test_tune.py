from __future__ import annotations

from pathlib import Path

import pytest

from dltrader.config import read_yaml
from dltrader.errors import ConfigError, RunError
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.hold import held
from dltrader.workflows import processes
from dltrader.workflows.jobs import Outcome
from dltrader.workflows.train import train
from dltrader.workflows.tune import tune
from small_runs import experiment

SPACE = {
    "agent.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "agent.n_epochs": {"low": 1, "high": 3},
    "agent.gamma": {"choices": [0.8, 0.9]},
}
CHECKPOINTS = 128, 256


def score(config, bars):
    """A made-up growth after so many bars, with its best in the middle of the space."""
    grown = config.agent.n_epochs / 10 - abs(config.agent.learning_rate - 0.01) * 10
    return grown * bars / 256 + config.seed / 100


class Pretended:
    """An executor that leaves what a training would have left, and takes no time; the last job comes first.

    It is interrupted after so many jobs, and kills those that it is told to.
    """

    def __init__(self, interrupt_after=999, kills=(), straight=False):
        self.left, self.kills, self.straight = interrupt_after, kills, straight
        self.ran, self.rules, self.asked = [], {}, []

    def require(self, jobs, at_once):
        self.asked.append((len(jobs), at_once))

    def run(self, jobs, *, at_once, time_limit, plugins, started):
        for job in jobs if self.straight else reversed(jobs):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            self.ran.append(job.name)
            if job.name in self.kills:
                yield Outcome(job, "killed", 1.0, error="its process was killed by SIGKILL")
                continue
            values, folder, self.rules[job.name] = job.argument
            self.train(ExperimentConfig.load(values), folder, self.rules[job.name])
            yield Outcome(job, "finished", 1.0)

    def train(self, config, folder, rule):
        run = Run.create(folder, config, data_sha256="")
        curve, pruned = [], False
        for bars in CHECKPOINTS:
            curve.append((bars, score(config, bars)))
            if rule and bars < CHECKPOINTS[-1] and rule(curve):
                pruned = True
                break
        entries = [{"steps": steps, "validation_growth": growth} for steps, growth in curve]
        best = max(entries, key=lambda entry: entry["validation_growth"])
        run._update(status="pruned" if pruned else "finished", checkpoints=entries, best=best)


def search(out, executor=None, trials=12, space=SPACE, changes=None, **more):
    more = {"batch": 4, "executor": executor or Pretended()} | more
    return tune(experiment(changes), space, trials=trials, out=out, **more)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """Twelve trials without an interruption."""
    executor = Pretended()
    return search(tmp_path_factory.mktemp("tune") / "out", executor), executor


def test_trials_do_not_depend_on_jobs_order_or_interruptions(twelve, tmp_path):
    whole, _ = twelve
    straight = search(tmp_path / "straight", Pretended(straight=True), jobs=3)
    assert straight.trials == whole.trials
    first = search(tmp_path / "parts", Pretended(interrupt_after=6))
    assert first.interrupted
    assert [trial.state for trial in first.trials][:8] == ["finished"] * 4 + ["waiting"] * 2 + first_states(whole, 6, 8)
    (tmp_path / "parts" / "trial-0004-s0").mkdir()  # what a training leaves that was interrupted
    again = Pretended()
    assert search(tmp_path / "parts", again).trials == whole.trials
    assert again.ran[:2] == ["trial-0005-s0", "trial-0004-s0"]
    assert len(again.ran) == 6


def first_states(tuned, start, end):
    return [trial.state for trial in tuned.trials[start:end]]


def test_the_seed_of_the_configuration_is_that_of_the_draws(twelve, tmp_path):
    whole, _ = twelve
    other = search(tmp_path / "out", trials=4, changes={"seed": 1})
    drawn = [trial.drawn for trial in other.trials]
    assert drawn != [trial.drawn for trial in whole.trials[:4]]
    assert len({trial["agent.learning_rate"] for trial in drawn}) == 4


def test_scores_are_those_of_the_best_checkpoint_and_the_best_is_kept_as_a_configuration(twelve):
    tuned, _ = twelve
    finished = [trial for trial in tuned.trials if trial.state == "finished"]
    for trial in finished:
        config = tuned.search.config(trial)
        assert {key: read_key(config, key) for key in SPACE} == tuned.values(trial)
        assert trial.validation_growth == max(score(config, bars) for bars in CHECKPOINTS)
        assert trial.curves == [[(bars, score(config, bars)) for bars in CHECKPOINTS]]
    assert tuned.best.validation_growth == max(trial.validation_growth for trial in finished)
    kept = ExperimentConfig.load(tuned.path / "best.yaml")
    assert kept == tuned.config
    assert kept.train == ExperimentConfig.load(experiment()).train
    first_line = (tuned.path / "best.yaml").read_text().splitlines()[0]
    best = tuned.best
    assert first_line == f"# Trial {best.number}: validation growth {best.validation_growth:+.4f}, the best so far."
    (run,) = tuned.runs(best)
    assert run.path == tuned.path / f"trial-{best.number:04d}-s0"
    assert read_yaml(tuned.path / "space.yaml") == tuned.search.space.to_mapping()


def read_key(config, dotted):
    for word in dotted.split("."):
        config = getattr(config, word)
    return config


def test_a_batch_is_judged_by_the_batches_before(twelve, tmp_path):
    tuned, executor = twelve
    curves = [tuple(trial.curves[0] for trial in tuned.trials[:n] if trial.state == "finished") for n in (0, 4, 8)]
    for trial in tuned.trials:
        rule = executor.rules[f"trial-{trial.number:04d}-s0"]
        assert rule.earlier == curves[trial.number // 4]
        assert rule.spared_bars == pytest.approx(256 / 3)
    pruned = [trial for trial in tuned.trials if trial.state == "pruned"]
    assert 1 <= len(pruned) <= 7
    for trial in pruned:
        assert trial.number >= 4
        assert trial.validation_growth == score(tuned.search.config(trial), 128)
    unpruned = search(tmp_path / "out", trials=8, prune=False)
    assert [trial.state for trial in unpruned.trials] == ["finished"] * 8


def test_of_several_seeds_the_mean_counts_and_one_that_is_lost_is_enough_to_fail(tmp_path):
    executor = Pretended(kills={"trial-0001-s4"})
    tuned = search(tmp_path / "out", executor, trials=3, seeds=2, jobs=2, changes={"seed": 3})
    first, lost, last = tuned.trials
    assert (lost.state, lost.validation_growth) == ("failed", None)
    assert lost.error == "seed 4 killed: its process was killed by SIGKILL"
    for trial in (first, last):
        configs = [tuned.search.config(trial).with_overrides({"seed": seed}) for seed in (3, 4)]
        curves = [[(bars, score(config, bars)) for bars in CHECKPOINTS] for config in configs]
        assert trial.curves == curves
        assert trial.validation_growth == pytest.approx(sum(max(g for _, g in one) for one in curves) / 2, abs=1e-12)
    assert executor.asked == [(8, 2), (6, 2)]
    assert len(tuned.runs(first)) == 2


def test_values_that_do_not_go_together_fail_their_trial_alone(tmp_path):
    space = {"agent.epsilon_end": {"low": 0.0, "high": 1.0}, "agent.epsilon_start": {"low": 0.0, "high": 1.0}}
    changes = {"agent": {"name": "dqn", "epsilon_end": 0.0}, "agent.learning_starts": 16, "agent.replay_bars": 100}
    tuned = search(tmp_path / "out", EpsilonPretended(), trials=8, space=space, changes=changes)
    states = {trial.state: trial for trial in tuned.trials}
    assert set(states) == {"finished", "failed"}
    assert "epsilon_end must not be above epsilon_start" in states["failed"].error


class EpsilonPretended(Pretended):
    def train(self, config, folder, rule):
        entry = {"steps": 256, "validation_growth": config.agent.epsilon_end}
        Run.create(folder, config, data_sha256="")._update(status="finished", checkpoints=[entry], best=entry)


def test_a_study_goes_on_up_to_so_many_trials_in_all(tmp_path):
    first = search(tmp_path / "out", trials=4)
    executor = Pretended()
    assert search(tmp_path / "out", executor, trials=4).trials == first.trials
    assert search(tmp_path / "out", executor, trials=3).trials == first.trials
    assert executor.ran == []
    more = search(tmp_path / "out", executor, trials=6)
    assert more.trials[:4] == first.trials
    assert sorted(executor.ran) == ["trial-0004-s0", "trial-0005-s0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"space": SPACE | {"agent.n_epochs": {"low": 1, "high": 4}}},
            "space.agent.n_epochs.high was 3, is 4; choose another --out, or change it back",
        ),
        (
            {"space": {key: SPACE[key] for key in ("agent.n_epochs", "agent.gamma")}},
            "space.agent.learning_rate was there, and is not; choose",
        ),
        (
            {"space": SPACE | {"agent.hidden": {"choices": [[8], [16]]}}, "prune": False},
            "space.agent.hidden was not there, and is, and 1 more; choose",
        ),
        ({"changes": {"train.n_envs": 4}}, "config.train.n_envs was 2, is 4; choose"),
        ({"seeds": 2}, "seeds was 1, is 2; choose"),
        ({"batch": 3}, "batch was 4, is 3; choose"),
    ],
)
def test_a_study_that_was_begun_otherwise_is_refused(twelve, more, message):
    tuned, _ = twelve
    executor = Pretended()
    with pytest.raises(ConfigError) as caught:
        search(tuned.path, executor, trials=20, **more)
    assert str(caught.value).startswith(f"the study in {tuned.path} was begun otherwise: {message}")
    assert executor.ran == []
    assert search(tuned.path).trials == tuned.trials


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"trials": 0}, ConfigError, "--trials must be at least 1, was 0"),
        ({"seeds": 0}, ConfigError, "--seeds must be at least 1, was 0"),
        ({"batch": 0}, ConfigError, "--batch must be at least 1, was 0"),
        ({"jobs": 0}, ConfigError, "--jobs must be at least 1, was 0"),
        ({"time_limit": 0.0}, ConfigError, "--time-limit must be above 0 seconds, was 0"),
        ({"jobs": 9, "seeds": 2}, ConfigError, "--jobs 9 is more than the 8 trainings .*; set --batch 5 or --jobs 8"),
        ({"space": {"agent.gama": SPACE["agent.gamma"]}}, ConfigError, "unknown key 'agent.gama'; did you mean"),
        ({"space": {"seed": SPACE["agent.n_epochs"]}}, ConfigError, "seed cannot be searched"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, more, error, message):
    executor = Pretended()
    with pytest.raises(error, match=message):
        search(tmp_path / "out", executor, **more)
    assert executor.ran == []
    assert list(tmp_path.iterdir()) == []


def test_more_jobs_than_memory_allows_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "free_bytes", lambda: 2**30)
    with pytest.raises(ConfigError, match=r"2 jobs at once take about 1\.2 GiB, .* at most --jobs 1 fits"):
        search(tmp_path / "out", processes.Processes(), jobs=2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="already exists and holds no study; choose another --out or remove it"):
        search(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    for name, content in {"space.yaml": "", "study.db": "this is no database, whatever it is called"}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=r"study\.db is no study: .*file is not a database; choose another --out"):
        search(tmp_path)


def test_a_study_is_of_one_process_at_a_time(twelve):
    tuned, _ = twelve
    with held(tuned.path / "space.yaml"), pytest.raises(RunError, match="another process"):
        search(tuned.path)


def test_a_training_that_is_given_up_ends_early_and_says_so(tmp_path):
    shown = []
    run = train(experiment(), out=tmp_path / "run", give_up=lambda curve: shown.append(list(curve)) or True)
    manifest = run.manifest
    assert manifest["status"] == "pruned"
    assert [checkpoint["steps"] for checkpoint in manifest["checkpoints"]] == [128]
    assert shown == [[(128, manifest["best"]["validation_growth"])]]
    assert run.policy("final") is not None


def test_a_training_is_not_given_up_when_it_is_over(tmp_path):
    shown = []
    run = train(experiment(), out=tmp_path / "run", give_up=lambda curve: bool(shown.append(len(curve))))
    assert run.manifest["status"] == "finished"
    assert shown == [1]


def test_trials_are_trained_in_processes_and_give_what_a_plain_training_gives(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tuned = tune(experiment(), SPACE, trials=2, jobs=2, progress=True)
    assert tuned.path == Path("runs/small-tune")
    assert [trial.state for trial in tuned.trials] == ["finished"] * 2
    assert "2/2 done, 0 running" in capsys.readouterr().out
    plain = train(tuned.path / "best.yaml", out="plain")
    assert plain.manifest["best"]["validation_growth"] == tuned.best.validation_growth
    assert not (tuned.runs(tuned.best)[0].path / "state").exists()
