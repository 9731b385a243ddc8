from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from dltrader.forecast.schema import schema_of
from dltrader.workflows.predict import EnsemblePredictor
from small_members import by_last_return
from small_members import telling_ensemble as ensemble
from small_predictions import snapshot

DOCS = Path(__file__).parents[2] / "docs"


def part(schema, name):
    return jsonschema.Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]})


@pytest.fixture(scope="module")
def policy():
    return ensemble({"trend": by_last_return, "other_5d": by_last_return})


@pytest.mark.parametrize("form", ["bars", "features"])
@pytest.mark.parametrize("own", [False, True])
def test_snapshots_and_answers_are_as_the_schema_says(policy, form, own):
    schema = schema_of(policy if own else None)
    jsonschema.Draft202012Validator.check_schema(schema)
    values = snapshot(policy, 60, form=form, position=1.5, recent_actions=["BUY"], balance=1e5)
    part(schema, "Snapshot").validate(values)
    part(schema, "Answer").validate(EnsemblePredictor(policy).predict(values).to_mapping())


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "IBM"},
        {"features": {"log_return_1": 0.0}},
        {"features": {"log_return_1": 0.0, "range": 9.0, "volatility_5": 0.0}},
        {"sequence": [[0.0, 0.0]] * 3},
        {"sequence": [[0.0, 0.0, 0.0]] * 9},
        {"recent_actions": ["buy"]},
        {"surplus": 1},
    ],
)
def test_the_schema_of_an_ensemble_refuses_what_the_ensemble_does(policy, changes):
    own = part(schema_of(policy), "Snapshot")
    values = snapshot(policy, 60, form="features")
    assert own.is_valid(values)
    assert not own.is_valid(values | changes)
    few = snapshot(policy, 60)
    assert not own.is_valid(few | {"bars": few["bars"][1:]})


def test_an_answer_of_other_models_is_not_one_of_the_ensemble(policy):
    answer = EnsemblePredictor(policy).predict(snapshot(policy, 60)).to_mapping()
    own, general = part(schema_of(policy), "Answer"), part(schema_of(), "Answer")
    for strange, known in (({"lstm_buy_prob": 0.5}, True), ({"trend_buy_prob": 2.0}, False), ({"note": "x"}, False)):
        assert not own.is_valid(answer | strange)
        assert general.is_valid(answer | strange) == known
    assert own.is_valid(answer | {"win_5d_prob": 0.5, "trend_risk_score": 0.01})


def test_the_published_schema_is_that_of_this_version():
    published = json.loads((DOCS / "predict.schema.json").read_text(encoding="utf-8"))
    assert published == json.loads(
        json.dumps(schema_of())
    )  # else: dltrader predict --schema > docs/predict.schema.json


def test_the_typescript_guide_names_every_field():
    guide = (DOCS / "typescript.md").read_text(encoding="utf-8")
    parts = schema_of()["$defs"]
    fields = {field for name in ("Snapshot", "Answer", "Refusal", "SnapshotBar") for field in parts[name]["properties"]}
    assert {field for field in fields if f"{field}:" not in guide and f"{field}?:" not in guide} == set()
