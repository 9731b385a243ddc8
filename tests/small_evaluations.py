"""An evaluation made by hand: a report needs records, not trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.evaluation.behaviour import behaviour_of
from dltrader.evaluation.evaluation import MEASURED, Evaluation, plain
from dltrader.evaluation.metrics import measure
from dltrader.evaluation.trades import closed_trades
from market_bars import random_walk

A_YEAR = 252.0
SENTENCES = (
    "indistinguishable from buy-and-hold: the interval of the difference, \N{MINUS SIGN}12.0% to +4.5%, contains 0",
    "of 3 seeds 1 collapsed: 1 flips on nearly every bar",
    "its record of 1.2 years, from 2001-03-01 on, is too short: that takes 1,234.5",
)
STATISTICS = (
    "sharpe", "growth", "max_drawdown", "difference_growth", "difference_sharpe", "pooled_difference_growth",
    "seeds_difference_growth", "psr", "expected_maximum_sharpe", "dsr", "min_track_record_years", "min_backtest_years",
    "spa", "pbo",
)  # fmt: skip


def small_evaluation(
    *, seeds: int = 3, bars: int = 300, name: str = "small", folds: bool = True, **about
) -> Evaluation:
    """Seeds that trade a random walk by lot, and numbers that only look like statistics."""
    frame = random_walk(bars, 4)
    traded = {seed: _traded(frame, seed) for seed in range(seeds)}
    rows = [{"seed": seed, "path": f"runs/s{seed}", **one["row"]} for seed, one in traded.items()]
    held = 100_000.0 * frame["close"] / frame["close"].iloc[0]
    hold = {
        "growth": float(np.log(held.iloc[-1] / held.iloc[0])),
        **_metrics(held, frame[["close"]] * 0 + 1, EMPTY, CLOSED),
    }
    equity = pd.DataFrame({f"seed-{seed}": one["equity"] for seed, one in traded.items()})
    equity = equity.assign(buy_and_hold=held, flat=100_000.0, same_exposure=100_000.0 * (held / held.iloc[0]) ** 0.5)
    numbers = [key for key, value in rows[0].items() if isinstance(value, float)]
    summary = {key: _range([row[key] for row in rows]) for key in numbers}
    median = sorted(range(seeds), key=lambda seed: rows[seed]["growth"])[(seeds - 1) // 2]
    measured = {key: summary[key] for key in MEASURED}
    sections = {
        "about": {
            "name": name,
            "kind": "runs",
            "path": "runs/small",
            "agent": "ppo (mlp)",
            "policy": "best",
            "config": {"name": "small", "seed": 0, "env": {"window_bars": 4, "costs": {"commission": 0.001}}},
            "seeds": list(range(seeds)),
            "median_seed": median,
            "left_out": [{"seed": 7, "path": "s7", "reason": "killed"}],
            "bars": {"A<i>": "csv:a.csv"},
            "instruments": ["A<i>"],
            "start": str(frame.index[0]),
            "end": str(frame.index[-1]),
            "n_bars": bars - 1,
            "years": (bars - 1) / A_YEAR,
            "periods_per_year": A_YEAR,
            "costs": {"commission": 0.001, "slippage": 0.0005, "per_unit": 0.0, "impact": 0.0},
            "own_cost_bp": 15.0,
            "data_sha256": "0f" * 32,
            "trials": 12,
            "versions": {"dltrader": "0.1.0", "numpy": "2.4.6"},
            "made": "2026-11-21T10:00:00+00:00",
            "notes": ["looked at 2 times before"],
            "regimes_basis": "by the 60 bars before",
        }
        | about,
        "verdict": SENTENCES,
        "seeds": rows,
        "summary": summary,
        "baselines": [
            {
                "name": "buy_and_hold",
                "label": "buy and hold",
                "runs": 1,
                "difference": -0.1,
                "growth_low": None,
                "growth_high": None,
                **hold,
            },
            {
                "name": "sma_cross",
                "label": "SMA cross 20/50",
                "runs": 0,
                **dict.fromkeys(("difference", "growth_low", "growth_high", *MEASURED)),
            },
            {
                "name": "random",
                "label": "random",
                "runs": 5,
                "difference": 0.2,
                "growth_low": -0.6,
                "growth_high": -0.2,
                **hold,
                "growth": -0.4,
            },
        ],
        "costs": {
            "basis": "the cost of one side, charged as commission",
            "break_even_bp": 7.25,
            "break_even_hold_bp": None,
            "rows": [
                {
                    "cost_bp": cost,
                    "growth": 0.2 - cost / 36,
                    "growth_low": 0.1 - cost / 36,
                    "growth_high": 0.4 - cost / 36,
                    "sharpe": 0.5,
                    "turnover": 30.0,
                    "total_return": 0.1,
                    "buy_and_hold": 0.15,
                    "positive": 2 / 3,
                }
                for cost in (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
            ],
        },
        "years": [
            {
                "year": year,
                "bars": 150,
                "return": 0.05,
                "return_low": -0.1,
                "return_high": 0.2,
                "buy_and_hold": 0.1,
                "max_drawdown": -0.2,
                "exposure": 0.3,
                "ahead": 1 / 3,
            }
            for year in (2001, 2002)
        ],
        "regimes": [
            {
                "kind": "trend",
                "regime": regime,
                "bars": 90,
                "share": 0.3,
                "growth": 0.1,
                "growth_low": None,
                "growth_high": None,
                "buy_and_hold": 0.2,
                "exposure": 0.5,
                "ahead": 0.0,
            }
            for regime in ("up", "sideways", "down")
        ],
        "policy_modes": {"deterministic": measured, "stochastic": measured},
        "statistics": {
            key: {
                "value": 0.1 + i / 100,
                "low": -0.2,
                "high": 0.3 + i / 100,
                "why": None,
                "meaning": f"what {key} means at 95 %",
            }
            for i, key in enumerate(STATISTICS)
        }
        | {
            "pbo": {
                "value": None,
                "why": "3 seeds traded; at least 4 are needed",
                "meaning": "probability of overfitting",
            }
        },
        "behaviour": {"collapses": {"flips on nearly every bar": 1}, "median": traded[median]["behaviour"]},
        "folds": [
            {
                "fold": fold,
                "seed": seed,
                "train": [["2000-01-01", "2000-12-29"]],
                "validation": ["2000-12-31", "2001-01-30"],
                "test": [["2001-02-01 00:00:00+00:00", "2001-03-01 00:00:00+00:00"]],
                "status": "finished" if fold == 1 else "failed",
                "error": None,
                "behaviour": "never traded" if seed else None,
                "growth": 0.25 * seed if fold == 1 else None,
                "sharpe": 0.5,
                "buy_and_hold_growth": 0.1,
            }
            for fold in (1, 2)
            for seed in (0, 1)
        ]
        if folds
        else [],
        "why": {
            "statistics.pbo.value": "3 seeds traded; at least 4 are needed",
            "baselines.1.growth": "averages need 50 bars",
            "costs.break_even_hold_bp": "some lead is left",
        },
    }
    long = frame.reset_index().assign(instrument="A<i>")
    one = traded[median]
    return Evaluation(
        **plain(sections),
        equity=equity,
        exposure=pd.DataFrame({f"seed-{seed}": each["exposure"] for seed, each in traded.items()}),
        position=one["position"],
        orders=one["orders"],
        trades=one["trades"],
        bars=long[["time", "instrument", "open", "high", "low", "close", "volume"]],
    )


COLUMNS = ["time", "instrument", "side", "size", "price", "commission"]
EMPTY = pd.DataFrame({name: [] for name in COLUMNS}).astype({"size": float, "price": float, "commission": float})
CLOSED = pd.DataFrame({"profit": []}, dtype=float)


def _traded(frame, seed):
    """A trader whose exposure jumps between short, flat and long."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.choice([-1.0, 0.0, 1.0], -(-len(frame) // 12)), 12)[: len(frame)]
    level[0] = 0.0
    returns = frame["close"].pct_change().fillna(0.0).to_numpy()
    equity = pd.Series(100_000.0 * np.cumprod(1 + np.concatenate([[0.0], level[:-1]]) * returns), frame.index)
    units = np.round(level * 100_000.0 / frame["close"].iloc[0])
    change = np.diff(units, prepend=0.0)
    at = np.flatnonzero(change)
    rows = [
        (frame.index[i], "A<i>", "buy" if change[i] > 0 else "sell", abs(change[i]), frame["open"].iloc[i], 3.0)
        for i in at
    ]
    orders = pd.DataFrame(rows, columns=COLUMNS)
    exposure = pd.DataFrame({"A<i>": level}, frame.index)
    trades = closed_trades(orders, frame.index)
    held = frame["close"]
    behaviour = behaviour_of(equity, exposure, orders, held)
    growth, hold = np.log(equity.iloc[-1] / equity.iloc[0]), np.log(held.iloc[-1] / held.iloc[0])
    row = {
        "growth": float(growth), **_metrics(equity, exposure, orders, trades), **behaviour.numbers,
        "collapse": behaviour.collapse, "remark": behaviour.remark, "hold_growth": float(hold),
        "difference": float(growth - hold), "psr": 0.4 + 0.1 * seed, "dsr": 0.2 + 0.1 * seed,
    }  # fmt: skip
    return {
        "equity": equity, "exposure": level, "position": pd.DataFrame({"A<i>": units}, frame.index), "orders": orders,
        "trades": trades, "row": row,
        "behaviour": {**behaviour.numbers, "collapse": behaviour.collapse, "remark": behaviour.remark},
    }  # fmt: skip


def _metrics(equity, exposure, orders, trades):
    return dict(measure(equity, exposure, orders, trades, periods_per_year=A_YEAR))


def _range(values):
    known = np.array(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return {"estimate": None, "low": None, "high": None, "seeds": 0}
    ends = (float(known.min()), float(known.max())) if len(known) > 1 else (None, None)
    return {"estimate": float(known.mean()), "low": ends[0], "high": ends[1], "seeds": len(known)}
