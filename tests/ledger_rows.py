"""Entries for the tests of the ledger, and what processes are given to do with it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dltrader.runs.ledger import Ledger
from dltrader.runs.trial import DataSet, Entry, Scores, Span, trial_id


def span(first: str, last: str) -> Span:
    return Span(pd.Timestamp(first, tz="UTC"), pd.Timestamp(last, tz="UTC"))


def data_of(sha256: str = "a" * 64, uri: str = "sample:AAPL", test: tuple[str, str] = ("2010", "2011")) -> DataSet:
    """A data set with one market."""
    return DataSet(sha256, {"asset": uri}, span("2000", "2005"), span("2005", "2009"), span(*test))


def entry_of(config: str = "c", seed: int = 0, data: DataSet | None = None, **changes: Any) -> Entry:
    """A finished training."""
    data = data or data_of()
    values = {
        "kind": "train",
        "experiment": "small",
        "config_id": config,
        "trial": trial_id(config, seed, data.sha256),
        "engine": "vector",
        "scores": Scores(validation_growth=0.1, validation_sharpe=0.05, periods_per_year=252.0),
    }
    return Entry(**values | changes, data=data, seed=seed)


def look_of(config: str = "c", seed: int = 0, data: DataSet | None = None, **changes: Any) -> Entry:
    """A backtest of its test bars."""
    data = data or data_of()
    scores = Scores(growth=0.2, sharpe=0.1, returns=250, periods_per_year=252.0)
    values = {"kind": "backtest", "scores": scores, "looked": True, "tested": data.test, "engine": "cerebro"}
    return entry_of(config, seed, data, **values | changes)


def write_rows(url: str, config: str, n: int) -> None:
    """What a process does: append entries, each through a ledger of its own, as each training does."""
    for seed in range(n):
        Ledger.open(url).record(entry_of(config, seed))
