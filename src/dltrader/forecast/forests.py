"""Forests of boosted trees that answer with votes, one a horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.errors import BundleError
from dltrader.files import write_json, write_text
from dltrader.forecast.calibration import Temperature
from dltrader.forecast.forecasters import Forecaster, Windows
from dltrader.forecast.side_shares import SideShares
from dltrader.forecast.vote import Array, Vote

Rows = npt.NDArray[np.float32]

DESCRIPTION, IMPORTANCES = "forests.json", "importances.csv"


@dataclass(frozen=True, eq=False)
class Forest:
    """Says how likely a long trade over one horizon pays for its costs.

    Attributes:
        horizon_bars: Bars ahead.
        text: The trees, as LightGBM writes them.
        booster: LightGBM's reading of the text.
        temperature: Makes a probability of what the trees say.
        shares: Make probabilities of the sides of that.
    """

    horizon_bars: int
    text: str
    booster: Any
    temperature: Temperature
    shares: SideShares

    def vote(self, rows: Rows) -> Vote:
        """What it says of n bars, (n, columns)."""
        win = self.temperature.probabilities(logits_by(self.booster, rows))[:, 1]
        return Vote(self.shares.probabilities(win), self.horizon_bars, win=win)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values of all but the trees."""
        return {
            "horizon_bars": self.horizon_bars,
            "trees": self.booster.num_trees(),
            "temperature": self.temperature.to_mapping(),
            "shares": self.shares.coefficients.tolist(),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], text: str, booster: Any) -> Self:
        """As it was.

        Raises:
            BundleError: The values are not those of a forest.
        """
        try:
            return cls(
                int(values["horizon_bars"]),
                text,
                booster,
                Temperature.from_mapping(values["temperature"]),
                SideShares.from_list(values["shares"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{DESCRIPTION} describes no forest: {error}; copy the run again") from None


class ForestForecaster(Forecaster):
    """One forest a horizon, over the rows of a window side by side.

    Attributes:
        forests: By horizon, the shortest first.
        names: Of the features.
        window_bars: Rows of a window.
    """

    def __init__(self, forests: Sequence[Forest], names: Sequence[str], window_bars: int) -> None:
        self.forests = tuple(sorted(forests, key=lambda forest: forest.horizon_bars))
        self.names = tuple(names)
        self.window_bars = window_bars

    def votes(self, windows: Windows) -> dict[str, Vote]:
        """What each forest says; a row's vote is the same to the bit, however many others are asked with it."""
        count, bars, features = windows.shape
        rows = np.ascontiguousarray(windows, np.float32).reshape(count, bars * features)
        if len(self.forests) == 1:
            return {"": self.forests[0].vote(rows)}
        return {str(forest.horizon_bars): forest.vote(rows) for forest in self.forests}

    def importances(self) -> pd.DataFrame:
        """How much each column lowered the loss of each forest, as a share of all that its splits did.

        Returns:
            A row a horizon, feature and lag, the columns `horizon_bars`, `feature`, `lag_bars` (0: the newest row),
            `gain` (shares that sum to 1 over a horizon; 0 of a forest that never split) and `splits` (how many).
        """
        tables = []
        for forest in self.forests:
            gain = np.asarray(forest.booster.feature_importance("gain"), np.float64)
            tables.append(
                pd.DataFrame(
                    {
                        "horizon_bars": forest.horizon_bars,
                        "feature": np.tile(np.array(self.names, object), self.window_bars),
                        "lag_bars": np.repeat(np.arange(self.window_bars)[::-1], len(self.names)),
                        "gain": gain / (gain.sum() or 1.0),
                        "splits": forest.booster.feature_importance("split"),
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)

    def save(self, folder: Path) -> None:
        """Write a text file a forest, what else there is to know as JSON, and the importances for people to read."""
        for forest in self.forests:
            write_text(folder / file_of(forest.horizon_bars), forest.text)
        write_text(folder / IMPORTANCES, self.importances().to_csv(index=False, lineterminator="\n"))
        write_json(
            folder / DESCRIPTION,
            {
                "window_bars": self.window_bars,
                "names": list(self.names),
                "forests": [forest.to_mapping() for forest in self.forests],
            },
        )


def file_of(horizon_bars: int) -> str:
    """The file of a forest's trees."""
    return f"win_{horizon_bars}.txt"


def logits_by(booster: Any, rows: Rows) -> Array:
    """What trees say of rows: (n, 2) logits of a trade that loses and of one that wins."""
    # (n,); LightGBM does not take no rows for an answer.
    said: Array = booster.predict(rows, raw_score=True, num_threads=1) if len(rows) else np.zeros(0)
    return np.column_stack([np.zeros_like(said), said])
