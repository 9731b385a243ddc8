"""How well models forecast bars with a label: their scores beside those of who knows the base rates only.

A model answers one or two *questions* of a bar: `side`, which trade pays, with a probability each; and `win_HORIZON`,
whether a long trade over so many bars does. Scores are those of `dltrader.forecast.scores`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from dltrader.forecast.samples import Samples
from dltrader.forecast.scores import base_rate_log_loss, brier_score, calibration_error, log_loss
from dltrader.forecast.vote import Array, Vote
from dltrader.forecast.voting import Weighting, pooled_probabilities

ENSEMBLE = "ensemble"
COLUMNS = ("fold", "model", "question", "bars", "log_loss", "base_rate", "brier", "calibration_error", "weight")


def scores_of(
    votes: Mapping[str, Vote], weighting: Weighting, scored: Samples, train: Samples, *, fold: int
) -> pd.DataFrame:
    """The scores of models and of their ensemble on some bars.

    Args:
        votes: Model -> vote on these bars.
        weighting: Of the models.
        scored: The bars.
        train: What was learned from: whoever knows the base rates only, knows them from there.
        fold: The number of the fold; 0: the training's own validation bars.

    Returns:
        A row a model and question, with the columns `COLUMNS`; the last is the ensemble.
    """
    shares = weighting.among(votes)
    pooled = pooled_probabilities({model: vote.probabilities for model, vote in votes.items()}, weighting)
    rows = [
        {"fold": fold, "model": model, **row, "weight": shares[model]}
        for model, vote in votes.items()
        for row in _rows(vote, scored, train)
    ]
    whole = [{"fold": fold, "model": ENSEMBLE, **row, "weight": 1.0} for row in _rows(Vote(pooled), scored, train)]
    return pd.DataFrame([*rows, *whole], columns=list(COLUMNS))


def mean_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores over all folds of a cross-validation, a row a model and question; bars weigh alike.

    The columns are those of `COLUMNS` without the fold; empty where there was no cross-validation.
    """
    folds = scores[scores["fold"] > 0]
    measures = ["log_loss", "base_rate", "brier", "calibration_error", "weight"]
    rows = []
    for (model, question), group in folds.groupby(["model", "question"], sort=False):
        shares = group["bars"] / group["bars"].sum()
        means = {name: float((group[name] * shares).sum()) for name in measures}
        rows.append({"model": model, "question": question, "bars": int(group["bars"].sum()), **means})
    return pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "fold"])


def _rows(vote: Vote, scored: Samples, train: Samples) -> Iterator[dict[str, Any]]:
    yield {"question": "side", **_measured(vote.probabilities, scored.side, train.side)}
    horizon = vote.horizon_bars
    if vote.win is not None and horizon is not None and horizon in scored.wins:
        yield {"question": f"win_{horizon}", **_measured(vote.win, scored.wins[horizon], train.wins[horizon])}


def _measured(probabilities: Array, classes: Any, learned: Any) -> dict[str, float]:
    n_classes = probabilities.shape[1] if probabilities.ndim > 1 else 2
    return {
        "bars": len(classes),
        "log_loss": log_loss(probabilities, classes),
        "base_rate": base_rate_log_loss(learned, classes, n_classes),
        "brier": brier_score(probabilities, classes),
        "calibration_error": calibration_error(probabilities, classes),
    }
