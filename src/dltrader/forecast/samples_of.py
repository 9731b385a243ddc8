"""Samples of a market: its features, and the labels of every bar that has a whole window behind and a future ahead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dltrader.envs.contract import Costs
from dltrader.envs.market import Market
from dltrader.errors import BarsError, ConfigError
from dltrader.forecast.labels import LabelsConfig, label_table, longest_horizon
from dltrader.forecast.samples import Samples


def samples_of(
    market: Market, labels: LabelsConfig, costs: Costs, *, horizons: Sequence[int] = (), window_bars: int
) -> Samples:
    """What can be learned from a market.

    Args:
        market: Of one instrument; bars before its first decision are none to learn from.
        labels: The horizon of side, movement and risk, and the rule of sides.
        costs: What a trade pays, on both sides.
        horizons: In bars, those whose wins are asked for.
        window_bars: Rows of the longest window that will be cut out.

    Raises:
        ConfigError: The market has several instruments, or a horizon is below 1.
        BarsError: No bar has a whole window behind it and the longest horizon ahead.
    """
    if len(market.instruments) > 1:
        raise ConfigError(
            f"samples are of one instrument, and the market has {', '.join(market.instruments)}; "
            "set data.trade to apart"
        )
    (bars,) = market.bars.values()
    longest = longest_horizon(labels, horizons)
    warmup = market.pipeline.warmup_on(bars, market.context)
    first = max(market.first, warmup + window_bars - 1)
    table = label_table(bars, labels, costs, horizons)
    rows = np.flatnonzero(table.notna().all(axis=1).to_numpy() & (np.arange(len(table)) >= first))
    if not len(rows):
        raise BarsError(
            f"{len(bars)} bars of {market.instruments[0]} are too few to learn from: decisions begin at bar "
            f"{first + 1}, and labels reach {longest} bars ahead; load more history, or choose shorter features, "
            "window_bars or horizons"
        )
    found = table.iloc[rows]
    return Samples(
        features=market.features,
        names=market.feature_names,
        rows=rows,
        times=market.times[rows],
        ends=market.times[rows + longest],
        side=found["side"].to_numpy(np.int64),
        movement=found["movement"].to_numpy(),
        risk=found["risk"].to_numpy(),
        wins={horizon: found[f"win_{horizon}"].to_numpy(np.int64) for horizon in dict.fromkeys(horizons)},
    )
