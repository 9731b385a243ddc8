"""Evaluation: what many seeds of one configuration are worth, in numbers and in words.

Where it is kept: DIR/evaluation/, whole or not at all.

    evaluation.json   every number, as `Evaluation.to_mapping` gives it
    equity.csv        time and a column for each seed and baseline: "seed-0", …, "buy_and_hold", "flat", "sma_cross",
                      "random", "same_exposure"; money at the close of each bar
    exposure.csv      the same columns; position value / equity, summed over instruments with its sign
    position.csv      units that the median seed held, a column an instrument
    orders.csv, trades.csv   the tables of `BacktestResult`, of the median seed
    bars.csv          time, instrument, open, high, low, close, volume of the tested stretch

Sections of evaluation.json. Fractions, not percent; a number that could not be had is null, and `why` says under its
dotted path (`statistics.pbo.value`, `seeds.2.sharpe`) why. What holds null by nature has no reason there: `collapse`
(it did not) and `remark`, and all in about and folds, whose nulls are values.

    about         name, kind ("run", "runs" or "walk_forward"), path, agent, policy ("best", …), config (mapping), seeds
                  (list), median_seed, left_out (rows: seed, path, reason), bars (instrument -> URI), instruments
                  (list), start, end (of the tested stretch), n_bars (returns), years, periods_per_year, costs
                  (mapping), own_cost_bp (commission + slippage), data_sha256, trials (of the ledger), versions, made
                  (UTC), regimes_basis (how regimes are told apart), notes (sentences)
    verdict       sentences; the first is the answer, then what qualifies it
    seeds         rows, one a seed: seed, path, growth (log, whole stretch), all of `BacktestResult.metrics`, all of
                  `Behaviour.numbers`, collapse, remark, hold_growth, difference (growth a year less that of
                  buy-and-hold), difference_low, difference_high (paired block bootstrap over bars), psr, dsr
    summary       metric -> {estimate, low, high, seeds}: interquartile mean over seeds, its 95 % interval over seeds,
                  and how many have the number; of all in `seeds` but hold_growth and the ends of intervals
    baselines     rows: name, label, runs (how many stand behind the row), difference (growth of the summary less its
                  own), growth, growth_low, growth_high (over the runs) and the metrics that `MEASURED` names
    costs         basis (how the cost is charged), rows: cost_bp (of one side, all in all), growth, growth_low,
                  growth_high (over seeds), sharpe, turnover, total_return, buy_and_hold (its growth), positive (share
                  of seeds with growth > 0); break_even_bp, break_even_hold_bp
    years         rows: year, bars, return (interquartile mean of simple returns), return_low, return_high,
                  buy_and_hold, max_drawdown (of the median seed), exposure, ahead (share of seeds above buy-and-hold)
    regimes       rows: kind ("trend" or "volatility"), regime ("up", "sideways", "down"; "low", "middle", "high"),
                  bars, share, growth, growth_low, growth_high (a year, over seeds), buy_and_hold (a year), exposure,
                  ahead
    policy_modes  deterministic, stochastic: metric -> {estimate, low, high, seeds}; metrics as `MEASURED`
    statistics    name -> {value, low, high (both only of intervals), why, meaning}: sharpe, growth, max_drawdown,
                  difference_growth, difference_sharpe (all of the median seed), pooled_difference_growth,
                  seeds_difference_growth, psr, expected_maximum_sharpe, dsr, min_track_record_years,
                  min_backtest_years, spa, pbo
    behaviour     collapses (collapse -> seeds), median (numbers, collapse and remark of the median seed)
    folds         rows as the walk-forward has them; empty for anything else
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from dltrader.errors import RunError
from dltrader.evaluation.formats import format_metric, label_of
from dltrader.evaluation.notebook import BLUE, GREY, SHOWN, heading, sparkline, table
from dltrader.files import new_folder, write_json, write_text

FOLDER, FILE = "evaluation", "evaluation.json"
TABLES = ("equity", "exposure", "position", "orders", "trades", "bars")
INDEXED = ("equity", "exposure", "position")
BY_NATURE = frozenset({"collapse", "remark", "why"})
"""Names of values that may be null without a number being missing."""

MEASURED = (
    "growth", "total_return", "annual_return", "annual_volatility", "sharpe", "sortino", "max_drawdown", "turnover",
    "exposure", "trades",
)  # fmt: skip
"""What rows and modes say of every trader, in this order."""

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What many seeds of one configuration are worth. The module's docstring has the schema of the sections.

    All values are plain, as JSON holds them: a number that could not be had is None, and `why` says why.

    Attributes:
        about: What was evaluated, on which bars, at what costs.
        verdict: Sentences, the answer first.
        seeds: One row a seed.
        summary: Metric -> interquartile mean over seeds with its interval.
        baselines: One row a baseline, in the same engine at the same costs.
        costs: The cost curve and the costs at which nothing is left.
        years: One row a calendar year.
        regimes: One row a regime of trend and of volatility.
        policy_modes: The deterministic policy beside the stochastic one.
        statistics: Name -> value, and what it means.
        behaviour: How the seeds traded, and how they collapsed.
        folds: One row a fold of a walk-forward.
        why: Dotted path -> why a number is missing there.
        equity: Money at the close of each bar; a column a seed ("seed-0") and a baseline.
        exposure: Net exposure at the close of each bar, in the same columns.
        position: Units that the median seed held, a column an instrument.
        orders: Fills of the median seed, as `BacktestResult.orders`.
        trades: Closed trades of the median seed, as `BacktestResult.trades`.
        bars: Bars of the tested stretch: time, instrument and the columns of bars.
    """

    about: Row
    verdict: Sequence[str]
    seeds: Sequence[Row]
    summary: Mapping[str, Row]
    baselines: Sequence[Row]
    costs: Row
    years: Sequence[Row]
    regimes: Sequence[Row]
    policy_modes: Mapping[str, Mapping[str, Row]]
    statistics: Mapping[str, Row]
    behaviour: Row
    folds: Sequence[Row]
    why: Mapping[str, str]
    equity: pd.DataFrame
    exposure: pd.DataFrame
    position: pd.DataFrame
    orders: pd.DataFrame
    trades: pd.DataFrame
    bars: pd.DataFrame

    def to_mapping(self) -> dict[str, Any]:
        """All sections as plain values; the tables stand beside them in files of their own."""
        return {name: plain(getattr(self, name)) for name in SECTIONS}

    def keep(self, folder: Path) -> Path:
        """Write it to `evaluation/` in a folder, in place of an older one; the folder that was written."""
        path = folder / FOLDER
        with new_folder(path) as filling:
            write_json(filling / FILE, self.to_mapping())
            for name in TABLES:
                table = getattr(self, name)
                text = table.to_csv(index=name in INDEXED, index_label="time", lineterminator="\n")
                write_text(filling / f"{name}.csv", text)
        return path

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the verdict, equity of the median seed beside buy-and-hold, and the summary."""
        about = self.about
        seeds = f"{len(about['seeds'])} seed{'s' if len(about['seeds']) > 1 else ''}"
        facts = f"{', '.join(about['instruments'])}, {about['start'][:10]} to {about['end'][:10]}, {seeds}"
        answer, *others = map(escape, self.verdict)
        said = f"<p><b>{answer}</b>{''.join(f'<br>{other}' for other in others)}</p>"
        curves = {GREY: self.equity["buy_and_hold"], BLUE: self.equity[f"seed-{about['median_seed']}"]}
        shown = {name: self.summary[name] for name in SHOWN if name in self.summary}
        rows = [
            [label_of(name), *(format_metric(name, _number(row[end])) for end in ("estimate", "low", "high"))]
            for name, row in shown.items()
        ]
        body = table(["over seeds", "mean", "from", "to"], rows)
        return f"<div>{heading(about['name'], facts)}{said}{sparkline(curves)}{body}</div>"

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The evaluation in a folder: that of a run, of runs, of a walk-forward, or `evaluation/` itself.

        Raises:
            RunError: There is none, or its files are damaged.
        """
        folder = Path(path)
        if not (folder / FILE).is_file():
            folder = folder / FOLDER
        if not (folder / FILE).is_file():
            raise RunError(f"there is no evaluation in {path}; make one with: dltrader evaluate {path}")
        try:
            values = json.loads((folder / FILE).read_text(encoding="utf-8"))
            found: dict[str, Any] = {name: values[name] for name in SECTIONS}
            found |= {name: _read_table(folder / f"{name}.csv", indexed=name in INDEXED) for name in TABLES}
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            words = " ".join(str(error).split())
            raise RunError(f"cannot read the evaluation in {folder}: {words}; evaluate anew") from None


SECTIONS = tuple(field.name for field in fields(Evaluation) if field.name not in TABLES)


def plain(values: Any) -> Any:
    """Values as JSON holds them; numbers that are none become None."""
    if isinstance(values, Mapping):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    if isinstance(values, np.generic):
        values = values.item()
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return str(values) if isinstance(values, pd.Timestamp | Path) else values


def missing(values: Any, path: str = "") -> Iterator[str]:
    """The dotted paths at which a number is missing."""
    if isinstance(values, Mapping | list | tuple):
        pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, value in pairs:
            if key not in BY_NATURE:
                yield from missing(value, f"{path}.{key}" if path else str(key))
    elif values is None or (isinstance(values, float) and not math.isfinite(values)):
        yield path


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _read_table(path: Path, *, indexed: bool) -> pd.DataFrame:
    table = pd.read_csv(path)
    for name in {"time", "opened_at", "closed_at"} & set(table.columns):
        table[name] = pd.to_datetime(table[name], utc=True)
    return table.set_index("time") if indexed else table
