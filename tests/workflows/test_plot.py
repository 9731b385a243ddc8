from __future__ import annotations

import matplotlib.image
import pytest

from dltrader.errors import ConfigError, RunError
from dltrader.runs import ExperimentConfig, Run
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.plot import SUFFIXES, plot_run
from dltrader.workflows.train import train
from small_ensembles import LGB, ensemble
from small_runs import experiment


def test_a_run_is_drawn_in_its_folder(run):
    files = plot_run(run)
    assert files == [run.path / "plots" / "backtest.png", run.path / "plots" / "training.png"]
    for file in files:
        picture = matplotlib.image.imread(file)
        assert picture.shape[1] == 1200
        assert picture.std() > 0.02
    assert run.metrics == {}  # a picture is no backtest to be kept


def test_other_bars_are_drawn_and_the_last_backtest_stays(run, tmp_path):
    backtest_run(run)
    kept = run.metrics
    own, other = (plot_run(run, tmp_path / str(bars), bars=bars)[0] for bars in (None, "synthetic:ou?n=100"))
    assert own.read_bytes() != other.read_bytes()
    assert run.metrics == kept


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_other_folders_and_formats(run, tmp_path, suffix, begins):
    files = plot_run(run, tmp_path / "deep" / "pictures", suffix=suffix)
    assert [file.name for file in files] == [f"backtest.{suffix}", f"training.{suffix}"]
    assert all(file.read_bytes().startswith(begins) for file in files)
    assert suffix in SUFFIXES


def test_equal_runs_give_equal_pictures(run, tmp_path):
    first, second = (plot_run(run, tmp_path / name) for name in ("first", "second"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_another_format_is_refused_before_anything_is_traded_or_written(run, tmp_path):
    with pytest.raises(ConfigError, match=r"^the format of a picture must be png, svg, pdf, was 'jpg'$"):
        plot_run(run, tmp_path / "pictures", suffix="jpg")
    assert not (tmp_path / "pictures").exists()
    assert not (run.path / "backtest").exists()


def test_a_folder_that_cannot_be_made_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^cannot make the folder .*/file: File exists; choose another --out$"):
        plot_run(run, tmp_path / "file")


def test_of_an_ensemble_it_draws_how_its_members_learned_and_what_they_look_at(tmp_path):
    trained = train(ensemble({"members": {"lgb": LGB}}), out=tmp_path / "run", jobs=1)
    files = plot_run(trained)
    assert [file.name for file in files] == ["backtest.png", "training-lgb.png", "importances-lgb.png"]
    assert matplotlib.image.imread(files[-1]).std() > 0.02


def test_a_run_without_a_policy_cannot_be_drawn(tmp_path):
    run = Run.create(tmp_path / "run", ExperimentConfig.load(experiment()), data_sha256="")
    with pytest.raises(RunError, match=r"has no policy 'best' \(status running\)"):
        plot_run(run)
    assert not (run.path / "plots").exists()
