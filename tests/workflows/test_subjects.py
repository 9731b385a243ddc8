from __future__ import annotations

import shutil

import pytest

from dltrader.errors import BundleError, ConfigError, RunError
from dltrader.runs import ExperimentConfig, Run
from dltrader.workflows.subjects import existing_seeds, of_run, of_runs, subject_in


@pytest.fixture
def seeds(run):
    """A folder of two runs whose configurations differ in their seeds."""
    folder = run.path.parent / "seeds"
    for seed in (0, 1):
        path = shutil.copytree(run.path, folder / f"s{seed}")
        config = run.config.with_overrides({"seed": seed})
        (path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    return folder


def test_a_run_is_a_subject_of_one_seed(run):
    found = subject_in(run.path)
    assert (found.kind, found.path, found.experiment) == ("run", run.path, run.config)
    (trader,) = found.traders
    assert (trader.seed, trader.path, trader.data_sha256) == (0, run.path, run.manifest["data_sha256"])


def test_a_run_without_a_policy_is_none(run):
    shutil.rmtree(run.path / "policy")
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(BundleError, match=r"policy\.json is missing; a policy is a folder"):
        of_run(run)


def test_runs_are_ordered_by_their_seeds(seeds):
    found = subject_in(seeds)
    assert (found.kind, found.path, found.left_out) == ("runs", seeds, ())
    assert [trader.seed for trader in found.traders] == [0, 1]


def test_names_may_differ(seeds):
    config = ExperimentConfig.from_yaml(seeds / "s1" / "config.yaml").with_overrides({"name": "other"})
    (seeds / "s1" / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert len(subject_in(seeds).traders) == 2


def test_a_damaged_run_is_left_out(seeds):
    (seeds / "s1" / "manifest.json").write_text("{")
    found = subject_in(seeds)
    assert [trader.seed for trader in found.traders] == [0]
    (row,) = found.left_out
    assert (row["seed"], row["path"]) == (1, str(seeds / "s1"))
    assert "cannot read" in row["reason"]


def test_trainings_that_came_to_no_run_are_left_out(seeds):
    lost = {"seed": 2, "path": "p", "reason": "killed: why"}
    assert of_runs(seeds, Run.all_in(seeds), [lost]).left_out == (lost,)
    with pytest.raises(RunError, match="has finished: p killed: why"):
        of_runs(seeds, [], [lost])


def test_runs_on_other_bars_are_refused(seeds):
    manifest = seeds / "s1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(Run.open(seeds / "s0").manifest["data_sha256"], "0" * 64))
    with pytest.raises(ConfigError, match=r"s0 and s1 in .* were trained on different bars of the same name"):
        subject_in(seeds)


def test_seeds_that_are_there_are_found_again(seeds, run):
    wanted = [run.config.with_overrides({"seed": seed}) for seed in (1, 0)]
    assert [found.config.seed for found in existing_seeds(seeds, wanted)] == [1, 0]
    assert existing_seeds(seeds / "none", wanted) is None
    with pytest.raises(RunError, match="not with a run of this configuration with seed 1"):
        existing_seeds(seeds, [wanted[0].with_overrides({"agent.learning_rate": 0.1})])
