"""The reference in the bundle of an ensemble: how its features were spread over the bars of training."""

from __future__ import annotations

import json

import pytest

from dltrader.errors import BundleError
from dltrader.evaluation.monitoring.drift import feature_reference
from dltrader.files import sha256_of, write_json
from dltrader.runs.bundle import checksum_of
from dltrader.runs.ensemble_bundle import load_ensemble, load_reference, save_ensemble
from small_predictions import market_of, voters


@pytest.fixture
def reference():
    return feature_reference(market_of(voters()).features[20:], voters().pipeline.names)


@pytest.fixture
def bundle(reference, tmp_path):
    return save_ensemble(voters(), tmp_path / "bundle", reference=reference)


def test_it_is_read_as_it_was_written(bundle, reference):
    assert load_reference(bundle) == reference
    assert load_ensemble(bundle).models == ("ppo", "memory")


def test_a_bundle_may_have_none(tmp_path):
    assert load_reference(save_ensemble(voters(), tmp_path / "none")) is None


def test_any_altered_byte_is_refused(bundle):
    path = bundle / "reference.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        for load in (load_reference, load_ensemble):
            with pytest.raises(BundleError, match=r"reference.json is altered"):
                load(bundle)


def test_a_missing_one_and_one_too_many_are_refused(bundle, tmp_path):
    text = (bundle / "reference.json").read_text()
    (bundle / "reference.json").unlink()
    with pytest.raises(BundleError, match=r"reference.json is missing"):
        load_ensemble(bundle)
    none = save_ensemble(voters(), tmp_path / "none")
    (none / "reference.json").write_text(text)
    with pytest.raises(BundleError, match=r"reference.json is not listed"):
        load_ensemble(none)


def test_one_of_another_format_is_refused(bundle):
    (bundle / "reference.json").write_text('{"rows": 0}')
    description = json.loads((bundle / "ensemble.json").read_text())
    description["reference_sha256"] = sha256_of(bundle / "reference.json")
    description["checksum"] = checksum_of(description)
    write_json(bundle / "ensemble.json", description)
    with pytest.raises(BundleError, match="is no reference of this format"):
        load_reference(bundle)
