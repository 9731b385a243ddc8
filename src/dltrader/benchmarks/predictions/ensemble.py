"""The ensemble that is asked where none is named: all kinds of members in their shipped sizes, hardly trained.

How long an answer takes depends on the sizes of the models and not on what they have learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dltrader.config import override
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.workflows.ensemble import train_ensemble

CONFIG: Mapping[str, Any] = {
    "name": "predictions",
    # Rough enough for five minutes to pay for the costs of a trade, so that every side has its examples.
    "data": {"bars": "synthetic:gbm?n=2500&interval=1min&calendar=continuous&sigma=1.8&seed=1"},
    "members": {
        "lgb": {"name": "lightgbm", "rounds": 200, "patience_rounds": 200},
        "lstm": {"name": "lstm", "epochs": 1},
        "ppo": {"agent": {"name": "ppo"}, "train": {"total_timesteps": 2_048, "evaluate_every": 2_048}},
    },
}
"""Minute bars, and models lgb_5m, lgb_30m, lstm and ppo over the default features and a window of 60 bars."""


def usual_ensemble(folder: Path, changes: Mapping[str, Any] | None = None) -> EnsembleRun:
    """Train it into a folder; about half a minute on one core.

    Args:
        folder: The run folder, which must not be there yet.
        changes: Dotted keys with new values.
    """
    return train_ensemble(
        EnsembleConfig.from_mapping(override(CONFIG, changes or {})), out=folder, kind="benchmark", jobs=1
    )
