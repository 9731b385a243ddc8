"""Snapshots of a run's own bars, as another program would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Literal

import pandas as pd

from dltrader.data.bars import Bars, times_of
from dltrader.envs.market import Market
from dltrader.errors import BarsError
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.runs import Run

Form = Literal["features", "bars"]
FORMS: tuple[Form, ...] = ("features", "bars")


class Snapshots:
    """Lines of JSON over the bars that an ensemble was trained and tested on.

    Args:
        ensemble: What answers them.
        run: Has the bars; of several instruments the first that the ensemble knows is taken.
    """

    def __init__(self, ensemble: EnsemblePolicy, run: Run) -> None:
        bars = run.config.data.load()
        self._symbol = next((name for name in bars if name in ensemble.instruments), "")
        if not self._symbol:
            raise BarsError(
                f"the bars of {run.path} are those of {', '.join(bars)}, and the ensemble knows "
                f"{', '.join(ensemble.instruments)}; name a run that was trained on its own bars"
            )
        config = ensemble.env_config
        self._market = Market.build(bars[self._symbol], config, pipeline=ensemble.pipeline, steps=0)
        self._window, self._names = config.window_bars, ensemble.pipeline.names
        self._contexts = self._market.context

    def lines(self, count: int, *forms: Form) -> Iterator[bytes]:
        """So many snapshots, one a bar from the first that can be decided on; then the same bars again, told as later.

        Each has just as many bars, or rows of features, as are needed.

        Args:
            count: How many.
            *forms: Their forms by turns.
        """
        times = times_of(self._bars)
        first, rows = self._market.first, len(times) - self._market.first
        step = times[-1] - times[0] + pd.Timedelta(days=1)
        for number, form in zip(range(count), cycle(forms), strict=False):
            again, row = divmod(number, rows)
            values = {"symbol": self._symbol, "timestamp": _written(times[first + row] + again * step)}
            values |= self._of_bars(first + row) if form == "bars" else self._of_features(first + row)
            yield json.dumps(values).encode() + b"\n"

    @property
    def _bars(self) -> Bars:
        (bars,) = self._market.bars.values()
        return bars

    def _of_bars(self, row: int) -> dict[str, Any]:
        times = times_of(self._bars)
        context = {name: _records(bars.loc[: times[row]]) for name, bars in self._contexts.items()}
        return {"bars": _records(self._bars.iloc[row - self._market.first : row + 1])} | (
            {"context": context} if context else {}
        )

    def _of_features(self, row: int) -> dict[str, Any]:
        window = self._market.features[row + 1 - self._window : row + 1].tolist()
        return {"features": dict(zip(self._names, window[-1], strict=True)), "sequence": window[:-1]}


def _records(bars: Bars) -> list[dict[str, Any]]:
    rows = zip(times_of(bars), bars.to_dict("records"), strict=True)
    return [{"time": _written(time), **{str(name): value for name, value in values.items()}} for time, values in rows]


def _written(time: pd.Timestamp) -> str:
    return time.isoformat().replace("+00:00", "Z")
