from __future__ import annotations

import json
import math
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

import dltrader
from dltrader.agents.trained import TrainedPolicy
from dltrader.data import load_bars
from dltrader.errors import BarsError, BundleError, ConfigError, MissingExtraError, RunError
from dltrader.files import sha256_of
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.scores import log_loss
from dltrader.forecast.voting import pooled_probabilities
from dltrader.runs import Run
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.ensemble_bundle import load_reference
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.ledger import Ledger
from dltrader.workflows import ensemble as workflow
from dltrader.workflows import member_jobs
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.ensemble import train_ensemble
from dltrader.workflows.lesson import Lesson
from dltrader.workflows.many import train_many
from dltrader.workflows.member_jobs import votes_in
from dltrader.workflows.resume import resume
from dltrader.workflows.running import ThisProcess
from dltrader.workflows.subjects import of_run
from dltrader.workflows.train import train
from small_ensembles import PPO, ensemble, with_policy


def contents(folder):
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two forecasters and a policy, with one fold, in this process."""
    return train(with_policy(), out=tmp_path_factory.mktemp("ensemble") / "run", jobs=1)


@pytest.fixture(scope="module")
def forecasters(tmp_path_factory):
    return train(ensemble(), out=tmp_path_factory.mktemp("forecasters") / "run", jobs=1)


def test_an_evaluation_says_which_members_are_not_there_any_more(forecasters, tmp_path):
    assert of_run(forecasters).notes == ()
    part = shutil.copytree(forecasters.path, tmp_path / "part")
    shutil.rmtree(part / "policy" / "members" / "lstm")
    assert of_run(Run.open(part)).notes == ("without lstm, not there any more: the other members decide",)


def test_members_vote_and_the_run_is_one_that_opens_as_any_other(trained):
    run = Run.open(trained.path)
    assert isinstance(run, EnsembleRun)
    assert (run.manifest["status"], run.manifest["trained"]) == ("finished", "ensemble")
    policy = run.policy()
    assert isinstance(policy, EnsemblePolicy)
    assert policy.models == ("lstm", "lgb_1d", "lgb_3d", "ppo")
    assert math.isclose(sum(policy.weighting.weights.values()), 1.0)
    assert (policy.interval, policy.instruments) == (pd.Timedelta(days=1), ("sine",))
    with pytest.raises(RunError, match="has no policy 7 "):
        run.policy(7)
    with pytest.raises(RunError, match=r"ppo/run is the run of a policy, and an ensemble is needed"):
        EnsembleRun.open(run.member_folder("ppo") / "run")


def test_the_spread_of_all_features_over_the_bars_that_were_learned_from_is_kept(forecasters):
    reference = load_reference(forecasters.path / "policy")
    assert tuple(reference.features) == forecasters.policy().pipeline.names
    learned = forecasters.manifest["best"]["steps"]
    assert learned - 20 <= reference.rows <= learned  # the trading rules look at the volatility of 20 bars
    assert {sum(spread.counts) for spread in reference.features.values()} == {reference.rows}


def test_every_model_is_scored_on_the_validation_bars_and_on_the_bars_of_the_fold(trained):
    scores = trained.scores
    models = ["lstm", "lgb_1d", "lgb_1d", "lgb_3d", "lgb_3d", "ppo", "ensemble"]
    assert [list(scores[scores["fold"] == fold]["model"]) for fold in (0, 1)] == [models, models]
    sides = scores[(scores["fold"] == 0) & (scores["question"] == "side")].set_index("model")["log_loss"]
    assert sides["ensemble"] <= sides.min() + 1e-12
    assert (scores["log_loss"] < 1.2).all()
    assert set(scores.query("fold == 1 and question == 'side'")["bars"]) == {380}


def test_the_weights_are_fitted_on_what_members_said_of_the_validation_bars(trained):
    config = trained.config
    lesson = Lesson.of(config, config.data.load(), {})
    said = {}
    for name in trained.members:
        said |= votes_in(trained.member_folder(name))["validation"]
    probabilities = {model: vote.probabilities for model, vote in said.items()}
    pooled = pooled_probabilities(probabilities, trained.policy().weighting)
    validation = lesson.samples.validation
    row = trained.scores.query("fold == 0 and model == 'ensemble'").iloc[0]
    assert row["bars"] == len(validation) == len(pooled)
    assert row["log_loss"] == pytest.approx(log_loss(pooled, validation.side), abs=1e-12)


def test_no_label_of_what_is_learned_reaches_into_what_it_is_scored_on(trained):
    config = trained.config
    own = Lesson.of(config, config.data.load(), {})
    known, start = own.slices.validation
    assert own.samples.train.ends.max() < start
    assert own.samples.validation.times.min() >= start
    assert own.samples.validation.ends.max() <= max(frame.index[-1] for frame in known.values())
    assert own.samples.validation.ends.max() < own.slices.test[1]


def test_the_ledger_knows_one_trial_and_its_pieces(tmp_path):
    run = train(with_policy({"folds": None}), out=tmp_path / "run", jobs=1)
    entries = Ledger.open().entries()
    assert [(each.kind, each.counts) for each in entries] == [("ensemble member", False), ("train", True)]
    assert entries[1].scores.validation_growth == run.manifest["best"]["validation_growth"]
    assert run.manifest["trials"] == 1
    backtest_run(run)
    assert Ledger.open().count() == 1
    assert [each.looked for each in Ledger.open().entries()] == [False, False, True]


def test_a_backtest_of_the_run_is_that_of_its_policy_by_hand(trained, tmp_path):
    run = Run.open(shutil.copytree(trained.path, tmp_path / "run"))
    kept = backtest_run(run)
    history, start = run.config.data.cut(run.config.data.load()).test
    by_hand = dltrader.backtest(run.policy(), history, config=run.config, start=start)
    assert kept.metrics == by_hand.metrics
    assert kept.equity.equals(by_hand.equity)
    assert json.loads((run.path / "backtest" / "metrics.json").read_text())["on_test"] is True
    assert isinstance(run.path, type(tmp_path))


def test_the_policy_among_them_is_a_run_of_its_own(trained):
    run = Run.open(trained.member_folder("ppo") / "run")
    assert isinstance(run.policy(), TrainedPolicy)
    assert run.manifest["kind"] == "ensemble member"
    assert Run.open(trained.member_folder("ppo", 1) / "run").manifest["kind"] == "walk-forward fold"
    assert [one.name for one in run.config.env.features] == ["log_return", "range"]
    assert [one.name for one in trained.config.env.features] == ["log_return", "range", "volatility"]


def test_what_comes_of_it_does_not_depend_on_how_many_are_trained_at_once(forecasters, tmp_path):
    experiment = EnsembleConfig.from_mapping(ensemble())
    (many,) = train_many([experiment], out=tmp_path / "many", executor=ThisProcess())
    assert many.status == "finished"
    assert many.validation_growth == forecasters.manifest["best"]["validation_growth"]
    apart = train_ensemble(ensemble(), out=tmp_path / "apart", jobs=2)
    for run in (many.run, apart):
        assert contents(run.path / "policy") == contents(forecasters.path / "policy")
        assert run.scores.equals(forecasters.scores)
    assert (apart.path / "members" / "lstm.log").is_file()


def test_bars_at_hand_give_the_same_as_their_source(forecasters, tmp_path):
    bars = load_bars("synthetic:sine?n=700&seed=0")
    run = train(ensemble(), bars={"sine": bars}, out=tmp_path / "run", jobs=1)
    assert contents(run.path / "policy") == contents(forecasters.path / "policy")
    assert run.config.data.bars == {"sine": "memory:sine"}


def test_a_member_that_fails_leaves_the_others_and_can_be_gone_on_with(forecasters, tmp_path, monkeypatch):
    fit = member_jobs.votes_on

    def failing(member, samples):
        if member.name == "lgb":
            raise BarsError("no such thing")
        return fit(member, samples)

    with monkeypatch.context() as patch:
        patch.setattr(member_jobs, "votes_on", failing)
        with pytest.raises(
            RunError, match=r"^the training of lgb failed: BarsError: no such thing; the others are kep"
        ):
            train(ensemble(), out=tmp_path / "run", jobs=1)
    run = Run.open(tmp_path / "run")
    assert run.manifest["status"] == "failed"
    assert "no such thing" in run.manifest["error"]
    before = (run.member_folder("lstm") / "votes.csv").stat().st_mtime_ns
    assert resume(run, jobs=1).manifest["status"] == "finished"
    assert (run.member_folder("lstm") / "votes.csv").stat().st_mtime_ns == before
    assert contents(run.path / "policy") == contents(forecasters.path / "policy")
    with pytest.raises(RunError, match="has finished, so there is nothing to resume"):
        resume(run)


def test_ctrl_c_in_the_middle_of_a_network_is_gone_on_with_to_the_bit(forecasters, tmp_path, monkeypatch):
    note, epochs = member_jobs._Watch.note, []

    def interrupting(self, epoch):
        note(self, epoch)
        epochs.append(epoch.number)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(member_jobs, "KEEP_EVERY_SECONDS", 0.0)
        patch.setattr(member_jobs._Watch, "note", interrupting)
        run = train(ensemble(), out=tmp_path / "run", jobs=1)
    assert (run.manifest["status"], epochs) == ("interrupted", [1])
    assert run.manifest["best"] is None
    resumed = resume(run, jobs=1)
    assert resumed.manifest["status"] == "finished"
    assert contents(run.path / "policy") == contents(forecasters.path / "policy")
    curves = [each.member_folder("lstm") / "training.csv" for each in (run, forecasters)]
    assert curves[0].read_text() == curves[1].read_text()
    assert not (run.member_folder("lstm") / "state").exists()


def test_another_configuration_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(workflow, "_train", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    run = train(ensemble(), out=tmp_path / "run", jobs=1)
    with pytest.raises(ConfigError, match=r"labels\.horizon_bars was 3, now 4; resume it with its own"):
        resume(run, overrides={"labels.horizon_bars": 4})
    with pytest.raises(ConfigError, match="takes no prepare hook"):
        resume(run, prepare=print)


def test_markets_apart_are_learned_from_together_and_tested_by_themselves(tmp_path):
    markets = {
        "data.bars": {f"m{i}": f"synthetic:sine?n={500 + 50 * i}&seed={i}" for i in range(2)},
        "data.trade": "apart",
    }
    run = train(ensemble(markets | {"folds": {"folds": 1, "train": 0.6}}), out=tmp_path / "run", jobs=1)
    assert run.policy().instruments == ("m0", "m1")
    votes = pd.read_csv(run.member_folder("lstm") / "votes.csv")
    assert votes["time"].nunique() < len(votes)
    assert set(run.scores["fold"]) == {0, 1}
    assert np.isfinite(run.manifest["best"]["validation_growth"])


def test_a_run_that_is_there_votes_and_is_not_cross_validated(trained, tmp_path):
    there = {"members.old": {"run": str(trained.member_folder("ppo") / "run")}}
    bars = {"data.bars": "synthetic:sine?n=1500&seed=0", "folds": {"folds": 1, "train": 0.7}}
    config = ensemble(bars | there)
    del config["members"]["lgb"]
    run = train(config, out=tmp_path / "run", jobs=1)
    assert run.policy().models == ("lstm", "old")
    assert "old" not in set(run.scores.query("fold == 1")["model"])
    with pytest.raises(ConfigError, match=r"^members\.old has learned from bars up to 2004-\d\d-\d\dT.* begins 2003-"):
        train(config | {"data": config["data"] | {"validation_start": 0.6}}, out=tmp_path / "leaking", jobs=1)
    said = votes_in(run.member_folder("old"))["validation"]["old"].probabilities
    assert np.array_equal(said, votes_in(trained.member_folder("ppo"))["validation"]["ppo"].probabilities)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"data.bars": "synthetic:sine?n=250&seed=0"},
            BarsError,
            r"members\.lstm has \d+ rows to learn from, and needs at least 200",
        ),
        (
            {"members.ppo": PPO},
            BarsError,
            r"^members\.ppo has 489 bars to learn from, and a policy needs at least 1000; ",
        ),
        ({"env.costs.commission": 0.09}, BarsError, r"has one label only to learn: all \d+ rows are hold"),
        ({"members.lstm.window_bars": 9}, ConfigError, r"members\.lstm reads 9 bars .* env\.window_bars is 4"),
        ({"members.old": {"run": "nowhere"}}, RunError, "there is no run folder nowhere"),
        ({"members.ensemble": {"name": "lightgbm", "window_bars": 3}}, ConfigError, "ensemble"),
        ({"env.action": "target_position"}, ConfigError, r"env\.action"),
        ({"vote.weights": {"lstm": 1.0, "lgp": 2.0}}, ConfigError, "lgp"),
    ],
)
def test_what_cannot_be_trained_is_said_before_there_is_a_folder(changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        train(ensemble(changes), out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_members_of_other_features_are_refused(trained, tmp_path):
    there = {"run": str(trained.member_folder("ppo") / "run")}
    with pytest.raises(BundleError, match=r"^the member old "):
        train(ensemble({"members.old": there, "env.features": ["log_return"]}), out=tmp_path / "run", jobs=1)
    with pytest.raises(BundleError, match=r"^members\.old: .* is an ensemble, and members are policies"):
        train(ensemble({"members.old": {"run": str(trained.path)}}), out=tmp_path / "run", jobs=1)


def test_what_belongs_to_the_training_of_a_policy_is_refused(trained, tmp_path):
    with pytest.raises(ConfigError, match=r"^prepare is for the training of a policy, and this is that of an ensemble"):
        train(ensemble(), prepare=print, out=tmp_path / "run")
    policy = Run.open(trained.member_folder("ppo") / "run").config
    with pytest.raises(RunError, match="is an ensemble, which has no weights of one network"):
        train(policy, begin_with=trained, out=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"^jobs is for the training of an ensemble, and this is that of a policy"):
        train("ppo_mlp", jobs=2)


def test_a_library_that_is_not_installed_is_told_of_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r"LightGBM is not installed; run: pip install"):
        train(ensemble(), out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()
