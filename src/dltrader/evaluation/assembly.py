"""Assembly: what seeds, baselines and statistics said, put together into one evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dltrader.data import periods_per_year
from dltrader.envs.contract import EnvConfig
from dltrader.evaluation.baselines import Baseline
from dltrader.evaluation.behaviour import Behaviour
from dltrader.evaluation.confidence import (
    UNKNOWN_TRIALS,
    Sample,
    Trials,
    paired_difference,
    seed_probabilities,
    statistics_of,
)
from dltrader.evaluation.costs import BASIS, break_even, one_side_bp
from dltrader.evaluation.curves import growth_of, log_growths, median_seed, net, together
from dltrader.evaluation.evaluation import MEASURED, Evaluation, plain
from dltrader.evaluation.examined import Examined, measures_of
from dltrader.evaluation.over_seeds import over_seeds, table_over_seeds
from dltrader.evaluation.regimes import BASIS as REGIMES_BASIS
from dltrader.evaluation.regimes import Traded, regime_rows, year_rows
from dltrader.evaluation.result import BacktestResult
from dltrader.evaluation.verdict import Facts, Range, verdict
from dltrader.evaluation.why import whys

Row = dict[str, Any]
NOT_SUMMARISED = frozenset({"seed", "path", "collapse", "remark", "hold_growth", "difference_low", "difference_high"})


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that was found out, before it is put together.

    Attributes:
        about: What was evaluated, as far as the tested stretch does not say it.
        examined: The seeds; at least one.
        baselines: Name -> baseline.
        holding: Basis points of one side -> log growth of buy-and-hold.
        history: Instrument -> bars up to the end of the tested stretch.
        env: The environment; its costs are those of the evaluation.
        trials: Behind the result.
        folds: Rows of a walk-forward.
    """

    about: Mapping[str, Any]
    examined: Sequence[Examined]
    baselines: Mapping[str, Baseline]
    holding: Mapping[float, float]
    history: Mapping[str, pd.DataFrame]
    env: EnvConfig
    trials: Trials
    folds: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def assemble(evidence: Evidence) -> Evaluation:
    """One evaluation of all that was found out.

    Raises:
        MissingExtraError: arch is not installed.
    """
    examined = evidence.examined
    median = _median(examined)
    typical = {name: one.typical for name, one in evidence.baselines.items()}
    shown = {each.column: each.result for each in examined} | {
        name: result for name, result in typical.items() if result is not None
    }
    if median.result.matched is not None:  # beside the median seed belongs its own, not the typical one
        shown["same_exposure"] = median.result.matched
    equity = together({name: result.equity for name, result in shown.items()})
    exposure = together({name: net(result.exposure) for name, result in shown.items()})
    columns = [each.column for each in examined]
    periods = periods_per_year(next(iter(evidence.history.values())))
    held = equity["buy_and_hold"]
    sample = Sample(
        log_growths(equity[columns]), log_growths(equity[["buy_and_hold"]])["buy_and_hold"], median.column, periods
    )
    traded = Traded(equity[columns], held, exposure[columns], median.column, periods)
    statistics = statistics_of(sample, evidence.trials)
    seeds = [_seed_row(each, sample, evidence.trials) for each in examined]
    names = [name for name in seeds[0] if name not in NOT_SUMMARISED]
    summary = table_over_seeds(seeds, names)
    costs, reasons = _costs(evidence)
    years = len(sample.growths) / periods
    regimes = regime_rows(traded, evidence.history)
    collapses = Counter(str(row["collapse"]) for row in seeds if row["collapse"] is not None)
    facts = _facts(evidence, summary, statistics, costs, collapses, years)
    sections = plain(
        {
            "about": {**evidence.about, **_about(evidence, sample, median, years)},
            "verdict": verdict(facts),
            "seeds": seeds,
            "summary": summary,
            "baselines": [one.row(summary["growth"]["estimate"]) for one in evidence.baselines.values()],
            "costs": costs,
            "years": year_rows(traded),
            "regimes": regimes,
            "policy_modes": {
                "deterministic": table_over_seeds([measures_of(each.result) for each in examined], MEASURED),
                "stochastic": table_over_seeds([each.stochastic for each in examined], MEASURED),
            },
            "statistics": statistics,
            "behaviour": {"collapses": dict(collapses), "median": _behaviour(median.result.behaviour)},
            "folds": list(evidence.folds),
        }
    )
    for i, baseline in enumerate(evidence.baselines.values()):
        if baseline.why is not None:
            reasons[f"baselines.{i}"] = baseline.why
    reasons |= {f"regimes.{i}": "no bar was in this regime" for i, row in enumerate(regimes) if not row["bars"]}
    if evidence.trials.count is None:
        reasons["dsr"] = evidence.trials.why or UNKNOWN_TRIALS
    result = median.result
    return Evaluation(
        **sections,
        why=whys(sections, reasons),
        equity=equity,
        exposure=exposure,
        position=result.position,
        orders=result.orders,
        trades=result.trades,
        bars=_bars_of(result),
    )


def _median(examined: Sequence[Examined]) -> Examined:
    seed = median_seed({each.seed: growth_of(each.result.equity) for each in examined})
    return next(each for each in examined if each.seed == seed)


def _about(evidence: Evidence, sample: Sample, median: Examined, years: float) -> Row:
    times = sample.growths.index
    costs = evidence.env.costs
    return {
        "seeds": [each.seed for each in evidence.examined],
        "median_seed": median.seed,
        "instruments": list(median.result.bars),
        "start": str(median.result.equity.index[0]),
        "end": str(times[-1]),
        "n_bars": len(times),
        "years": years,
        "periods_per_year": sample.periods_per_year,
        "costs": costs.to_mapping(),
        "own_cost_bp": one_side_bp(costs),
        "trials": evidence.trials.count,
        "regimes_basis": REGIMES_BASIS,
    }


def _seed_row(each: Examined, sample: Sample, trials: Trials) -> Row:
    growths = sample.growths[each.column]
    apart = paired_difference(growths, sample.held, sample.periods_per_year)
    return {
        "seed": each.seed,
        "path": each.path,
        **measures_of(each.result),
        **_behaviour(each.result.behaviour),
        "hold_growth": float(sample.held.sum()),
        "difference": float((growths.mean() - sample.held.mean()) * sample.periods_per_year),
        "difference_low": apart.low,
        "difference_high": apart.high,
        **seed_probabilities(growths, trials),
    }


def _behaviour(behaviour: Behaviour) -> Row:
    return {**behaviour.numbers, "collapse": behaviour.collapse, "remark": behaviour.remark}


def _costs(evidence: Evidence) -> tuple[Row, dict[str, str]]:
    """The cost curve, and why there is no break-even where there is none."""
    rows = []
    for cost, hold in evidence.holding.items():
        each = [one.at_cost[cost] for one in evidence.examined]
        over = {
            name: over_seeds([one[name] for one in each]) for name in ("growth", "sharpe", "turnover", "total_return")
        }
        rows.append(
            {
                "cost_bp": cost,
                **over["growth"].named("growth"),
                **{name: over[name].estimate for name in ("sharpe", "turnover", "total_return")},
                "buy_and_hold": hold,
                "positive": sum(one["growth"] > 0.0 for one in each) / len(each),
            }
        )
    tried = [row["cost_bp"] for row in rows]
    profit = break_even(tried, [row["growth"] for row in rows])
    ahead = break_even(tried, [row["growth"] - row["buy_and_hold"] for row in rows], "lead over buy-and-hold")
    found = {"basis": BASIS, "rows": rows, "break_even_bp": profit.cost_bp, "break_even_hold_bp": ahead.cost_bp}
    reasons = {"costs.break_even_bp": profit.why, "costs.break_even_hold_bp": ahead.why}
    return found, {path: why for path, why in reasons.items() if why is not None}


def _facts(
    evidence: Evidence,
    summary: Mapping[str, Any],
    statistics: Mapping[str, Any],
    costs: Row,
    collapses: Mapping[str, int],
    years: float,
) -> Facts:
    results = [each.result for each in evidence.examined]
    over_matched = [
        (growth_of(one.equity) - growth_of(one.matched.equity)) / years for one in results if one.matched is not None
    ]
    tried = [row["cost_bp"] for row in costs["rows"]]
    return Facts(
        seeds=len(results),
        left_out=len(evidence.about.get("left_out", ())),
        ruined=sum(float(one.equity.iloc[-1]) <= 0.0 for one in results),
        years=years,
        difference=_range(statistics["pooled_difference_growth"]),
        seeds_difference=_range(statistics["seeds_difference_growth"]),
        matched_difference=over_seeds(over_matched).estimate if over_matched else math.nan,
        exposure=summary["net_exposure"]["estimate"],
        correlation=summary["correlation"]["estimate"],
        collapses=collapses,
        dsr=statistics["dsr"]["value"],
        trials=evidence.trials.count,
        min_track_record_years=statistics["min_track_record_years"]["value"],
        own_cost_bp=one_side_bp(evidence.env.costs),
        costs_bp=(tried[0], tried[-1]),
        break_even_bp=costs["break_even_bp"],
        profitable=costs["rows"][0]["growth"] > 0.0,
    )


def _range(found: Mapping[str, Any]) -> Range:
    return Range(found["value"], found["low"], found["high"], found["why"])


def _bars_of(result: BacktestResult) -> pd.DataFrame:
    """The tested bars of all instruments, one below the other."""
    frames = [frame.reset_index().assign(instrument=name) for name, frame in result.bars.items()]
    table = pd.concat(frames, ignore_index=True)
    return table[["time", "instrument", *next(iter(result.bars.values())).columns]]
