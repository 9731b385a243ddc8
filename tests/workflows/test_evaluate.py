from __future__ import annotations

import importlib.util
import json
import math
import shutil

import numpy as np
import pytest

from dltrader.config import override
from dltrader.errors import BarsError, ConfigError, MissingExtraError, RunError
from dltrader.evaluation.curves import growth_of
from dltrader.evaluation.evaluation import Evaluation, missing
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.ledger import Ledger
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.evaluate import evaluate
from dltrader.workflows.running import ThisProcess
from dltrader.workflows.train import train
from dltrader.workflows.walk_forward import walk_forward
from small_runs import experiment

COSTS = (0.0, 10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs with two seeds, and what their evaluation found."""
    made = tmp_path_factory.mktemp("seeds") / "runs"
    for seed in (0, 1):
        train(experiment({"seed": seed}), out=made / f"small-s{seed}")
    return made


@pytest.fixture(scope="module")
def found(folder):
    return evaluate(folder, costs=COSTS)


@pytest.fixture
def runs(folder, tmp_path):
    """A copy to write into."""
    return shutil.copytree(folder, tmp_path / "runs", ignore=shutil.ignore_patterns("evaluation"))


def test_seeds_are_those_of_their_backtests(folder, found):
    assert found.about["seeds"] == [0, 1]
    for row in found.seeds:
        run = Run.open(folder / f"small-s{row['seed']}")
        result = backtest_run(run, keep=False)
        assert row["path"] == str(run.path)
        assert row["growth"] == pytest.approx(growth_of(result.equity))
        assert row["sharpe"] == pytest.approx(result.metrics["sharpe"])
        assert row["hold_growth"] == pytest.approx(growth_of(result.benchmark.equity))
        assert row["collapse"] == result.behaviour.collapse
        assert found.equity[f"seed-{row['seed']}"].tolist() == pytest.approx(result.equity.tolist())
        years = found.about["years"]
        assert row["difference"] == pytest.approx((row["growth"] - row["hold_growth"]) / years)
    median = min(found.seeds, key=lambda row: row["growth"])
    assert found.about["median_seed"] == median["seed"]
    assert len(found.orders) == round(median["fills_per_bar"] * found.about["n_bars"])


def test_the_summary_is_the_mean_of_two_seeds(found):
    for name in ("growth", "sharpe", "turnover"):
        values = [row[name] for row in found.seeds]
        assert found.summary[name]["estimate"] == pytest.approx(np.mean(values))
        assert (found.summary[name]["low"], found.summary[name]["high"]) == pytest.approx((min(values), max(values)))
    assert found.policy_modes["deterministic"]["growth"] == found.summary["growth"]


def test_sections_agree_with_each_other(found):
    growth = found.summary["growth"]["estimate"]
    rows = {row["name"]: row for row in found.baselines}
    assert rows["buy_and_hold"]["growth"] == pytest.approx(found.seeds[0]["hold_growth"])
    assert rows["flat"]["difference"] == pytest.approx(growth)
    assert rows["random"]["runs"] == 5
    assert [row["cost_bp"] for row in found.costs["rows"]] == [0.0, 10.0]
    assert found.costs["rows"][0]["growth"] > found.costs["rows"][1]["growth"]
    total = sum(math.log1p(row["buy_and_hold"]) for row in found.years)
    assert total == pytest.approx(rows["buy_and_hold"]["growth"])
    assert sum(row["bars"] for row in found.years) == found.about["n_bars"] == len(found.equity) - 1
    assert found.statistics["seeds_difference_growth"]["value"] == pytest.approx(
        (growth - rows["buy_and_hold"]["growth"]) / found.about["years"]
    )
    assert list(found.equity) == [
        "seed-0", "seed-1", "buy_and_hold", "flat", "sma_cross", "random", "same_exposure",
    ]  # fmt: skip
    assert list(found.exposure) == list(found.equity)
    assert found.verdict[0].partition(":")[0] in {
        "indistinguishable from buy-and-hold", "worse than buy-and-hold", "better than buy-and-hold",
    }  # fmt: skip


def test_every_missing_number_has_a_reason(found):
    assert set(found.why) >= {"statistics.pbo.value", "baselines.0.growth_low"}
    assert all(found.why.values())
    sections = {name: values for name, values in found.to_mapping().items() if name not in {"about", "folds", "why"}}
    assert sorted(missing(sections)) == sorted(found.why)


def test_what_is_kept_can_be_opened(folder, found):
    opened = Evaluation.open(folder)
    assert opened.to_mapping() == found.to_mapping()
    assert json.loads((folder / "evaluation" / "evaluation.json").read_text()) == found.to_mapping()
    for name in ("equity", "exposure", "position"):
        read, kept = getattr(opened, name), getattr(found, name)
        assert read.index.equals(kept.index)
        assert read.to_dict("list") == kept.to_dict("list")
    for name in ("orders", "trades", "bars"):
        assert len(getattr(opened, name)) == len(getattr(found, name))
        assert list(getattr(opened, name)) == list(getattr(found, name))
    assert opened.orders["time"].tolist() == found.orders["time"].tolist()
    assert Evaluation.open(folder / "evaluation").about == opened.about


def test_a_damaged_evaluation_says_so(runs, found):
    found.keep(runs)
    (runs / "evaluation" / "evaluation.json").write_text("{")
    with pytest.raises(RunError, match="cannot read the evaluation in"):
        Evaluation.open(runs)
    with pytest.raises(RunError, match="there is no evaluation in"):
        Evaluation.open(runs / "small-s0")


def test_a_run_alone_is_evaluated_with_its_trials(runs, ledger):
    first = evaluate(runs / "small-s0", costs=COSTS)
    assert (first.about["kind"], first.about["seeds"], first.about["trials"]) == ("run", [0], 1)
    assert first.about["notes"] == []
    assert first.why["summary.growth.low"] == "there is one of them, and an interval takes several"
    assert "one seed says nothing of others; evaluate several" in first.verdict
    assert first.statistics["dsr"]["value"] == first.statistics["psr"]["value"]
    assert [(entry.kind, entry.looked) for entry in Ledger.open().entries()] == [("evaluate", True)]
    (runs.parent / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write the evaluation into .*file: .*; choose another --out"):
        evaluate(runs / "small-s1", costs=COSTS, end="2001-01-10", out=runs.parent / "file")
    second = evaluate(Run.open(runs / "small-s1"), costs=COSTS, out=runs.parent / "elsewhere")
    assert second.about["trials"] == 2
    assert second.about["notes"] == ["these bars have been looked at 2 times before"]
    assert Evaluation.open(runs.parent / "elsewhere").about["seeds"] == [1]


def test_other_bars_are_traded_from_where_they_can_be(runs):
    found = evaluate(runs / "small-s0", costs=COSTS, bars="synthetic:ou?n=120&seed=3", start="2000-03-01")
    assert found.about["bars"] == {"ou": "synthetic:ou?n=120&seed=3"}
    assert found.about["start"].startswith("2000-03-01")
    assert [entry.kind for entry in Ledger.open().entries()] == ["backtest"]


def test_too_few_bars_give_gaps_and_reasons(runs):
    run = Run.open(runs / "small-s0")
    frames, start = run.config.data.cut(run.config.data.load()).test
    end = str(frames["gbm"].loc[start:].index[5])
    found = evaluate(run, costs=COSTS, end=end)
    assert found.about["n_bars"] == 5
    assert found.verdict[0] == "nothing can be said of it beside buy-and-hold: 5 returns; at least 20 are needed"
    assert found.why["statistics.sharpe.low"] == "5 returns; at least 20 are needed"
    assert found.why["seeds.0.difference_low"] == "there are too few bars"


def test_a_configuration_is_trained_first(tmp_path):
    found = evaluate(experiment(), {"seed": 3}, seeds=1, costs=COSTS, out=tmp_path / "out", executor=ThisProcess())
    assert (found.about["kind"], found.about["seeds"]) == ("runs", [3])
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["evaluation", "small-s3"]


def test_further_seeds_of_a_run_are_trained_beside_it_and_trials_may_be_unknown(runs, monkeypatch):
    monkeypatch.setenv("DLTRADER_LEDGER", "off")
    run = runs / "small-s0"
    found = evaluate(run, seeds=2, costs=COSTS, executor=ThisProcess())
    beside = runs / "small-s0-seeds"
    assert found.about["seeds"] == [0, 1]
    assert [row["path"] for row in found.seeds] == [str(run), str(beside / "small-s1")]
    assert found.about["notes"][0] == f"beside seed 0 of {run}, further seeds of its configuration are in {beside}: 1"
    assert Evaluation.open(beside).seeds == found.seeds
    assert found.about["trials"] is None
    assert found.statistics["dsr"]["value"] is None
    assert "switched off" in found.why["statistics.dsr.value"]
    assert "switched off" in found.why["seeds.0.dsr"]
    with pytest.raises(RunError, match="not with a run of this configuration with seed 2; choose another --out"):
        evaluate(run, seeds=3, costs=COSTS)


def test_what_did_not_finish_is_left_out(runs):
    Run.open(runs / "small-s1").finish(None, status="failed", error="ValueError: why")
    found = evaluate(runs, costs=COSTS)
    assert found.about["seeds"] == [0]
    assert found.about["left_out"] == [{"seed": 1, "path": str(runs / "small-s1"), "reason": "failed: ValueError: why"}]
    assert found.verdict[-1] == "1 of 2 trainings did not finish and are left out"
    Run.open(runs / "small-s0").finish(None, status="killed")
    with pytest.raises(RunError, match=r"no run in .* has finished: .*small-s0 killed"):
        evaluate(runs)


def test_a_policy_that_cannot_be_loaded_is_left_out(runs):
    manifest = Run.open(runs / "small-s1").manifest
    for weights in (runs / "small-s1").glob("**/*.safetensors"):
        weights.write_bytes(b"")
    assert manifest["best"] is not None
    found = evaluate(runs, costs=COSTS)
    assert [row["seed"] for row in found.about["left_out"]] == [1]
    with pytest.raises(RunError, match="no seed could be tested"):
        evaluate(_alone(runs / "small-s1"))


def _alone(run):
    folder = run.parent.parent / "alone"
    shutil.copytree(run, folder / run.name)
    return folder


def test_runs_of_several_configurations_are_refused(runs):
    _change(runs / "small-s1", {"agent.learning_rate": 0.5, "env.window_bars": 9})
    with pytest.raises(ConfigError, match=r"small-s0 and small-s1 differ in env\.window_bars \(4 and 9\), agent\.lea"):
        evaluate(runs)


def test_two_runs_of_one_seed_are_refused(runs):
    _change(runs / "small-s1", {"seed": 0})
    with pytest.raises(ConfigError, match="have the same seed 0; remove one of them"):
        evaluate(runs)


def _change(path, changes):
    config = ExperimentConfig.from_yaml(path / "config.yaml")
    (path / "config.yaml").write_text(
        ExperimentConfig.from_mapping(override(config.to_mapping(), changes)).to_yaml(), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"seeds": 0}, ConfigError, "--seeds must be at least 1, was 0"),
        ({"seeds": 2}, ConfigError, "has its seeds, 2 of them; leave --seeds out"),
        ({"jobs": 0}, ConfigError, "--jobs must be at least 1, was 0"),
        ({"costs": (-1.0,)}, ConfigError, r"--costs must be in \[0, 1000\)"),
        ({"overrides": {"seed": 1}}, ConfigError, "has its configuration, so seed cannot be changed"),
        ({"market": "gbm"}, ConfigError, "--market gbm is for configurations with several markets"),
        ({"market": "gbm", "bars": "synthetic:ou?n=100"}, ConfigError, "leave it out beside --bars"),
        ({"start": "2030"}, BarsError, "gbm has no two bars from 2030-01-01 on"),
        ({"start": "soon"}, ConfigError, "start must be a date or time"),
        ({"bars": "synthetic:ou?n=5"}, RunError, "no seed could be tested: .*small-s0: BarsError: 5 bars are too few"),
    ],
)
def test_what_cannot_be_is_refused(folder, options, error, words):
    with pytest.raises(error, match=words):
        evaluate(folder, **{"costs": COSTS, **options})


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds neither a run nor runs nor a walk-forward"):
        evaluate(tmp_path)
    with pytest.raises(ConfigError, match="no configuration file 'ppo_mpl'"):
        evaluate("ppo_mpl")


def test_without_the_extra_nothing_is_begun(folder, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "arch" else find(name))
    with pytest.raises(MissingExtraError) as caught:
        evaluate(folder)
    assert str(caught.value) == 'arch is not installed; run: pip install "dltrader[report]"'


def test_a_walk_forward_is_evaluated_on_its_curves(tmp_path):
    folds = {"folds": 2, "test_bars": 40, "validation": 30}
    walk = walk_forward(experiment(), folds=folds, out=tmp_path / "walk", executor=ThisProcess())
    found = evaluate(walk, costs=COSTS)
    assert (found.about["kind"], found.about["seeds"]) == ("walk_forward", [0])
    assert len(found.folds) == 2
    assert found.about["notes"] == []  # nobody but itself has looked
    assert found.equity["seed-0"].tolist() == walk.results[0].equity.tolist()
    with pytest.raises(ConfigError, match="so --bars does not fit"):
        evaluate(walk.path, bars="synthetic:ou?n=100")
