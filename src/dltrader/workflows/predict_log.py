"""Predict with a log: the predictions of runs are kept as the first of these says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dltrader.files import sha256_of
from dltrader.runs import Run
from dltrader.runs.bundle import DESCRIPTION as POLICY_DESCRIPTION
from dltrader.runs.ensemble_bundle import DESCRIPTION as ENSEMBLE_DESCRIPTION
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.prediction_log import Origin, PredictionLog, PredictionLogConfig
from dltrader.runs.run import POLICY
from dltrader.workflows.predict import EnsemblePredictor


def logged_by(
    predictor: EnsemblePredictor,
    runs: Sequence[Run],
    path: str | Path | None = None,
    *,
    tell: Callable[[str], Any] = lambda _: None,
) -> PredictionLog | None:
    """Have every prediction logged from now on.

    Args:
        predictor: Who predicts.
        runs: What it was opened with.
        path: The file; None: as the configuration of the first run says.
        tell: Called with why, when the first prediction is lost.

    Returns:
        The log; None where the configuration says that there is none.

    Raises:
        RunError: The file cannot be opened.
    """
    file = log_file(runs[0]) if path is None else Path(path)
    if file is None:
        return None
    labels = next((run.config.labels.to_mapping() for run in runs if isinstance(run, EnsembleRun)), None)
    origin = Origin.of(predictor.ensemble, bundles={str(run.path): bundle_sha256(run) for run in runs}, labels=labels)
    log = PredictionLog(file, origin, config=log_config(runs[0]), tell=tell)
    predictor.watch = log
    return log


def log_file(run: Run) -> Path | None:
    """Where the predictions of a run are logged, as its configuration says; None where they are not."""
    path = log_config(run).path
    return None if path is None else run.path / path


def log_config(run: Run) -> PredictionLogConfig:
    """How the predictions of a run are logged: those of a policy as by default."""
    return run.config.predictions if isinstance(run, EnsembleRun) else PredictionLogConfig()


def bundle_sha256(run: Run) -> str:
    """The sha256 of the description of a run's models, which holds the checksums of all their files."""
    name = ENSEMBLE_DESCRIPTION if isinstance(run, EnsembleRun) else POLICY_DESCRIPTION
    return sha256_of(run.path / POLICY / name)
