"""Baselines beside a policy: other traders on the same bars, in the same engine, at the same costs.

- *buy_and_hold* buys once;
- *flat* never trades;
- *sma_cross* is long while the 20-bar average of closes is above that of 50 bars;
- *random* buys, sells or holds by lot, several times over;
- *same_exposure* holds the mean exposure of a seed constantly, once for every seed that has any: what a policy earned
  by choosing its moments is what it earned above this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dltrader.agents.baselines import BuyAndHold, Flat, RandomTrader, SMACross
from dltrader.agents.policy import Policy
from dltrader.envs.contract import EnvConfig
from dltrader.errors import BarsError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.costs import costs_at
from dltrader.evaluation.curves import growth_of, median_seed
from dltrader.evaluation.evaluation import MEASURED
from dltrader.evaluation.examined import Examined, measures_of
from dltrader.evaluation.over_seeds import over_seeds
from dltrader.evaluation.result import BacktestResult

RANDOM_TRADERS = 5
"""How many traders by lot: enough for a spread, few enough to cost little."""

LABELS = {
    "buy_and_hold": "buy and hold",
    "flat": "flat",
    "sma_cross": "SMA cross 20/50",
    "random": "random",
    "same_exposure": "same exposure held",
}


@dataclass(frozen=True, eq=False)
class Baseline:
    """A kind of trader, and each of it that traded.

    Attributes:
        name: One of `LABELS`.
        results: Its backtests; empty where it could not trade.
        why: Why it could not.
    """

    name: str
    results: Sequence[BacktestResult]
    why: str | None = None

    @property
    def typical(self) -> BacktestResult | None:
        """The one of median growth, for curves."""
        if not self.results:
            return None
        return self.results[median_seed({i: growth_of(each.equity) for i, each in enumerate(self.results)})]

    def row(self, growth: float) -> dict[str, Any]:
        """Its numbers beside the growth of the policy."""
        each = [measures_of(result) for result in self.results]
        over = {name: over_seeds([one[name] for one in each]) for name in MEASURED}
        own = over["growth"]
        return {
            "name": self.name,
            "label": LABELS[self.name],
            "runs": len(each),
            "difference": growth - own.estimate,
            **own.named("growth"),
            **{name: over[name].estimate for name in MEASURED if name != "growth"},
        }


def baselines_beside(
    examined: Sequence[Examined], bars: Mapping[str, pd.DataFrame], env: EnvConfig
) -> dict[str, Baseline]:
    """All baselines on the bars that the policies traded, in the order of `LABELS`.

    Args:
        examined: The seeds; of them come buy-and-hold and the same exposures.
        bars: Instrument -> bars, with the history that warms averages up.
        env: Costs, cash and rules of the market.
    """
    longest = max((each.result for each in examined), key=lambda result: len(result.equity))
    start = longest.equity.index[0]

    def traded(name: str, *policies: Policy) -> Baseline:
        try:
            return Baseline(name, [backtest(one, bars, env, start=start, benchmark=False) for one in policies])
        except BarsError as error:  # an average takes more bars than there are
            return Baseline(name, [], str(error))

    held = longest.benchmark
    matched = [each.result.matched for each in examined if each.result.matched is not None]
    nothing = None if matched else "no seed had an exposure to speak of"
    crossing = traded("sma_cross", SMACross())
    late = next((each for each in crossing.results if each.equity.index[0] != start), None)
    if late is not None:  # other bars would be another test
        crossing = Baseline(
            "sma_cross", [], f"its averages are warm only from {late.equity.index[0]:%Y-%m-%d} on; load more history"
        )
    return {
        "buy_and_hold": traded("buy_and_hold", BuyAndHold()) if held is None else Baseline("buy_and_hold", [held]),
        "flat": traded("flat", Flat()),
        "sma_cross": crossing,
        "random": traded("random", *(RandomTrader(seed=seed) for seed in range(RANDOM_TRADERS))),
        "same_exposure": Baseline("same_exposure", matched, nothing),
    }


def holding_at(
    costs_bp: Sequence[float], bars: Mapping[str, pd.DataFrame], env: EnvConfig, start: pd.Timestamp
) -> dict[float, float]:
    """The log growth of buy-and-hold at each cost of one side."""
    costly = {cost: env.model_copy(update={"costs": costs_at(cost)}) for cost in costs_bp}
    return {
        cost: growth_of(backtest(BuyAndHold(), bars, config, start=start, benchmark=False).equity)
        for cost, config in costly.items()
    }
