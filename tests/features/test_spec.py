"""One entry of the list of features, in all its forms."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dltrader.config import Config
from dltrader.errors import ConfigError
from dltrader.features import DEFAULT_FEATURES, FEATURES, FeatureSpec

from .samples import DEFAULTS, VARIANTS, registered


class Holder(Config):
    features: tuple[FeatureSpec, ...] = DEFAULT_FEATURES


def test_all_forms_of_an_entry_are_the_same_spec():
    holder = Holder.from_mapping({"features": ["rsi", {"name": "rsi", "window": 14}, FeatureSpec.of("rsi")]})
    assert holder.features == (FeatureSpec.of("rsi"),) * 3
    assert holder.features[0].parameters == {"window": 14}
    assert FeatureSpec.parse("rsi") == FeatureSpec.parse({"name": "rsi"}) == FeatureSpec(name="rsi", window=14)


def test_different_parameters_make_different_specs():
    assert FeatureSpec.of("rsi", window=15) != FeatureSpec.of("rsi")
    assert len({FeatureSpec.of("rsi", window=15), FeatureSpec.of("rsi"), FeatureSpec.of("rsi", window=14)}) == 2


def test_spec_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        FeatureSpec.of("rsi").window = 3


@pytest.mark.parametrize("spec", [*DEFAULTS, *VARIANTS, *DEFAULT_FEATURES], ids=lambda spec: spec.label)
def test_dump_is_json_and_reads_back_equal(spec):
    dumped = json.loads(json.dumps(spec.to_mapping()))
    assert dumped == {"name": spec.name, **spec.parameters}
    assert FeatureSpec.from_mapping(dumped) == spec


def test_holder_goes_through_yaml_unchanged(tmp_path):
    holder = Holder(features=(*DEFAULTS, *VARIANTS))
    path = tmp_path / "holder.yaml"
    path.write_text(holder.to_yaml(), encoding="utf-8")
    assert Holder.from_yaml(path) == holder


@given(st.integers(2, 10_000))
def test_label_is_the_name_and_the_parameter_values(window):
    assert FeatureSpec.of("rsi", window=window).label == f"rsi_{window}"


def test_labels_of_several_parameters_follow_the_signature():
    assert FeatureSpec.of("macd", signal=4, fast=2, slow=3).label == "macd_2_3_4"
    assert FeatureSpec.of("bollinger", width=2.5).label == "bollinger_20_2.5"
    assert FeatureSpec.of("gap").label == "gap"
    spec = FeatureSpec.of("ta", output="aroon_up", window=25, indicator="AroonIndicator")
    assert spec.label == "ta_AroonIndicator_25"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("rsj", "features.0: unknown feature 'rsj'; did you mean 'rsi'?"),
        ({"name": "rsi", "windw": 3}, "unknown key 'features.0.windw'; did you mean 'features.0.window'?"),
        ({"name": "rsi", "window": 1}, "features.0: rsi: window must be greater than or equal to 2, was 1"),
        ({"name": "rsi", "window": "ten"}, "features.0: rsi: window must be an integer"),
        ({"name": "rsi", "window": 2.5}, "features.0: rsi: window must be an integer"),
        ({"name": "bollinger", "width": 0}, "features.0: bollinger: width must be greater than 0, was 0"),
        ({"name": "bollinger", "width": float("nan")}, "features.0: bollinger: width must be a finite number"),
        ({"name": "gap", "window": 3}, "features.0: gap takes no parameters, found 'window'; leave it out"),
        ({"name": "rsi", 3: 3}, "features.0: parameters of rsi have names, found 3"),
        ({"window": 3}, "features.0.name is missing"),
        ({"name": "ta"}, "features.0: ta: indicator is missing"),
        (3, "features.0"),
    ],
)
def test_faulty_entry_is_told_with_its_place(entry, message):
    with pytest.raises(ConfigError) as caught:
        Holder.from_mapping({"features": [entry]})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_faulty_entry_of_its_own_is_a_config_error():
    with pytest.raises(ConfigError, match="unknown feature 'rsj'; did you mean 'rsi'"):
        FeatureSpec.of("rsj")
    with pytest.raises(ConfigError, match="a feature is a name or a mapping with a name, found 3"):
        FeatureSpec.parse(3)


def test_registered_function_is_checked_by_its_signature():
    def mine(bars, *, depth: Annotated[int, Field(ge=3)], kind: str = "a", factor=1.5):
        return bars["close"] * depth * factor

    with registered("mine", mine):
        assert FeatureSpec.of("mine", depth=4).parameters == {"depth": 4, "kind": "a", "factor": 1.5}
        assert FeatureSpec.of("mine", depth=4).label == "mine_4_a_1.5"
        with pytest.raises(ConfigError, match="mine: depth is missing"):
            FeatureSpec.of("mine")
        with pytest.raises(ConfigError, match="mine: depth must be greater than or equal to 3, was 2"):
            FeatureSpec.of("mine", depth=2)
        with pytest.raises(ConfigError, match="mine: factor must be a number"):
            FeatureSpec.of("mine", depth=3, factor="x")


def test_registered_function_must_name_its_parameters():
    def loose(bars, **anything):
        return bars["close"]

    with registered("loose", loose), pytest.raises(ConfigError, match=r"'loose' takes \*\*anything"):
        FeatureSpec.of("loose", a=1)


def test_annotations_that_do_not_exist_are_told():
    def unknown(bars, *, depth: "Missing" = 1):  # noqa: F821, UP037
        return bars["close"]

    with registered("unknown", unknown), pytest.raises(ConfigError, match="annotations of feature 'unknown'"):
        FeatureSpec.of("unknown")


def test_every_own_feature_has_a_docstring_and_parameters_with_a_default():
    for name, feature in FEATURES.items():
        assert feature.__doc__, name
        if name not in {"ta", "bt"}:
            assert FeatureSpec.of(name).name == name


def test_importing_features_loads_neither_backtrader_nor_ta_nor_torch():
    code = "import sys, dltrader.features; print({'backtrader', 'ta', 'torch'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
