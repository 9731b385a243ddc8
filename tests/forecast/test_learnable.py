from __future__ import annotations

import numpy as np
import pytest

from dltrader.envs.contract import Costs, EnvConfig
from dltrader.envs.market import Market
from dltrader.errors import BarsError
from dltrader.forecast.labels import LabelsConfig
from dltrader.forecast.learnable import require_enough, require_sides, require_wins
from dltrader.forecast.samples_of import samples_of
from market_bars import bars_of, random_walk

ENV = EnvConfig.from_mapping({"window_bars": 4, "features": ["log_return"], "scaling": "none"})


def samples(bars, **costs):
    market = Market.build(bars, ENV)
    return samples_of(market, LabelsConfig(), Costs(**costs), horizons=(5,), window_bars=4)


RISING = bars_of(*(np.linspace(100, 200, 120) + shift for shift in (0.0, 0.5, -0.5, 0.25)))
WALK = samples(random_walk(300))


def test_enough_rows_are_enough():
    require_enough(WALK.take(slice(0, 200)), WALK.take(slice(200, 201)), 200, "lstm")


def test_too_few_rows_are_counted_and_so_are_those_that_it_takes():
    with pytest.raises(BarsError, match="lstm has 199 rows to learn from, and needs at least 200; load more bars"):
        require_enough(WALK.take(slice(0, 199)), WALK, 200, "lstm")


def test_nothing_to_validate_on_is_said():
    with pytest.raises(BarsError, match="lstm has no row to validate on"):
        require_enough(WALK, WALK.take(slice(0, 0)), 200, "lstm")


def test_labels_of_one_class_cannot_be_learned():
    rising = samples(RISING)
    with pytest.raises(BarsError, match=f"lstm has one label only to learn: all {len(rising)} rows are buy;"):
        require_sides(rising, "lstm")
    with pytest.raises(BarsError, match=f"all {len(rising)} rows are a win over 5 bars; .* lower costs"):
        require_wins(rising, 5, "lightgbm")


def test_costs_that_nothing_pays_for_leave_one_class():
    dear = samples(random_walk(300), commission=0.09)
    assert set(dear.side) == {2}
    with pytest.raises(BarsError, match="are hold"):
        require_sides(dear, "lstm")
    with pytest.raises(BarsError, match="are no win over 5 bars"):
        require_wins(dear, 5, "lightgbm")


def test_a_market_that_rises_and_falls_can_be_learned():
    require_sides(WALK, "lstm")
    require_wins(WALK, 5, "lightgbm")
    assert len(WALK) > 200
