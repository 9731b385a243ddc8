from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltrader.envs.markets import Episodes
from dltrader.errors import BarsError, ConfigError, RunError
from dltrader.evaluation.folds import FoldsConfig
from dltrader.files import sha256_of
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.hold import held
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.fold_jobs import Plan
from dltrader.workflows.jobs import Outcome
from dltrader.workflows.task import Task
from dltrader.workflows.walk_forward import WalkForward, walk_forward
from small_runs import experiment

TWO = {"folds": 2, "train": 160}
STANDING = "trials", "trials_unknown", "test_looked_before"


class Inline:
    """An executor that makes the calls in this very process; some it kills, and it may be interrupted."""

    def __init__(self, kills=(), interrupt_after=99):
        self.kills, self.left, self.ran = kills, interrupt_after, []

    def require(self, jobs, at_once):
        self.required = len(jobs), at_once

    def run(self, jobs, *, at_once, time_limit, plugins, started):
        for job in jobs:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            self.ran.append(job.name)
            if job.name in self.kills:
                yield Outcome(job, "killed", 1.0, error="its process was killed by SIGKILL")
                continue
            job.function(job.argument)
            yield Outcome(job, "finished", 1.0)


def walk(out, changes=None, executor=None, folds=TWO, **more):
    return walk_forward(experiment(changes), folds=folds, out=out, executor=executor or Inline(), **more)


def kept(path):
    """All that is the same for equal walk-forwards: weights and states to the byte, scores, and curves."""
    weights = {str(file.relative_to(path)): sha256_of(file) for file in path.rglob("*.safetensors")}
    tables = {str(file.relative_to(path)): file.read_text() for file in path.glob("seed-*/**/*.csv")}
    metrics = {str(file.relative_to(path)): json.loads(file.read_text()) for file in path.glob("seed-*/**/*.json")}
    for values in metrics.values():
        for key in STANDING:
            values.pop(key)
    record = json.loads((path / "walk_forward.json").read_text())
    for row in record["rows"]:
        row.pop("seconds")
    return weights, tables, metrics, record


def same_results(one, other):
    assert one.results.keys() == other.results.keys()
    for seed, result in one.results.items():
        pd.testing.assert_series_equal(result.equity, other.results[seed].equity, check_exact=True)
        pd.testing.assert_frame_equal(result.orders, other.results[seed].orders, check_exact=True)
        assert dict(result.metrics) == dict(other.results[seed].metrics)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two folds of two seeds, without a break."""
    return walk(tmp_path_factory.mktemp("walk") / "out", seeds=2)


def test_a_walk_forward_keeps_folds_rows_and_a_curve_for_every_seed(whole):
    assert (whole.status, whole.seeds, whole.finished_seeds) == ("finished", (0, 1), (0, 1))
    assert whole.config.walk_forward == FoldsConfig(**TWO)
    names = sorted(each.name for each in whole.path.iterdir())
    assert names == ["config.yaml", "folds", "seed-0", "seed-1", "walk_forward.json"]
    assert ExperimentConfig.from_yaml(whole.path / "config.yaml") == whole.config
    runs = sorted(each.name for each in (whole.path / "folds").iterdir())
    assert runs == ["fold-01-s0", "fold-01-s1", "fold-02-s0", "fold-02-s1"]
    times = next(iter(whole.config.data.load().values())).index
    first, second = whole.folds
    assert [pd.Timestamp(spans.test[0][0]) for spans in (first, second)] == [times[160], times[230]]
    assert [row["fold"] for row in whole.rows] == [1, 1, 2, 2]
    assert [row["seed"] for row in whole.rows] == [0, 1, 0, 1]
    assert whole.record["folds"][0]["bars"] == {"train": 126, "validation": 32, "test": 70, "too_short": 0}
    for row in whole.rows:
        run = whole.run(row["fold"], row["seed"])
        assert run.config.data.spans == whole.folds[row["fold"] - 1]
        assert run.config.seed == row["seed"]
        assert row["validation_growth"] == run.manifest["best"]["validation_growth"]
        assert (row["status"], row["error"], row["test"]) == ("finished", None, [list(run.config.data.spans.test[0])])
    for seed, result in whole.results.items():
        assert result.equity.index.equals(times[160:])
        of_it = [row for row in whole.rows if row["seed"] == seed]
        growth = np.log(result.equity.iloc[-1] / result.equity.iloc[0])
        assert sum(row["growth"] for row in of_it) == pytest.approx(growth)
        held = np.log(result.benchmark.equity.iloc[-1] / result.benchmark.equity.iloc[0])
        assert sum(row["buy_and_hold_growth"] for row in of_it) == pytest.approx(held)
        metrics = json.loads((whole.path / f"seed-{seed}" / "metrics.json").read_text())
        assert metrics["metrics"] == pytest.approx({**result.metrics}, nan_ok=True)
        table = pd.read_csv(whole.path / f"seed-{seed}" / "equity.csv")
        np.testing.assert_allclose(table["equity"], result.equity)
    assert len({result.metrics["total_return"] for result in whole.results.values()}) == 2


def test_nothing_is_learned_from_what_is_tested(whole):
    for number in (1, 2):
        config = whole.run(number, 0).config
        task = Task.of(config, config.data.load(), None)
        test = pd.Timestamp(config.data.spans.test[0][0])
        assert max(market.times[-1] for market in task.markets.each.values()) < task.slices.validation[1]
        assert task.slices.validation[0].popitem()[1].index[-1] < test
        assert task.slices.test[1] == test


def test_the_curve_is_each_folds_own_backtest_up_to_the_border(whole):
    border = pd.Timestamp(whole.folds[1].test[0][0])
    own = backtest_run(whole.run(1, 0), keep=False)
    stitched = whole.results[0]
    upto = stitched.equity.loc[: border - pd.Timedelta(seconds=1)]
    pd.testing.assert_series_equal(upto, own.equity, check_exact=True)
    assert len(own.equity) == 70
    assert len(stitched.orders) > len(own.orders) > 0


def test_a_walk_forward_that_is_opened_gives_the_same_results(whole):
    again = WalkForward.open(whole.path)
    assert again.stitched == {}
    same_results(again, whole)
    assert list(again.paths) == [(0, 0), (1, 0)]


def copy_of(whole, out, *lost):
    """The whole walk-forward as it would be if some trainings had not been made yet."""
    shutil.copytree(whole.path, out)
    for name in lost:
        shutil.rmtree(out / "folds" / name)
        shutil.rmtree(out / f"seed-{name[-1]}", ignore_errors=True)


def test_the_same_call_does_nothing_again_and_more_seeds_only_what_is_new(whole, tmp_path):
    copy_of(whole, tmp_path / "out")
    executor = Inline()
    again = walk(tmp_path / "out", executor=executor, seeds=2)
    assert executor.ran == []
    assert again.stitched == {}
    assert kept(again.path) == kept(whole.path)
    more = walk(tmp_path / "out", executor=executor, seeds=3)
    assert executor.ran == ["fold-01-s2", "fold-02-s2"]
    assert (more.finished_seeds, list(more.stitched), list(more.results)) == ((0, 1, 2), [2], [0, 1, 2])
    tables, old = kept(more.path)[1], kept(whole.path)[1]
    assert old == {name: text for name, text in tables.items() if name in old}
    with pytest.raises(ConfigError, match=r"of which some are not among \[0\]; ask for at least 3 seeds"):
        walk(tmp_path / "out")


def test_what_is_killed_is_reported_and_the_same_call_goes_on(whole, tmp_path):
    copy_of(whole, tmp_path / "out", "fold-02-s0")
    first = walk(tmp_path / "out", executor=Inline(kills=["fold-02-s0"]), seeds=2)
    assert (first.status, first.finished_seeds, list(first.results)) == ("failed", (1,), [1])
    rows = {(row["fold"], row["seed"]): row for row in first.rows}
    assert (rows[2, 0]["status"], rows[2, 0]["error"]) == ("killed", "its process was killed by SIGKILL")
    assert rows[2, 0]["growth"] is None
    assert rows[1, 1]["growth"] is not None
    assert not (first.path / "seed-0").exists()
    executor = Inline()
    again = walk(tmp_path / "out", executor=executor, seeds=2)
    assert executor.ran == ["fold-02-s0"]
    assert kept(again.path) == kept(whole.path)


def test_ctrl_c_leaves_what_the_same_call_goes_on_with(whole, tmp_path):
    copy_of(whole, tmp_path / "out", "fold-01-s1", "fold-02-s1")
    first = walk(tmp_path / "out", executor=Inline(interrupt_after=1), seeds=2)
    assert first.status == "interrupted"
    assert [row["status"] for row in first.rows] == ["finished"] * 3 + ["not begun"]
    assert kept(walk(tmp_path / "out", seeds=2).path) == kept(whole.path)


KILL = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[1])
    from dltrader.runs import Run
    from dltrader.workflows.jobs import Outcome
    from dltrader.workflows.walk_forward import walk_forward
    from small_runs import experiment

    class Inline:
        def require(self, jobs, at_once):
            pass

        def run(self, jobs, **options):
            for job in jobs:
                job.function(job.argument)
                yield Outcome(job, "finished", 1.0)

    keep = Run.keep_state
    def last(self, state, steps):
        keep(self, state, steps)
        if self.path.name == "fold-02-s0":
            os.kill(os.getpid(), signal.SIGKILL)
    Run.keep_state = last
    walk_forward(experiment(), folds={"folds": 2, "train": 160}, seeds=2, out=sys.argv[2], executor=Inline())
"""


def test_a_killed_walk_forward_goes_on_from_the_checkpoint_it_had(whole, tmp_path):
    out = tmp_path / "out"
    copy_of(whole, out, "fold-02-s0", "fold-02-s1")
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILL), tests, str(out)], check=False, capture_output=True, text=True
    )
    assert done.returncode == -9, done.stderr
    left = WalkForward.open(out)
    assert left.status == "running"
    assert [row["status"] for row in left.rows] == ["finished", "finished", "not begun", "not begun"]
    (out / "folds" / "fold-02-s1").mkdir()  # what a kill leaves between the folder and its first file
    executor = Inline()
    again = walk(out, executor=executor, seeds=2)
    assert executor.ran == ["fold-02-s0", "fold-02-s1"]
    assert [each["steps"] for each in again.run(2, 0).manifest["resumed"]] == [128]
    assert kept(out) == kept(whole.path)


DYING = """
import os, signal
from pathlib import Path

import dltrader
from dltrader.envs.rewards import log_growth

bars = 0

def dying(step):
    global bars
    bars += 1
    marker = Path(os.environ["DYING_MARKER"])
    if bars == 150 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return log_growth(step)

dltrader.REWARDS.register("dying", dying)
"""


def test_processes_give_the_same_even_if_one_of_them_is_killed(tmp_path, monkeypatch):
    (tmp_path / "dying_reward.py").write_text(DYING)
    monkeypatch.setenv("DYING_MARKER", str(tmp_path / "marker"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    import dying_reward  # noqa: F401, PLC0415 - registers the reward

    dying = experiment({"env.reward": "dying"})
    first = walk_forward(dying, folds=TWO, out=tmp_path / "out", jobs=2, plugins=["dying_reward"])
    assert sorted(row["status"] for row in first.rows) == ["finished", "killed"]
    assert all(1 < row["seconds"] < 300 for row in first.rows)
    assert first.status == "failed"
    again = walk(tmp_path / "out", {"env.reward": "dying"})
    assert again.status == "finished"
    assert sum("resumed" in again.run(number, 0).manifest for number in (1, 2)) == 1
    inline = walk(tmp_path / "inline", {"env.reward": "dying"})
    assert kept(again.path) == kept(inline.path)


def test_a_fold_may_begin_with_what_the_one_before_has_learned(tmp_path):
    hardly = {"agent.learning_rate": 1e-12, "train.total_timesteps": 128}  # what is learned is too little to see
    warm = walk(tmp_path / "warm", hardly, warm_start=True, seeds=2)
    first, second = (warm.run(number, 1).policy().weights() for number in (1, 2))
    assert all(np.allclose(first[name], second[name], atol=1e-6) for name in first)
    assert warm.run(2, 1).manifest["began_with"] == str(tmp_path / "warm" / "folds" / "fold-01-s1")
    assert "began_with" not in warm.run(1, 1).manifest
    other = warm.run(1, 0).policy().weights()
    assert not all(np.allclose(first[name], other[name], atol=1e-6) for name in first)
    with pytest.raises(ConfigError, match="warm_start was True, now False"):
        walk(tmp_path / "warm", hardly, seeds=2)


def test_a_fold_that_begins_with_a_lost_one_is_not_trained(tmp_path):
    executor = Inline(kills=["fold-01-s0"])
    short = {"train.total_timesteps": 128}
    lost = walk(tmp_path / "out", short, executor=executor, warm_start=True)
    assert executor.ran == ["fold-01-s0"]
    assert [row["status"] for row in lost.rows] == ["killed", "failed"]
    assert lost.rows[1]["error"] == "the fold before did not finish, with whose weights it begins"
    assert lost.results == {}
    assert walk(tmp_path / "out", short, warm_start=True).finished_seeds == (0,)


def test_cpcv_learns_from_pieces_and_has_a_curve_for_every_path(tmp_path):
    folds = {"scheme": "cpcv", "groups": 3, "test_groups": 2, "validation": 20, "embargo_bars": 5}
    walked = walk(tmp_path / "out", {"train.total_timesteps": 128}, folds=folds)
    assert list(walked.paths) == [(0, 0), (0, 1)]
    assert list(walked.results) == [0]
    one, two = walked.paths.values()
    assert one.equity.index.equals(two.equity.index)
    assert one.metrics["total_return"] != two.metrics["total_return"]
    parts = sorted(str(file.relative_to(walked.path)) for file in walked.path.glob("seed-0/*/equity.csv"))
    assert parts == ["seed-0/path-01/equity.csv", "seed-0/path-02/equity.csv"]
    growths = [np.log(result.equity.iloc[-1] / result.equity.iloc[0]) for result in (one, two)]
    assert sum(row["growth"] for row in walked.rows) == pytest.approx(sum(growths))
    with pytest.raises(ConfigError, match="is a fold that is tested on several spans, 2000-01-0"):
        backtest_run(walked.run(1, 0))
    first, last = walked.folds[0].test[0]
    own = backtest_run(walked.run(1, 0), start=first, end=last, keep=False)
    upto = one.equity.loc[first:last]
    pd.testing.assert_series_equal(upto, own.equity, check_exact=True)


def test_pieces_with_bars_left_out_between_them_are_markets_of_their_own(tmp_path):
    config = ExperimentConfig.load(experiment({"walk_forward": {"scheme": "cpcv", "groups": 4, "test_groups": 1}}))
    plan = Plan.of(config, [0], warm_start=False, folder=tmp_path)
    for fold in plan.folds:
        task = Task.of(plan.experiment_of(fold, 0), plan.frames, None)
        found = [(str(market.times[0]), str(market.times[-1])) for market in task.markets.each.values()]
        assert found == [tuple(span) for span in plan.spans(fold).train]
        assert task.markets.instruments == tuple(plan.frames)
    assert [len(fold.train) for fold in plan.folds] == [1, 2, 2, 1]


def test_a_portfolio_walks_forward_on_common_bars(tmp_path):
    bars = {"a": "synthetic:gbm?n=300&sigma=0.3&seed=1", "b": "synthetic:gbm?n=280&sigma=0.3&seed=2"}
    walked = walk(tmp_path / "out", {"data.bars": bars, "train.total_timesteps": 128})
    result = walked.results[0]
    assert list(result.position) == ["a", "b"]
    assert len(result.equity) == 280 - 160


@pytest.mark.parametrize(
    ("changes", "folds", "more", "error", "message"),
    [
        ({}, {"folds": 90, "train": 160}, {}, BarsError, "the largest folds that fits is 70"),
        ({"data.bars": ["synthetic:gbm?n=300", "synthetic:ou?n=300"]}, {}, {}, ConfigError, "has one for each of 2"),
        ({}, {"scheme": "cpcv"}, {"warm_start": True}, ConfigError, "leave it out, or take the scheme anchored"),
        ({}, {}, {"jobs": 0}, ConfigError, "--jobs must be at least 1, was 0"),
        ({}, {}, {"seeds": 0}, ConfigError, "the number of seeds must be at least 1, was 0"),
        ({}, {"horizon_bars": 5, "embargo_bars": 2}, {}, ConfigError, "horizon_bars 5 is longer than embargo_bars 2"),
        ({"walk_forward.fold": 3}, {}, {}, ConfigError, "unknown key 'walk_forward.fold'; did you mean"),
    ],
)
def test_bad_input_leaves_no_folder(changes, folds, more, error, message, tmp_path):
    with pytest.raises(error) as caught:
        walk(tmp_path / "out", changes, folds=folds, **more)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_spans_of_one_fold_are_not_walked(whole, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.spans are those of one fold"):
        walk_forward(whole.run(1, 0).config, out=tmp_path / "out")


def test_another_configuration_is_refused_with_the_fields_that_differ(whole):
    with pytest.raises(ConfigError) as caught:
        walk(whole.path, {"agent.gamma": 0.5, "env.cash": 5.0}, seeds=2, folds=TWO | {"folds": 3})
    assert str(caught.value) == (
        f"{whole.path} was begun with another configuration: env.cash was 100000.0, now 5.0, agent.gamma was 0.95, now "
        "0.5, walk_forward.folds was 2, now 3; go on with its own, or choose another --out"
    )
    assert whole.status == "finished"


def test_other_bars_are_refused(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(Plan, "data_sha256", "0" * 64)
    with pytest.raises(RunError, match=r"have changed since it began: their fingerprint was .{12}…, now 000000000000…"):
        walk(whole.path, seeds=2)


def test_a_folder_of_something_else_and_one_that_is_held_are_refused(whole, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="already exists and holds no walk-forward; choose another --out or remove it"):
        walk(tmp_path / "other")
    with held(whole.path / "config.yaml"), pytest.raises(RunError, match="is being trained by another process"):
        walk(whole.path, seeds=2)
    with pytest.raises(RunError, match=r"is no walk-forward: it has no walk_forward\.json"):
        WalkForward.open(tmp_path)
    (tmp_path / "walk_forward.json").write_text("{")
    with pytest.raises(RunError, match="cannot read"):
        _ = WalkForward.open(tmp_path).status
    (tmp_path / "walk_forward.json").write_text("{}")
    with pytest.raises(RunError, match="is no record of this format"):
        _ = WalkForward.open(tmp_path).status


def test_a_fold_another_process_trains_is_left_alone(tmp_path):
    first = walk(tmp_path / "out", {"train.total_timesteps": 128}, executor=Inline(interrupt_after=1))
    run = Run.open(first.path / "folds" / "fold-01-s0")
    run._update(status="running")
    with held(run.path / "config.yaml"), pytest.raises(RunError, match="is being trained by another process"):
        walk(tmp_path / "out", {"train.total_timesteps": 128})
    assert run.manifest["status"] == "running"
    assert WalkForward.open(tmp_path / "out").status == "failed"


def test_a_section_of_the_configuration_says_how_bars_are_cut(tmp_path):
    config = experiment({"walk_forward": TWO | {"validation": 0.3}})
    walked = walk_forward(config, {"train.total_timesteps": 128}, folds={"folds": 1}, out=tmp_path, executor=Inline())
    assert walked.config.walk_forward == FoldsConfig(folds=1, train=160, validation=0.3)
    assert len(walked.folds) == 1
    assert [each.name for each in (tmp_path / "folds").iterdir()] == ["fold-01-s0"]


def test_a_piece_shorter_than_an_episode_has_short_episodes(tmp_path):
    section = {"scheme": "cpcv", "groups": 4, "test_groups": 1, "validation": 50}
    config = ExperimentConfig.load(experiment({"walk_forward": section, "env.episode_bars": 90}))
    plan = Plan.of(config, [0], warm_start=False, folder=tmp_path)
    task = Task.of(plan.experiment_of(plan.folds[1], 0), plan.frames, None)
    lengths = [len(market) for market in task.markets.each.values()]
    assert lengths == [span.bars for span in plan.folds[1].train]
    assert min(lengths) < 90 < max(lengths)
    drawn = Episodes(task.markets, config.env).draw(np.random.default_rng(0), 50)
    steps = drawn.last - drawn.first
    firsts = [market.first for market in task.markets.each.values()]
    assert set(steps.tolist()) == {min(90, n - 1 - first) for n, first in zip(lengths, firsts, strict=True)}
