"""Other bars: plausible, seeded, and in place of those only that are hidden."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.data import validate_bars
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from market_bars import random_walk

BARS = random_walk(100)
CLOCK = pd.DatetimeIndex(BARS.index)
ALTERED = Altered.of({"A": BARS}, CLOCK, seed=3)


@pytest.mark.parametrize("kind", KINDS)
def test_bars_up_to_a_row_stay_and_later_ones_are_other_valid_ones(kind):
    bars = ALTERED.after(59, kind)["A"]
    pd.testing.assert_frame_equal(bars.iloc[:60], BARS.iloc[:60])
    if kind == "removed":
        assert len(bars) == 60
        return
    pd.testing.assert_frame_equal(validate_bars(bars), bars, check_freq=False)
    assert (bars["close"].iloc[60:] != BARS["close"].iloc[60:]).all()
    assert np.abs(np.log(bars["close"] / BARS["close"])).max() < 0.6  # near enough for any feature to be computed
    assert len(ALTERED.after(59, kind, keep=5)["A"]) == 65


def test_a_close_stands_elsewhere_in_its_range_and_the_rest_of_its_bar_stays():
    bars = ALTERED.close_of(59, "scaled")["A"]
    pd.testing.assert_frame_equal(bars.iloc[:59], BARS.iloc[:59])
    columns = ["open", "high", "low", "volume"]
    pd.testing.assert_series_equal(bars[columns].iloc[59], BARS[columns].iloc[59])
    assert bars["close"].iloc[59] in {bars["high"].iloc[59], bars["low"].iloc[59]}
    assert bars["close"].iloc[59] != BARS["close"].iloc[59]


@pytest.mark.parametrize("offset", [0, 3, 11])
def test_a_comb_leaves_blocks_whose_last_rows_are_told(offset):
    frames, rows = ALTERED.comb(offset, memory=8, gap=4, kind="scaled")
    same = (frames["A"] == BARS).all(axis=1).to_numpy()
    assert rows.tolist() == list(range(offset, 100, 12))
    for row in rows:
        assert same[max(row - 7, 0) : row + 1].all()
        assert not same[row + 1 : row + 5].any()


def test_every_row_is_the_last_of_a_block_once():
    rows = np.concatenate([ALTERED.comb(offset, 8, 4, "scaled")[1] for offset in range(12)])
    assert sorted(rows.tolist()) == list(range(100))


def test_the_same_seed_gives_the_same_bars_and_another_gives_others():
    again, other = Altered.of({"A": BARS}, CLOCK, seed=3), Altered.of({"A": BARS}, CLOCK, seed=4)
    pd.testing.assert_frame_equal(again.after(10, "replaced")["A"], ALTERED.after(10, "replaced")["A"])
    assert not other.after(10, "replaced")["A"].equals(ALTERED.after(10, "replaced")["A"])


def test_bars_of_another_interval_go_with_the_next_bar_of_the_clock():
    hourly = random_walk(100).set_axis(pd.date_range("2001-01-01 06:00", periods=100, freq="D", tz="UTC"))
    bars = Altered.of({"A": BARS, "B": hourly}, CLOCK).after(10, "removed")["B"]
    assert bars.index[-1] == CLOCK[9] + pd.Timedelta(hours=6)  # that of six o'clock later is not known at midnight
