"""Ensembles for the tests: so small that they learn next to nothing, and take a few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dltrader.config import override

LSTM = {"name": "lstm", "window_bars": 4, "epochs": 2, "batch_size": 128, "encoder": {"name": "gru", "hidden": 4}}
LGB = {"name": "lightgbm", "window_bars": 3, "rounds": 5, "horizons": [1, 3]}
PPO = {
    "agent": {
        "name": "ppo",
        "n_steps": 64,
        "batch_size": 64,
        "extractor": {"name": "mlp", "hidden": [4]},
        "hidden": [4],
    },
    "train": {"total_timesteps": 128, "n_envs": 2, "evaluate_every": 128},
}
ENSEMBLE = {
    "name": "small",
    "data": {"bars": "synthetic:sine?n=700&seed=0"},
    "env": {"window_bars": 4, "features": ["log_return", "range"], "scaling": "train"},
    "labels": {"horizon_bars": 3},
    "members": {"lstm": LSTM, "lgb": LGB},
}


def ensemble(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Two forecasters on some bars, with dotted keys replaced."""
    return override(ENSEMBLE, changes or {})


def with_policy(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same with a policy, which needs more bars, and one fold."""
    more = {"members.ppo": PPO, "data.bars": "synthetic:sine?n=1500&seed=0", "folds": {"folds": 1, "train": 0.7}}
    return ensemble(more | dict(changes or {}))
