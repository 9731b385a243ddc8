"""Trainings of a second instead of minutes."""

from __future__ import annotations

import pytest

from dltrader.benchmarks import learning_speed


@pytest.fixture
def small_learning(monkeypatch):
    """Small networks, and few bars in a rollout."""
    small = {
        "mlp": {"name": "mlp", "hidden": [8]},
        "lstm": {"name": "lstm", "hidden": 8},
        "attention": {"name": "attention", "width": 8, "layers": 1, "heads": 2},
    }
    monkeypatch.setattr(learning_speed, "EXTRACTORS", small)
    monkeypatch.setattr(learning_speed, "ROLLOUT", 128)
    monkeypatch.setattr(learning_speed, "BATCH", 64)
    monkeypatch.setattr(learning_speed, "STOCK_BATCH", {"mlp": 64, "lstm": 32, "attention": 32})
    monkeypatch.setattr(learning_speed, "LANES", 16)
