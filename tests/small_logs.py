"""Prediction logs for the tests: an ensemble of untrained policies that has predicted some bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dltrader.runs.prediction_log import Origin, PredictionLog
from dltrader.workflows.predict import EnsemblePredictor
from small_predictions import snapshot, voters


def log_to(path: Path, rows: range = range(60, 100), **changes: Any) -> PredictionLog:
    """Predict bars of `small_predictions.BARS` into a log, which is left open."""
    log = PredictionLog(path, Origin.of(voters(), bundles={"voters": "ab" * 32}), **changes)
    predictor = EnsemblePredictor(voters(), watch=log)
    for row in rows:
        predictor.predict(snapshot(voters(), row, form="features"))
    return log
