from __future__ import annotations

import numpy as np
import pytest

from dltrader.benchmarks.forecasts.tasks import AR1Task, ShuffledTask, SineTask
from dltrader.benchmarks.forecasts.trials import breakeven
from dltrader.benchmarks.planted.bars import Moves
from dltrader.data import load_bars
from dltrader.envs.contract import Costs
from dltrader.forecast.labels import LabelsConfig, label_table
from dltrader.forecast.vote import BUY, HOLD, SELL

KNOWN = [AR1Task(bars=20_000), SineTask(bars=20_000)]
HORIZONS = (1, 5, 30)


def forward_returns(bars, horizon):
    opened, closed = np.log(bars[["open", "close"]].to_numpy()).T
    return closed[horizon:] - opened[1 : len(opened) - horizon + 1]


@pytest.mark.parametrize("task", KNOWN)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_what_the_law_leaves_open_is_standard_normal(task, horizon):
    made = task.make(1)
    law = made.law(horizon)
    left = (forward_returns(made.bars, horizon) - law.expected[:-horizon]) / law.deviation
    apart = left[::horizon]  # these do not overlap
    assert abs(apart.mean()) < 4 / np.sqrt(len(apart))
    assert apart.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(apart)))
    below = np.array([(apart < z).mean() for z in (-1.0, 0.0, 1.0)])
    assert below == pytest.approx([0.1587, 0.5, 0.8413], abs=2 / np.sqrt(len(apart)))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_older_returns_and_volumes_tell_of_nothing_more(horizon):
    made = AR1Task(bars=20_000).make(1)
    left = forward_returns(made.bars, horizon) - made.law(horizon).expected[:-horizon]
    body, volume = np.log(made.bars["close"] / made.bars["open"]).to_numpy(), made.bars["volume"].to_numpy()
    for seen in (body[:-horizon], np.roll(body, 1)[:-horizon], np.roll(body, 4)[:-horizon], volume[:-horizon]):
        assert abs(np.corrcoef(seen[10::horizon], left[10::horizon])[0, 1]) < 4 / np.sqrt(len(left) / horizon)


@pytest.mark.parametrize(
    ("task", "costs"),
    [
        (KNOWN[0], Costs()),
        (KNOWN[0], Costs(commission=0.0, slippage=0.0)),
        (KNOWN[1], Costs(commission=0.0015, slippage=0.0)),
    ],
)
def test_the_breakeven_is_that_of_the_labels(task, costs):
    bars = task.make(2).bars
    table = label_table(bars, LabelsConfig(horizon_bars=5), costs, HORIZONS)
    limit = breakeven(costs)
    forward = forward_returns(bars, 5)
    sides = np.where(forward > limit, BUY, np.where(forward < -limit, SELL, HOLD))
    assert table["side"].to_numpy()[:-5].tolist() == sides.tolist()
    for horizon in HORIZONS:
        won = forward_returns(bars, horizon) > limit
        assert table[f"win_{horizon}"].to_numpy()[:-horizon].tolist() == won.tolist()


@pytest.mark.parametrize("task", KNOWN)
def test_log_loss_of_the_law_is_near_what_was_computed(task):
    made = task.make(3)
    law, limit = made.law(5), 0.003
    forward = forward_returns(made.bars, 5)
    came = np.where(forward > limit, BUY, np.where(forward < -limit, SELL, HOLD))
    losses = -np.log(law.sides(limit)[np.arange(len(came)), came])
    assert losses.mean() == pytest.approx(law.best_side_loss(limit), abs=0.02)
    assert np.log(law.side_rates(limit))[came].mean() == pytest.approx(-law.base_side_loss(limit), abs=0.03)


def test_ar1_bars_have_the_moments_that_they_are_asked_for():
    bars = AR1Task(bars=50_000, persistence=0.6, volatility=0.01).make(0).bars
    body = np.log(bars["close"] / bars["open"]).to_numpy()
    assert body.std() == pytest.approx(0.01, rel=0.02)
    assert np.corrcoef(body[1:], body[:-1])[0, 1] == pytest.approx(0.6, abs=0.02)
    assert np.allclose(bars["open"].to_numpy()[1:], bars["close"].to_numpy()[:-1], rtol=1e-12)
    assert (bars["high"] > 1.0019 * bars[["open", "close"]].max(axis=1)).all()


@pytest.mark.parametrize("task", [*KNOWN, ShuffledTask()])
def test_a_seed_makes_its_bars(task):
    assert task.make(5).bars.equals(task.make(5).bars)
    assert not task.make(5).bars.equals(task.make(6).bars)


def test_shuffled_bars_are_the_same_moves_in_another_order():
    made, real = ShuffledTask(bars="sample:IBM").make(4), load_bars("sample:IBM")
    assert made.law is None
    assert made.bars.index.equals(real.index)
    moves, were = Moves.of(made.bars), Moves.of(real)
    assert np.sort(moves.body) == pytest.approx(np.sort(were.body), abs=1e-9)
    assert not np.allclose(moves.body, were.body)
    size, was = np.abs(moves.body), np.abs(were.body)
    error = 1 / np.sqrt(len(size))
    assert abs(np.corrcoef(size[1:], size[:-1])[0, 1]) < 4 * error < np.corrcoef(was[1:], was[:-1])[0, 1]
