from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.benchmarks.planted.bars import Moves, block_shuffled, fair, planted, tossed
from dltrader.errors import BarsError, ConfigError
from dltrader.features.indicators.returns import gap
from market_bars import bars_of, random_walk


def generator(seed=0):
    return np.random.default_rng(seed)


def rows(moves):
    """A row a bar, in an order of their own."""
    table = np.column_stack([moves.gap, moves.high, moves.low, moves.body, moves.volume])
    return table[np.lexsort(table.T)]


def test_moves_lead_back_to_the_bars_they_were_taken_from():
    bars = random_walk(200)
    again = Moves.of(bars).after(bars.iloc[:1], bars.index)
    pd.testing.assert_frame_equal(again, bars, rtol=1e-12, check_freq=False)
    assert len(Moves.of(bars)) == 199


@pytest.mark.parametrize("block_bars", [1, 7, 40])
def test_a_shuffle_keeps_every_bar_and_its_shape(block_bars):
    moves = Moves.of(random_walk(200))
    shuffled = block_shuffled(moves, block_bars, generator(1))
    np.testing.assert_array_equal(rows(shuffled), rows(moves))
    assert not np.array_equal(shuffled.body, moves.body)


def test_blocks_stay_together():
    moves = Moves.of(random_walk(201))  # 200 moves: 28 blocks of 7, and one of 4
    order = np.searchsorted(np.sort(moves.body), block_shuffled(moves, 7, generator()).body)
    place = np.empty(200, int)
    place[np.searchsorted(np.sort(moves.body), moves.body)] = np.arange(200)
    before = place[order]  # where each bar stood
    breaks = np.flatnonzero(np.diff(before) != 1) + 1
    assert {len(block) for block in np.split(before, breaks)} <= {4, 7, 14, 21, 28, 11, 18}
    assert all(block[0] % 7 == 0 for block in np.split(before, breaks))
    assert len(breaks) > 20


def test_a_toss_keeps_sizes_and_mirrors_whole_bars():
    moves = Moves.of(random_walk(500))
    turned = tossed(moves, generator())
    np.testing.assert_array_equal(np.abs(turned.gap), np.abs(moves.gap))
    np.testing.assert_array_equal(np.abs(turned.body), np.abs(moves.body))
    np.testing.assert_allclose(turned.high - turned.low, moves.high - moves.low, rtol=1e-12)
    mirrored = turned.body == -moves.body
    assert 200 < mirrored.sum() < 300
    np.testing.assert_array_equal(turned.high[mirrored], -moves.low[mirrored])
    np.testing.assert_array_equal(turned.high[~mirrored], moves.high[~mirrored])


def test_tossed_prices_are_a_martingale():
    size = 0.4  # so large that equal chances would raise the expected price by 8 %
    still = np.zeros(200_000)
    moves = Moves(gap=still + size, high=still + size, low=still, body=still + size, volume=still)
    turned = tossed(moves, generator())
    for move in (turned.gap, turned.body):
        assert np.mean(move > 0) == pytest.approx(1.0 / (1.0 + np.exp(size)), abs=0.004)
        assert np.exp(move).mean() == pytest.approx(1.0, abs=0.004)
    assert np.exp(turned.gap + turned.body).mean() == pytest.approx(1.0, abs=0.006)


def test_fair_bars_have_lost_the_drift_and_what_held_within_blocks():
    climbing = np.cumprod(np.full(4000, 1.01)) ** 0.5
    wave = climbing * np.exp(0.05 * np.sin(np.arange(4000) / 3.0))
    bars = bars_of(wave, wave * 1.02, wave * 0.98, wave)
    made = fair(bars, 20, generator(3))
    returns = np.diff(np.log(bars["close"])), np.diff(np.log(made["close"]))
    drift = [each.mean() / each.std() * np.sqrt(3999) for each in returns]
    assert drift[0] > 20
    assert abs(drift[1]) < 2.5
    kept = [np.corrcoef(each[1:], each[:-1])[0, 1] for each in returns]
    assert kept[0] > 0.9
    assert abs(kept[1]) < 0.04
    assert made.index.equals(bars.index)
    assert made["close"].iloc[0] == bars["close"].iloc[0]


def test_the_generator_decides():
    bars = random_walk(100)
    pd.testing.assert_frame_equal(fair(bars, 5, generator(4)), fair(bars, 5, generator(4)))
    assert not fair(bars, 5, generator(4)).equals(fair(bars, 5, generator(5)))


@pytest.mark.parametrize("strength", [0.05, 0.2, 0.6])
def test_what_was_planted_has_the_strength_that_was_asked_for(strength):
    made = planted(random_walk(20_000, volatility=0.001), strength, 20, generator(2))
    assert made.measured_strength() == pytest.approx(strength, abs=3 / np.sqrt(20_000))


def test_the_last_gap_tells_the_signal_and_nothing_later_does():
    made = planted(random_walk(3000), 0.3, 20, generator())
    shown = made.signal_of(gap(made.bars).to_numpy())
    np.testing.assert_allclose(shown[1:], made.signal[1:], atol=1e-12)
    assert np.std(made.signal[1:]) == pytest.approx(made.law.sd, rel=0.2)
    assert np.corrcoef(made.signal[2:], made.signal[1:-1])[0, 1] == pytest.approx(0.9, abs=0.03)
    # What is earned by the body of the next bar alone is noise.
    body = np.log(made.bars["close"] / made.bars["open"]).to_numpy()
    assert abs(np.corrcoef(made.signal[1:-1], body[2:])[0, 1]) < 0.05


def test_the_variance_given_the_signal_is_that_of_the_bars():
    made = planted(random_walk(20_000, volatility=0.001), 0.4, 20, generator())
    opened = np.log(made.bars["open"].to_numpy())
    surprise = opened[3:] - opened[2:-1] - made.signal[1:-2]
    assert np.var(surprise) == pytest.approx(made.variance, rel=0.04)


def test_a_crash_is_cut_to_what_a_short_position_survives():
    close = np.concatenate([np.full(50, 100.0), np.full(50, 20.0)])
    made = fair(bars_of(close, close * 1.001, close * 0.999, close), 5, generator())
    assert np.abs(np.diff(np.log(made["close"]))).max() == pytest.approx(0.25)


@pytest.mark.parametrize("strength", [0.0, -0.1, 0.81, float("nan")])
def test_strengths_that_cannot_be_are_refused(strength):
    with pytest.raises(ConfigError, match=r"a strength must be above 0 and below 0\.81, .* was "):
        planted(random_walk(100), strength, 5, generator())


def test_bars_and_blocks_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="block_bars must be from 1 to 98, fewer than there are moves, was 99"):
        fair(random_walk(100), 99, generator())
    with pytest.raises(ConfigError, match="was 0"):
        fair(random_walk(100), 0, generator())
    with pytest.raises(BarsError, match="2 bars are too few to be shuffled; at least 3 are needed"):
        fair(random_walk(2), 1, generator())
