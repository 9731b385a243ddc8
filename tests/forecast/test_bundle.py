"""Forecaster bundles: they come back as they were, or are refused before anything of them is parsed."""

from __future__ import annotations

import builtins
import json
import random
import shutil
import sys

import lightgbm
import numpy as np
import pandas as pd
import pytest

from dltrader.errors import BundleError, MissingExtraError
from dltrader.features import Pipeline
from dltrader.files import sha256_of
from dltrader.forecast import bundle
from dltrader.forecast.bundle import load_forecaster
from dltrader.forecast.manifest import MANIFEST, write_manifest
from dltrader.forecast.network import LSTMForecasterConfig
from market_bars import random_walk
from planted_samples import cut, planted
from small_forests import FEATURES, grown, kept


@pytest.fixture(scope="module")
def forest():
    return grown()


@pytest.fixture(scope="module")
def written(forest, tmp_path_factory):
    return kept(tmp_path_factory.mktemp("bundles") / "lgb", *forest[:2])


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "lgb")


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_forecaster_comes_back_as_it_was(forest, written):
    forecaster, config, (_, validation) = forest
    loaded = load_forecaster(written)
    assert (loaded.config, loaded.pipeline) == (config, Pipeline(FEATURES).fit(random_walk(400)))
    assert (loaded.horizon_bars, loaded.instruments, loaded.interval) == (5, ("asset",), pd.Timedelta(days=1))
    assert (loaded.window_bars, loaded.names) == (2, ("log_return_1", "body", "range"))
    windows = validation.windows(2)
    expected, found = forecaster.votes(windows), loaded.votes(windows)
    assert list(found) == ["5", "10"]
    for model, vote in found.items():
        np.testing.assert_array_equal(vote.probabilities, expected[model].probabilities)
        np.testing.assert_array_equal(vote.win, expected[model].win)


def test_the_network_is_kept_in_the_same_way(tmp_path):
    samples, _ = planted(400)
    config = LSTMForecasterConfig.from_mapping(
        {"name": "lstm", "window_bars": 3, "epochs": 1, "encoder": {"name": "gru", "hidden": 4}}
    )
    train, validation = cut(samples, 300)
    forecaster = config.fit(train, validation, horizon_bars=5, seed=1)
    loaded = load_forecaster(kept(tmp_path / "lstm", forecaster, config))
    windows = validation.windows(3)
    expected, found = forecaster.votes(windows)[""], loaded.votes(windows)[""]
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_it_holds_a_description_a_model_and_their_checksums(written):
    assert files_of(written) == [
        "forecaster.json", MANIFEST, "model/forests.json", "model/importances.csv", "model/win_10.txt",
        "model/win_5.txt",
    ]  # fmt: skip
    listed = json.loads((written / MANIFEST).read_text())["files"]
    assert {name: entry["sha256"] for name, entry in listed.items()} == {
        name: sha256_of(written / name) for name in files_of(written) if name != MANIFEST
    }


def test_equal_trainings_write_equal_bytes_and_a_loaded_one_is_kept_alike(written, tmp_path):
    forecaster, config, _ = grown()
    loaded = load_forecaster(written)
    again = kept(tmp_path / "again", forecaster, config)
    once_more = kept(tmp_path / "more", loaded.forecaster, loaded.config)
    hashes = [sha256_of(each / MANIFEST) for each in (written, again, once_more)]
    assert hashes == [hashes[0]] * 3


def test_any_flipped_bit_is_refused_before_anything_is_parsed(folder, monkeypatch):
    def parsed(*_, **__):
        raise AssertionError("parsed what nothing vouches for")

    monkeypatch.setattr(lightgbm, "Booster", parsed)
    monkeypatch.setattr(bundle, "_read", parsed)
    with pytest.raises(AssertionError, match="nothing vouches"):
        load_forecaster(folder)
    generator = random.Random(7)
    for name in files_of(folder):
        content = (folder / name).read_bytes()
        for place in generator.sample(range(len(content)), min(40, len(content))):
            flipped = content[place] ^ (1 << generator.randrange(8))
            (folder / name).write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
            with pytest.raises(BundleError):
                load_forecaster(folder)
        for length in generator.sample(range(len(content)), 5):
            (folder / name).write_bytes(content[:length])
            with pytest.raises(BundleError):
                load_forecaster(folder)
        (folder / name).unlink()
        with pytest.raises(BundleError, match=r"is missing"):
            load_forecaster(folder)
        (folder / name).write_bytes(content)


def test_a_file_that_was_put_in_and_a_link_are_refused(folder, tmp_path):
    (folder / "model" / "win_30.txt").write_text("tree\n")
    with pytest.raises(BundleError, match=r"win_30\.txt is not listed"):
        load_forecaster(folder)
    (folder / "model" / "win_30.txt").unlink()
    (folder / "model" / "win_5.txt").rename(tmp_path / "elsewhere.txt")
    (folder / "model" / "win_5.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(BundleError, match=r"win_5\.txt is a link"):
        load_forecaster(folder)


def vouched_again(folder, name, change):
    """Change a document and vouch for it, as someone with an editor and patience would."""
    values = json.loads((folder / name).read_text())
    change(values)
    (folder / name).write_text(json.dumps(values))
    write_manifest(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.update(format=2), "has format 2, this dltrader reads 1"),
        (lambda values: values["forecaster"].update(name="xgboost"), "unknown forecaster 'xgboost'"),
        (lambda values: values["forecaster"].update(window_bars=3), "2 rows of 3 features, and 2 over 3 rows"),
        (lambda values: values["forecaster"].update(horizons=[5, 11]), "holds no forests of this configuration"),
        (lambda values: values["forecaster"].update(horizons=[5]), "holds 2 forests"),
        (lambda values: values.pop("pipeline"), "no forecaster of this format"),
        (lambda values: values.update(interval="soon"), "no forecaster of this format"),
        (lambda values: values["pipeline"].update(names=["log_return", "body", "rsi_14"]), "does not fit"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder, change, words):
    vouched_again(folder, "forecaster.json", change)
    with pytest.raises(BundleError, match=words) as found:
        load_forecaster(folder)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values["names"].append("x3"), "4 features"),
        (lambda values: values["forests"].reverse(), "other horizons"),
        (lambda values: values["forests"][0].pop("temperature"), "describes no forest"),
        (lambda values: values["forests"][0].update(shares=[[1, 0, 0]]), "2 x 2 x 3 numbers"),
        (lambda values: values["forests"][0]["temperature"].update(value=0), "above 0"),
        (lambda values: values.pop("forests"), "holds no forests"),
    ],
)
def test_forests_that_do_not_fit_are_refused(folder, change, words):
    vouched_again(folder, "model/forests.json", change)
    with pytest.raises(BundleError, match=words):
        load_forecaster(folder)


@pytest.mark.parametrize("text", ["[]", "nan", "{", "[" * 100_000, "\udcff"])
def test_a_description_that_is_none_is_refused(folder, text):
    (folder / "forecaster.json").write_bytes(text.encode(errors="surrogateescape"))
    write_manifest(folder)
    with pytest.raises(BundleError, match=r"is no JSON|must hold keys|has format None"):
        load_forecaster(folder)


def test_what_is_not_there_or_no_folder_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is no folder"):
        load_forecaster(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="nothing else vouches"):
        load_forecaster(tmp_path / "empty")


def test_windows_of_another_shape_are_refused(written):
    trained = load_forecaster(written)
    with pytest.raises(BundleError, match=r"reads windows of shape \(n, 2, 3\), was given \(1, 3, 3\)"):
        trained.votes(np.zeros((1, 3, 3), np.float32))
    with pytest.raises(BundleError, match=r"was given \(2, 3\)"):
        trained.votes(np.zeros((2, 3), np.float32))


def test_reading_unpickles_nothing(folder, monkeypatch):
    opened = []
    original = builtins.__import__

    def watched(name, *rest, **more):
        opened.append(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", watched)
    monkeypatch.setattr("pickle.loads", lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr("pickle.load", lambda *_: pytest.fail("unpickled"))
    load_forecaster(folder)
    assert "cloudpickle" not in opened


def test_without_lightgbm_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r'LightGBM is not installed; run: pip install "dltrader\[forecast\]"'):
        load_forecaster(folder)
