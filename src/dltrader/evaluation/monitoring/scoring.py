"""Scores of predictions that have come to be known: how often they came true, and how far they can be believed.

Three kinds of *questions* are scored: `recommendation`, whether the ensemble's came true; `side`, of each model, which
of three sides paid; and `win_HORIZON`, whether a long trade over the horizon did.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.evaluation.forecast_scores import ENSEMBLE
from dltrader.forecast.scores import (
    Classes,
    Reliability,
    base_rates,
    brier_score,
    by_class,
    calibration_error,
    log_loss,
    reliability,
)
from dltrader.forecast.vote import SIDES, Array

COLUMNS = ("model", "question", "bars", "hit_rate", "said", "brier", "base_brier", "log_loss", "calibration_error")
RECOMMENDATION = "recommendation"


class Question(NamedTuple):
    """What was asked, what was said and what came of it.

    Attributes:
        model: Who answered.
        name: What was asked.
        probabilities: (n,) of class 1, or (n, classes).
        classes: (n,), what came.
    """

    model: str
    name: str
    probabilities: Array
    classes: Classes


def questions(known: pd.DataFrame, models: Sequence[str], wins: Mapping[str, int]) -> Iterator[Question]:
    """All questions that known predictions have answered.

    Args:
        known: What `outcomes` gives, rows that are known.
        models: Whose probabilities stand in columns MODEL_buy_prob, MODEL_sell_prob and MODEL_hold_prob.
        wins: Name -> horizon in bars; the probabilities stand in columns of that name with _prob behind it.
    """
    said = known["said"].to_numpy(np.float64)
    told = np.isfinite(said)
    yield Question(ENSEMBLE, RECOMMENDATION, said[told], known["hit"].to_numpy()[told].astype(np.int64))
    came = {name: known[f"{name}_came"].to_numpy(np.float64) for name in wins}
    for name in wins:
        given = known[f"{name}_prob"].to_numpy(np.float64)
        told = np.isfinite(given) & np.isfinite(came[name])
        yield Question(ENSEMBLE, name, given[told], came[name][told].astype(np.int64))
    sides = known["side"].map({side.upper(): number for number, side in enumerate(SIDES)}).to_numpy(np.int64)
    for model in models:
        each = known[[f"{model}_{side}_prob" for side in SIDES]].to_numpy(np.float64)
        told = np.isfinite(each).all(axis=1)
        yield Question(model, "side", each[told], sides[told])


def score_table(asked: Sequence[Question]) -> pd.DataFrame:
    """The scores of questions.

    Returns:
        A row a question. Columns: model, question, bars (that were scored), hit_rate (how often the likeliest class
        came; of a recommendation, how often it came true), said (mean probability of the likeliest class; of a
        recommendation, of itself), brier, base_brier (that of one who always says how often each class came on these
        very bars, which nobody knew before), log_loss (nats), calibration_error (of 10 bins).
    """
    return pd.DataFrame([_scored(one) for one in asked], columns=list(COLUMNS))


def curves(asked: Sequence[Question]) -> dict[tuple[str, str], Reliability]:
    """The calibration curve of each question, by model and question."""
    return {(one.model, one.name): reliability(one.probabilities, one.classes) for one in asked}


def error_by_chance(curve: Reliability, horizon: int) -> float:
    """The calibration error that chance alone gives who says the truth, about; nan of nothing.

    Of normal errors the mean size is sqrt(2 / pi) of their standard deviation, which in a bin is sqrt(p (1 - p) / n)
    of n predictions that have nothing in common: of every `horizon` that follow each other one.

    Args:
        curve: What was said against what came.
        horizon: Bars that a label takes to be known.
    """
    filled = curve.counts > 0
    counts, said = curve.counts[filled], curve.said[filled]
    if not counts.sum():
        return math.nan
    errors = np.sqrt(2.0 / np.pi * said * (1.0 - said) / np.maximum(counts / horizon, 1.0))
    return float((errors * counts).sum() / counts.sum())


def rolling_table(known: pd.DataFrame, window: int) -> pd.DataFrame:
    """What predictions came to over the last so many of them, at each that has so many behind it.

    Args:
        known: What `outcomes` gives, rows that are known, in the order of time.
        window: Predictions.

    Returns:
        Index: when the bars closed. Columns: hit_rate, said, brier (of the recommendation), always (how often the side
        came that came most often in these: what always saying the same would have reached).
    """
    sides = pd.DataFrame({side.upper(): (known["side"] == side.upper()).astype(float) for side in SIDES})
    each = pd.DataFrame(
        {"hit_rate": known["hit"], "said": known["said"], "brier": (known["said"] - known["hit"]) ** 2}, dtype=float
    )
    means = each.rolling(window, min_periods=window).mean().assign(always=sides.rolling(window).mean().max(axis=1))
    means.index = pd.DatetimeIndex(known["bar"], name="time")
    return means.dropna(subset=["hit_rate"])


def _scored(one: Question) -> dict[str, object]:
    n_classes = one.probabilities.shape[1] if one.probabilities.ndim > 1 else 2
    each = by_class(one.probabilities)
    base: Array = base_rates(one.classes, n_classes)
    flat = np.broadcast_to(base if one.probabilities.ndim > 1 else base[1], one.probabilities.shape)
    right: npt.NDArray[np.bool_] = (
        one.classes == 1 if one.name == RECOMMENDATION else each.argmax(axis=1) == one.classes
    )
    sure = one.probabilities if one.name == RECOMMENDATION else each.max(axis=1)
    empty = not len(one.classes)
    return {
        "model": one.model,
        "question": one.name,
        "bars": len(one.classes),
        "hit_rate": np.nan if empty else float(right.mean()),
        "said": np.nan if empty else float(sure.mean()),
        "brier": brier_score(one.probabilities, one.classes),
        "base_brier": brier_score(flat, one.classes),
        "log_loss": log_loss(one.probabilities, one.classes),
        "calibration_error": calibration_error(one.probabilities, one.classes),
    }
