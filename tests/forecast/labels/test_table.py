from __future__ import annotations

import numpy as np
import pytest

from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError
from dltrader.evaluation.leaks import Plan, check_labels
from dltrader.forecast.labels import RULES, LabelsConfig, label_table, longest_horizon, win
from market_bars import random_walk

COSTS = Costs(commission=0.001, slippage=0.0005)
BARS = random_walk(300, 4)
PLAN = Plan(cuts=8)


def test_a_table_has_a_row_a_bar_and_a_column_a_label():
    table = label_table(BARS, LabelsConfig(horizon_bars=3), COSTS, horizons=(5, 30, 5))
    assert list(table.columns) == ["side", "movement", "risk", "worst_long", "worst_short", "win_5", "win_30"]
    assert table.index.equals(BARS.index)
    assert table.isna().sum().to_dict() == dict.fromkeys(table.columns[:5], 3) | {"win_5": 5, "win_30": 30}
    np.testing.assert_array_equal(table["win_30"], win(BARS, 30, COSTS))


def test_a_buy_is_a_win_over_the_same_horizon():
    table = label_table(BARS, LabelsConfig(), COSTS, horizons=(5,)).dropna()
    assert ((table["side"] == 0) == (table["win_5"] == 1)).all()
    assert 0.3 < table["win_5"].mean() < 0.7


def test_labels_do_not_depend_on_the_unit_of_the_price():
    labels = LabelsConfig(rule="triple_barrier")
    scaled = BARS.assign(**{name: BARS[name] * 8 for name in ("open", "high", "low", "close")})
    one, other = (label_table(bars, labels, COSTS, horizons=(5,)) for bars in (BARS, scaled))
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("horizon", [1, 5])
def test_labels_tell_of_the_bars_up_to_their_horizon_and_of_no_later_one(rule, horizon):
    labels = LabelsConfig(horizon_bars=horizon, rule=rule)
    part = check_labels(lambda bars: label_table(bars, labels, COSTS, (horizon,)), BARS, horizon, plan=PLAN)
    assert part.findings == []


def test_a_label_that_stands_a_bar_too_early_is_found():
    def shifted(bars):
        return label_table(bars, LabelsConfig(), COSTS).shift(-1)

    part = check_labels(shifted, BARS, 5, plan=PLAN)
    assert {"movement", "risk"} <= {finding.feature for finding in part.findings}
    assert all("beyond its horizon of 5" in finding.reason for finding in part.findings if "beyond" in finding.reason)


def test_the_longest_horizon_is_that_of_side_or_of_wins():
    assert longest_horizon(LabelsConfig(horizon_bars=5)) == 5
    assert longest_horizon(LabelsConfig(horizon_bars=5), (3, 30)) == 30
    assert longest_horizon(LabelsConfig(horizon_bars=50), (3, 30)) == 50


def test_a_horizon_of_no_bar_is_refused():
    with pytest.raises(ConfigError, match="a horizon counts bars from 1 on, was 0"):
        label_table(BARS, LabelsConfig(), COSTS, horizons=(5, 0))
