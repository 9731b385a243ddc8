"""Outcomes: predictions joined with the labels of the bars that they were made at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dltrader.data.bars import median_gap, times_of
from dltrader.envs.contract import Costs
from dltrader.forecast.labels import LabelsConfig, label_table
from dltrader.forecast.vote import SIDES

KNOWN, PENDING, UNMATCHED = ("known", "pending", "unmatched")
"""What there is to be said of a prediction: its label is there; it is not yet; or the bars have none of that time."""


def outcomes(
    predictions: pd.DataFrame, bars: pd.DataFrame, labels: LabelsConfig, costs: Costs, wins: Mapping[str, int]
) -> pd.DataFrame:
    """What became of predictions of one instrument.

    A prediction on features knows the moment of its snapshot only, which may come a little later than the close of its
    bar: up to a quarter of the usual time between bars.

    Args:
        predictions: A row a prediction, with the columns bar (when the bar closed that it was made at), recommendation
            (BUY, SELL or HOLD), confidence_score and agreement_score.
        bars: Of that instrument.
        labels: What the models learned to foretell.
        costs: What a trade pays.
        wins: Name -> horizon in bars, of the probabilities of wins that are asked for.

    Returns:
        The predictions, bar being when theirs closed in fact, with the columns standing, row (of the bar; -1 where
        there is none), side (what paid, in the words of recommendations; missing unless known), hit (1.0 where the
        recommendation came true, 0.0 where not), said (the pooled probability of the recommendation: its confidence
        without the agreement) and, a name of `wins`, NAME_came (1.0 or 0.0); numbers are nan where they are not known.
    """
    table = label_table(bars, labels, costs, sorted(set(wins.values())))
    times, made = times_of(bars), pd.DatetimeIndex(predictions["bar"])
    late = median_gap(times) / 4 if len(times) > 1 else pd.Timedelta(0)
    places = times.get_indexer(made, method="pad", tolerance=late)
    found = table.reset_index(drop=True).reindex(places).reset_index(drop=True)  # (predictions, labels)
    side = found["side"].to_numpy()
    unknown, later = np.isnan(side), np.asarray(made > times[-1])
    words = np.array([*(word.upper() for word in SIDES), None], object)
    sides = words[np.where(unknown, len(SIDES), side).astype(int)]
    recommended = predictions["recommendation"].to_numpy()
    agreement = predictions["agreement_score"].to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # of no agreement at all nothing is known
        said = np.minimum(predictions["confidence_score"].to_numpy(np.float64) / agreement, 1.0)
    return predictions.assign(
        bar=made.where(places < 0, times[places]),
        standing=np.select([~unknown, (places >= 0) | later], [KNOWN, PENDING], UNMATCHED),
        row=places,
        side=sides,
        hit=np.where(unknown, np.nan, sides == recommended),
        said=np.where(agreement > 0.0, said, np.nan),
        **{f"{name}_came": found[f"win_{horizon}"].to_numpy() for name, horizon in wins.items()},
    )
