"""The JSON schema of snapshots and answers: of any ensemble, or of one with its own symbols, features and models."""

from __future__ import annotations

from typing import Any

from dltrader.forecast.answer import Answer, key_patterns
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.snapshot import Snapshot

DIALECT = "https://json-schema.org/draft/2020-12/schema"

REFUSAL = {
    "title": "Refusal",
    "description": "What is answered to a line that cannot be answered.",
    "type": "object",
    "properties": {
        "line": {"description": "number of the line, from 1", "type": "integer", "minimum": 1},
        "error": {"description": "what is wrong with it, and what is right", "type": "string"},
    },
    "required": ["error"],
    "additionalProperties": False,
}


def schema_of(ensemble: EnsemblePolicy | None = None) -> dict[str, Any]:
    """The schema of a snapshot and of what is answered to it, under $defs Snapshot, Answer and Refusal.

    Args:
        ensemble: Whose symbols, features, window and models are named; None: those of any are allowed.
    """
    snapshot = Snapshot.model_json_schema(ref_template="#/$defs/{model}")
    answer = Answer.model_json_schema()
    parts = snapshot.pop("$defs")
    if ensemble is not None:
        _name_inputs(snapshot["properties"], ensemble)
        answer["properties"]["models_used"]["items"]["enum"] = list(ensemble.models)
        answer["patternProperties"] = key_patterns("|".join(ensemble.models))
    return {
        "$schema": DIALECT,
        "title": "What dltrader predict reads and writes, one line each" + (f": {ensemble.name}" if ensemble else ""),
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("Snapshot", "Answer", "Refusal")],
        "$defs": {"Snapshot": snapshot, "Answer": answer, "Refusal": REFUSAL, **parts},
    }


def _name_inputs(properties: dict[str, Any], ensemble: EnsemblePolicy) -> None:
    """Say what this ensemble takes."""
    names, window = ensemble.pipeline.names, ensemble.env_config.window_bars
    bound = ensemble.pipeline.clip
    number: dict[str, Any] = {"type": "number"} | ({} if bound is None else {"minimum": -bound, "maximum": bound})
    properties["symbol"]["enum"] = list(ensemble.instruments)
    properties["bars"]["anyOf"][0]["minItems"] = ensemble.pipeline.warmup_bars + window
    properties["features"]["anyOf"][0] |= {
        "properties": dict.fromkeys(names, number),
        "required": list(names),
        "additionalProperties": False,
    }
    rows = properties["sequence"]["anyOf"][0]
    rows |= {"minItems": window - 1, "maxItems": window}
    rows["items"] |= {"minItems": len(names), "maxItems": len(names)}
