"""Votes as a table, a row a bar, so that they can be kept in a file and read by people."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dltrader.forecast.vote import SIDES, Vote

TOLD = ("win", "movement", "risk", "value")
"""What a vote may say beside probabilities, each a column where it does. A column of numbers has a dot in its name."""


def vote_table(votes: Mapping[str, Vote], times: pd.DatetimeIndex) -> pd.DataFrame:
    """Votes on bars: time, and of each model MODEL.buy, .sell, .hold and what else it says, with its horizon in bars.

    Args:
        votes: Model -> vote of n rows.
        times: (n,), of the bars.
    """
    columns: dict[str, Any] = {"time": times}
    for model, vote in votes.items():
        columns |= {f"{model}.{side}": vote.probabilities[:, column] for column, side in enumerate(SIDES)}
        columns |= {f"{model}.{name}": said for name in TOLD if (said := getattr(vote, name)) is not None}
        if vote.horizon_bars is not None:
            columns[f"{model}.horizon_bars"] = vote.horizon_bars
    return pd.DataFrame(columns)


def votes_of(table: pd.DataFrame) -> dict[str, Vote]:
    """The votes that a table holds, to the bit."""
    models = [column.removesuffix(".buy") for column in table.columns if column.endswith(".buy")]
    return {model: _vote(table, model) for model in models}


def written_votes(table: pd.DataFrame) -> str:
    """A table as CSV from which `read_votes` gets every bit back."""
    return table.to_csv(index=False, lineterminator="\n")


def read_votes(text: str) -> pd.DataFrame:
    """The table that `written_votes` wrote."""
    # Python reads the shortest text of a number back to the bit; whether pandas does depends on its version.
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    numbers = {name: table[name].map(float) for name in table.columns if "." in name}
    return table.assign(time=pd.to_datetime(table["time"], utc=True, format="ISO8601"), **numbers)


def _vote(table: pd.DataFrame, model: str) -> Vote:
    def column(name: str) -> Any:
        found = table.get(f"{model}.{name}")
        return None if found is None else found.to_numpy(np.float64)

    horizon = table.get(f"{model}.horizon_bars")
    return Vote(
        probabilities=np.column_stack([column(side) for side in SIDES]).reshape(-1, len(SIDES)),
        horizon_bars=None if horizon is None or horizon.empty else int(horizon.iloc[0]),
        **{name: column(name) for name in TOLD},
    )
