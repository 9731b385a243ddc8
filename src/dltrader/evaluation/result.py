"""What a backtest found: records a reader can hold in the hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from dltrader.evaluation.behaviour import Behaviour, behaviour_of, value_of_holding
from dltrader.evaluation.notebook import result_html
from dltrader.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Pictures are drawn further down the house; the result knows only their names.
PLOTS: Registry[Callable[..., Any]] = Registry("plot", {"backtest": "dltrader.plotting.backtest:plot_backtest"})


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """One policy on one stretch of bars in Cerebro.

    Attributes:
        policy: The policy's name, for titles and tables.
        bars: Instrument -> bars of the tested stretch; its first row is the bar of the first decision.
        equity: Account value in money at the close of each bar.
        position: Units held at the close of each bar; one column an instrument.
        exposure: Position value / equity at the close of each bar; one column an instrument; nan once ruined.
        orders: One row a fill: time, instrument, side ("buy" or "sell"), size (> 0), price, commission.
        rejections: One row an order the broker refused: time, instrument, size (signed), reason.
        trades: One row a closed trade, from flat to flat: instrument, side ("long" or "short"), opened_at, closed_at,
            bars, size (largest), entry_price, exit_price, commission, profit (money, net), return_ (net, of the entry
            value).
        metrics: Name -> number, fractions not percent.
        benchmark: Buy-and-hold on the same bars in the same engine at the same costs; None in the benchmark itself.
        matched: The policy's mean exposure held constantly, on the same bars in the same engine at the same costs; None
            where that exposure is 0, and where there is no benchmark.
    """

    policy: str
    bars: Mapping[str, pd.DataFrame]
    equity: pd.Series[float]
    position: pd.DataFrame
    exposure: pd.DataFrame
    orders: pd.DataFrame
    rejections: pd.DataFrame
    trades: pd.DataFrame
    metrics: Mapping[str, float]
    benchmark: BacktestResult | None = field(default=None, repr=False)
    matched: BacktestResult | None = field(default=None, repr=False)

    @property
    def behaviour(self) -> Behaviour:
        """How the policy traded, and whether it collapsed: never traded, merely held, flipped on nearly every bar."""
        held = value_of_holding(self.bars) if self.benchmark is None else self.benchmark.equity
        return behaviour_of(self.equity, self.exposure, self.orders, held)

    def plot(self, **options: Any) -> Figure:
        """Price with buys and sells, position, equity against buy-and-hold, drawdown.

        Args:
            **options: As for `dltrader.plotting.plot_backtest`.
        """
        figure: Figure = PLOTS["backtest"](self, **options)
        return figure

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return result_html(self)
