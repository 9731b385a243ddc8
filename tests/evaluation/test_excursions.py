from __future__ import annotations

import math

import pandas as pd
import pytest

from dltrader.evaluation.excursions import excursions, typical_excursions
from dltrader.evaluation.trades import TRADE_COLUMNS
from market_bars import bars_of

BARS = bars_of(
    opened=[100, 100, 110, 90, 105],
    high=[101, 112, 115, 106, 130],
    low=[99, 98, 88, 85, 70],
    close=[100, 110, 90, 105, 100],
)


def trades(*rows):
    columns = ["side", "opened_at", "closed_at", "entry_price", "exit_price", "return_"]
    frame = pd.DataFrame(rows, columns=columns).assign(instrument="A", bars=1, size=1.0, commission=0.0, profit=0.0)
    for name in ("opened_at", "closed_at"):
        frame[name] = BARS.index[frame[name].astype(int)]
    return frame[list(TRADE_COLUMNS)]


def test_a_long_trade_sees_lows_and_highs_until_the_bar_it_is_closed_on():
    found = excursions(trades(("long", 1, 4, 100.0, 105.0, 0.05)), {"A": BARS})
    # The last bar's low of 70 and high of 130 come after the fill at its open.
    assert found.iloc[0].tolist() == pytest.approx([85 / 100 - 1, 115 / 100 - 1, 0.05])


def test_a_short_trade_loses_where_the_price_rises():
    found = excursions(trades(("short", 1, 4, 100.0, 105.0, -0.05)), {"A": BARS})
    assert found.iloc[0].tolist() == pytest.approx([1 - 1.15, 1 - 0.85, -0.05])


def test_the_price_it_left_at_counts():
    found = excursions(trades(("long", 1, 2, 100.0, 60.0, -0.4)), {"A": BARS})
    assert found.iloc[0].tolist() == pytest.approx([-0.4, 0.12, -0.4])


def test_excursions_never_cross_the_entry():
    rising = bars_of([100, 101, 102], [101, 102, 103], [100.5, 101, 102], [101, 102, 103])
    found = excursions(trades(("long", 0, 2, 100.0, 102.0, 0.02)), {"A": rising})
    assert found.iloc[0].tolist() == pytest.approx([0.0, 0.02, 0.02])
    short = excursions(trades(("short", 0, 2, 100.0, 102.0, -0.02)), {"A": rising})
    assert short.iloc[0].tolist() == pytest.approx([-0.02, 0.0, -0.02])


def test_a_trade_within_a_bar_knows_its_own_prices_only():
    found = excursions(trades(("long", 1, 1, 100.0, 98.0, -0.02)), {"A": BARS})
    assert found.iloc[0].tolist() == pytest.approx([-0.02, 0.0, -0.02])


def test_typical_excursions_are_medians_of_the_won_and_the_lost():
    moves = pd.DataFrame({"adverse": [-0.1, -0.3, -0.2], "favourable": [0.2, 0.4, 0.0], "return_": [0.1, 0.3, -0.2]})
    found = typical_excursions(moves)
    assert found.loc["won"].tolist() == pytest.approx([2, -0.2, 0.3, 0.2])
    assert found.loc["lost"].tolist() == pytest.approx([1, -0.2, 0.0, -0.2])
    assert found.loc["all", "trades"] == 3


def test_without_trades_there_is_nothing_typical():
    found = typical_excursions(excursions(trades(), {"A": BARS}))
    assert found["trades"].tolist() == [0, 0, 0]
    assert math.isnan(found.loc["won", "adverse"])
