"""All labels of bars in one table, and the configuration that says which they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
from pydantic import Field, SerializeAsAny

from dltrader.config import Config, named
from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError
from dltrader.forecast.labels.rules import RULES, SideRule, Threshold
from dltrader.forecast.labels.trades import forward_return, realised_volatility, win, worst_excursion


class LabelsConfig(Config):
    """What is learned to be foretold. Costs are those of the environment."""

    horizon_bars: int = Field(5, ge=1, le=10_000, description="Bars ahead that side, movement and risk tell of")
    rule: Annotated[SerializeAsAny[SideRule], named(RULES)] = Field(
        Threshold(), description="What makes a bar one to buy, to sell or to hold"
    )


def longest_horizon(labels: LabelsConfig, horizons: Sequence[int] = ()) -> int:
    """How many bars ahead any label reaches: what a purge must leave out."""
    return max(labels.horizon_bars, *horizons, 1)


def label_table(bars: pd.DataFrame, labels: LabelsConfig, costs: Costs, horizons: Sequence[int] = ()) -> pd.DataFrame:
    """Every label of every bar.

    Args:
        bars: Of one instrument.
        labels: The horizon, and the rule of sides.
        costs: What a trade pays, on both sides.
        horizons: In bars, those whose wins are asked for.

    Returns:
        A row a bar, nan where the future is not known. Columns: side (class, as `vote.SIDES` counts them), movement
        (log return), risk (realised volatility a bar), worst_long and worst_short (worst adverse excursions, log
        returns <= 0), all over the horizon of the configuration, and win_H (1 or 0) of every other horizon H.

    Raises:
        ConfigError: A horizon is below 1.
    """
    wrong = next((horizon for horizon in horizons if horizon < 1), None)
    if wrong is not None:
        raise ConfigError(f"a horizon counts bars from 1 on, was {wrong}")
    own = labels.horizon_bars
    worst_long, worst_short = worst_excursion(bars, own)
    columns = {
        "side": labels.rule.sides(bars, own, costs),
        "movement": forward_return(bars, own),
        "risk": realised_volatility(bars, own),
        "worst_long": worst_long,
        "worst_short": worst_short,
    }
    return pd.DataFrame(
        columns | {f"win_{horizon}": win(bars, horizon, costs) for horizon in dict.fromkeys(horizons)}, bars.index
    )
