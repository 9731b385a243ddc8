import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dltrader.errors import BundleError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.monitoring.drift import feature_reference
from dltrader.files import write_json
from dltrader.forecast.manifest import write_manifest
from dltrader.forecast.members import PolicyMember
from dltrader.forecast.voting import Weighting
from dltrader.runs.bundle import checksum_of
from dltrader.runs.ensemble_bundle import load_ensemble, load_reference, save_ensemble
from market_bars import random_walk
from small_members import mixed_ensemble, small_policy, telling_ensemble

pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def mixed():
    return mixed_ensemble()


@pytest.fixture(scope="module")
def reference(mixed):
    rows = np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)
    return feature_reference(rows, mixed.pipeline.names)


@pytest.fixture(scope="module")
def bundle(mixed, reference, tmp_path_factory):
    return save_ensemble(mixed, tmp_path_factory.mktemp("bundles") / "whole", reference=reference)


@pytest.fixture
def copied(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copied")


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rewrite(folder, **changes):
    """Change the description and vouch for it again, as one who means harm would."""
    description = json.loads((folder / "ensemble.json").read_text()) | changes
    description["checksum"] = checksum_of(description)
    write_json(folder / "ensemble.json", description)


def test_what_is_read_trades_as_what_was_written(mixed, bundle):
    read = load_ensemble(bundle)
    assert read.models == mixed.models
    assert [member.interval for member in read.members] == [member.interval for member in mixed.members]
    for name in ("name", "env_config", "pipeline", "instruments", "weighting", "trading", "interval", "missing"):
        assert getattr(read, name) == getattr(mixed, name)
    bars = random_walk(60, 7)
    written, again = (backtest(policy, bars, benchmark=False) for policy in (mixed, read))
    assert again.equity.equals(written.equity)
    assert len(again.orders) > 10


def test_the_reference_of_its_features_is_kept_with_it(bundle, reference, tmp_path):
    assert load_reference(bundle) == reference
    assert load_reference(save_ensemble(load_ensemble(bundle), tmp_path / "without")) is None


def test_equal_ensembles_are_equal_bytes(bundle, reference, tmp_path):
    again = save_ensemble(load_ensemble(bundle), tmp_path / "again", reference=reference)
    names = [path.relative_to(bundle) for path in files_in(bundle)]
    assert [path.relative_to(again) for path in files_in(again)] == names
    assert len(names) >= 10
    assert all((bundle / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_a_missing_member_is_named_and_the_others_vote(mixed, copied):
    shutil.rmtree(copied / "members" / "lgb")
    read = load_ensemble(copied)
    assert read.missing == ("lgb",)
    assert read.name == f"{mixed.name} without lgb"
    assert read.models == ("lstm", "ppo")
    observation = {"market": np.zeros((4, 3), np.float32), "account": np.zeros(2, np.float32)}
    told = read.consult(observation).opinion
    assert told.missing == ("lgb_2d", "lgb_3d")
    assert told.weights == {"lstm": 0.5, "ppo": 0.5}
    kept = load_ensemble(save_ensemble(read, copied.parent / "smaller"))
    assert kept.missing == ("lgb",)
    assert kept.name == read.name
    assert kept.consult(observation).opinion.missing == ("lgb_2d", "lgb_3d")


def test_without_any_member_there_is_no_ensemble(copied):
    shutil.rmtree(copied / "members")
    with pytest.raises(BundleError, match="holds none of the members lstm, lgb, ppo; copy the whole ensemble again"):
        load_ensemble(copied)


def test_a_flipped_byte_is_refused_whichever_it_is(copied):
    generator = np.random.default_rng(0)
    for path in files_in(copied):
        content = path.read_bytes()
        for place in [0, len(content) - 2, *generator.integers(0, len(content), 6)]:
            spoiled = bytearray(content)
            spoiled[place] ^= 1 << int(generator.integers(0, 8))
            path.write_bytes(spoiled)
            with pytest.raises(BundleError):
                load_ensemble(copied)
        path.write_bytes(content)
    assert load_ensemble(copied).missing == ()


def test_truncated_and_missing_files_are_refused(copied):
    for path in files_in(copied):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(BundleError, match=r"copy|altered"):
            load_ensemble(copied)
        path.unlink()
        with pytest.raises(BundleError, match="is missing"):
            load_ensemble(copied)
        path.write_bytes(content)


def test_a_file_or_a_member_too_many_and_links_are_refused(copied, tmp_path):
    (copied / "members" / "ppo" / "more.txt").write_text("more")
    with pytest.raises(BundleError, match=r"more\.txt is not listed in manifest\.json"):
        load_ensemble(copied)
    (copied / "members" / "ppo" / "more.txt").unlink()
    (copied / "members" / "gru").mkdir()
    with pytest.raises(BundleError, match=r"gru is not listed in ensemble\.json; remove it"):
        load_ensemble(copied)
    (copied / "members" / "gru").rmdir()
    shutil.move(copied / "members" / "ppo", tmp_path / "elsewhere")
    (copied / "members" / "ppo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"ppo is a link"):
        load_ensemble(copied)


def test_another_member_in_its_place_is_refused_even_if_it_is_whole(mixed, copied, tmp_path):
    other = replace(mixed, members=(PolicyMember("ppo", small_policy(1)),), weighting=Weighting(weights={"ppo": 1}))
    folder = save_ensemble(other, tmp_path / "other") / "members" / "ppo"
    shutil.rmtree(copied / "members" / "ppo")
    shutil.copytree(folder, copied / "members" / "ppo")
    with pytest.raises(BundleError, match="ppo is not the member that the ensemble was made with"):
        load_ensemble(copied)


def test_a_description_of_something_else_is_refused(copied):
    whole = json.loads((copied / "ensemble.json").read_text())
    cases = {
        "has format 2": {"format": 2},
        "is no name of a member": {"members": {"../../../etc": {"kind": "policy", "sha256": ""}}},
        "is a 'pickle', and only forecasters and policies are read": {
            "members": {name: entry | {"kind": "pickle"} for name, entry in whole["members"].items()}
        },
        "is no ensemble of this format": {"pipeline": 3},
        "does not fit this installation: unknown key 'enter'": {"trading": {"enter": 1}},
    }
    for message, changes in cases.items():
        rewrite(copied, **(whole | changes))
        with pytest.raises(BundleError, match=message):
            load_ensemble(copied)


def test_members_that_do_not_see_alike_are_refused(copied):
    whole = json.loads((copied / "ensemble.json").read_text())
    rewrite(copied, interval="P0DT1H0M0S")
    with pytest.raises(BundleError, match="the member lstm was trained on bars of 1 days"):
        load_ensemble(copied)
    rewrite(copied, interval=whole["interval"])
    policy = copied / "members" / "ppo"
    description = json.loads((policy / "policy.json").read_text())
    description["pipeline"]["scaling"] |= {"clip": 4.0}
    description["checksum"] = checksum_of(description)
    write_json(policy / "policy.json", description)
    entries = whole["members"]
    rewrite(copied, members=entries | {"ppo": entries["ppo"] | {"sha256": write_manifest(policy)}})
    with pytest.raises(BundleError, match=r"observation space|trained with scaling"):
        load_ensemble(copied)


def test_a_folder_that_is_no_ensemble_says_what_one_is(tmp_path):
    with pytest.raises(BundleError, match=r"ensemble\.json is missing; an ensemble is a folder with"):
        load_ensemble(tmp_path)
    (tmp_path / "ensemble.json").write_text("[" * 100_000)
    with pytest.raises(BundleError, match="truncated or altered"):
        load_ensemble(tmp_path)
    (tmp_path / "ensemble.json").write_text("{}")
    with pytest.raises(BundleError, match="describes no ensemble"):
        load_ensemble(tmp_path)


def test_a_member_of_ones_own_kind_leaves_nothing_half_written(tmp_path):
    with pytest.raises(BundleError, match="the member trend is a Says, and only forecasters and policies are kept"):
        save_ensemble(telling_ensemble(), tmp_path / "own")
    assert list(tmp_path.iterdir()) == []
