"""Monitoring: all that can be said of the predictions on one instrument, put together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from dltrader.envs.contract import Costs
from dltrader.evaluation.forecast_scores import ENSEMBLE
from dltrader.evaluation.monitoring.drift import FeatureReference, drift_table
from dltrader.evaluation.monitoring.outcomes import KNOWN, PENDING, UNMATCHED, outcomes
from dltrader.evaluation.monitoring.scoring import curves, error_by_chance, questions, rolling_table, score_table
from dltrader.evaluation.monitoring.verdict import Facts, Finding, verdict
from dltrader.forecast.labels import LabelsConfig
from dltrader.forecast.scores import Reliability

WINDOW = 100
LEAST_WINDOW = 10


@dataclass(frozen=True, eq=False)
class Monitoring:
    """What became of predictions.

    Attributes:
        symbol: The instrument.
        labels: What was asked of the bars.
        predictions: A row a prediction, the last of each bar, with what became of it: see `outcomes`.
        repeated: Predictions on a bar that was predicted again later; that one counts.
        scores: As `score_table`.
        curves: The calibration curve of each model and question.
        rolling: As `rolling_table`.
        window: Predictions that it looks back on.
        drift: As `drift_table`; None where the reference of training is not known.
        findings: The verdict.
    """

    symbol: str
    labels: LabelsConfig
    predictions: pd.DataFrame
    repeated: int
    scores: pd.DataFrame
    curves: Mapping[tuple[str, str], Reliability]
    rolling: pd.DataFrame
    window: int
    drift: pd.DataFrame | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found to be wrong."""
        return not any(finding.wrong for finding in self.findings)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many predictions are known, pending and unmatched."""
        found = self.predictions["standing"].value_counts()
        return {standing: int(found.get(standing, 0)) for standing in (KNOWN, PENDING, UNMATCHED)}

    @property
    def latency_ms(self) -> tuple[float, float]:
        """Of half of the predictions no longer, and of 95 % of them; nan where it was not logged."""
        took = self.predictions["latency_ms"].astype(float).dropna()
        return (float(took.median()), float(took.quantile(0.95))) if len(took) else (math.nan, math.nan)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        median, most = self.latency_ms
        bars = self.predictions["bar"]
        return {
            "symbol": self.symbol,
            "first": bars.iloc[0].isoformat(),
            "last": bars.iloc[-1].isoformat(),
            "labels": self.labels.to_mapping(),
            "ok": self.ok,
            "verdict": [finding.sentence for finding in self.findings],
            "wrong": [finding.sentence for finding in self.findings if finding.wrong],
            "predictions": self.counts | {"repeated": self.repeated},
            "latency_ms": {"median": median, "most_of_95_percent": most},
            "scores": self.scores.to_dict("records"),
            "drift": None if self.drift is None else self.drift.to_dict("records"),
        }


def monitored(
    predictions: pd.DataFrame,
    features: pd.DataFrame,
    bars: pd.DataFrame,
    *,
    labels: LabelsConfig,
    costs: Costs,
    wins: Mapping[str, int],
    models: Sequence[str],
    reference: FeatureReference | None = None,
    window: int = WINDOW,
    missing: Sequence[str] = (),
    unreadable: int = 0,
) -> Monitoring:
    """Put together what can be said of predictions.

    Args:
        predictions: Of one instrument, as `LoggedPredictions.table`, in the order in which they were made.
        features: Of their newest bars, as many rows.
        bars: Of the instrument.
        labels: What is asked of the bars.
        costs: What a trade pays.
        wins: Name -> horizon in bars, of the probabilities of wins.
        models: Whose probabilities are scored.
        reference: How features were spread over the bars of training; None: not known.
        window: Predictions that the rolling numbers look back on; fewer where there are less than twice as many.
        missing: Members that are not there.
        unreadable: Lines of the log that are no predictions.
    """
    order = predictions["bar"].reset_index(drop=True).sort_values(kind="stable").index
    every = outcomes(predictions.iloc[order], bars, labels, costs, wins)
    last = ~every["bar"].duplicated(keep="last").to_numpy()
    judged = every[last].reset_index(drop=True)
    known = judged[judged["standing"] == KNOWN].reset_index(drop=True)
    asked = list(questions(known, models, wins))
    width = max(min(window, len(known) // 2), LEAST_WINDOW)
    drift = None if reference is None else drift_table(reference, features.iloc[order][last])
    found, scores = curves(asked), score_table(asked)
    own = scores[scores["model"] == ENSEMBLE]
    errors = {
        str(name): (float(error), error_by_chance(found[ENSEMBLE, str(name)], wins.get(str(name), labels.horizon_bars)))
        for name, error in zip(own["question"], own["calibration_error"], strict=True)
    }
    facts = Facts.of(judged, errors, drift, labels.horizon_bars, window=width, missing=missing, unreadable=unreadable)
    return Monitoring(
        symbol=str(judged["symbol"].iloc[0]),
        labels=labels,
        predictions=judged,
        repeated=int((~last).sum()),
        scores=scores,
        curves=found,
        rolling=rolling_table(known, width),
        window=width,
        drift=drift,
        findings=tuple(verdict(facts)),
    )
