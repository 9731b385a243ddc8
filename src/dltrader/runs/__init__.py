"""Runs that explain themselves: their schema, their folder, and policies as files that run no code."""

from __future__ import annotations

from dltrader.runs.bundle import load_policy, save_policy
from dltrader.runs.experiment import ExperimentConfig, shipped_configs
from dltrader.runs.run import Run

__all__ = ["ExperimentConfig", "Run", "load_policy", "save_policy", "shipped_configs"]
