from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer

from dltrader.agents.bars import BarSpace, to_bars, to_numbers
from dltrader.agents.rollouts import DISTINCT, BarRolloutBuffer, grouped

SPACE = spaces.Dict(
    {
        "market": BarSpace(np.zeros((9_000, 1), np.float32), spaces.Box(-1, 1, (2, 1), np.float32)),
        "account": spaces.Box(-1e9, 1e9, (1,), np.float32),
    }
)


def filled(bars, kind=BarRolloutBuffer):
    """A buffer of (steps, lanes) bars; every sample's account, action and value is its number."""
    steps, lanes = bars.shape
    buffer = kind(steps, SPACE, spaces.Discrete(10**7), n_envs=lanes, device="cpu")
    numbers = np.arange(steps * lanes).reshape(steps, lanes)
    for step in range(steps):
        buffer.add(
            {"market": to_numbers(bars[step]), "account": numbers[step][:, None]},
            numbers[step],
            np.zeros(lanes),
            np.zeros(lanes),
            torch.as_tensor(numbers[step]).float(),
            torch.zeros(lanes),
        )
    return buffer


def epoch(buffer, batch_size):
    """The bars and the numbers of every minibatch."""
    batches = list(buffer.get(batch_size))
    for batch in batches:
        assert batch.observations["account"].flatten().tolist() == batch.old_values.tolist()
        assert batch.observations["account"].flatten().tolist() == batch.actions.flatten().tolist()
    return [(to_bars(batch.observations["market"]).numpy(), batch.old_values.numpy().astype(int)) for batch in batches]


def random_lanes(steps=64, lanes=128, n_bars=2_000, seed=0):
    first = np.random.default_rng(seed).integers(1, n_bars, lanes)
    return first + np.arange(steps)[:, None]


@pytest.mark.parametrize("batch_size", [None, 1, 100, 256, 512, 1_000, 2_048, 8_192, 20_000])
def test_every_sample_comes_once_an_epoch_with_its_own_bar(batch_size):
    bars = random_lanes()
    buffer = filled(bars)
    for _ in range(2):
        found = epoch(buffer, batch_size)
        numbers = np.concatenate([numbers for _, numbers in found])
        np.testing.assert_array_equal(np.sort(numbers), np.arange(bars.size))
        np.testing.assert_array_equal(np.concatenate([bars for bars, _ in found]), bars.ravel()[numbers])
        sizes = [len(numbers) for _, numbers in found]
        assert set(sizes[:-1]) <= {batch_size}


def test_epochs_differ_and_a_seed_repeats_them():
    orders = []
    for seed in (1, 1, 2):
        np.random.seed(seed)  # noqa: NPY002 - the generator of Stable-Baselines3
        buffer = filled(random_lanes())
        orders.append([np.concatenate([numbers for _, numbers in epoch(buffer, 1_024)]).tolist() for _ in range(2)])
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0][0] != orders[0][1]


@pytest.mark.parametrize("batch_size", [64, 256, 511])
def test_small_minibatches_are_those_of_stable_baselines(batch_size):
    epochs = []
    for kind in (BarRolloutBuffer, DictRolloutBuffer):
        np.random.seed(0)  # noqa: NPY002 - as above
        epochs.append([numbers.tolist() for _, numbers in epoch(filled(random_lanes(), kind), batch_size)])
    assert epochs[0] == epochs[1]


@pytest.mark.parametrize("batch_size", [512, 1_024, 2_048, 4_096])
@pytest.mark.parametrize(
    "bars",
    [
        random_lanes(),
        np.repeat(np.arange(1, 257)[:, None], 64, axis=1),  # all lanes on the same bar, as without random starts
        np.repeat(np.arange(1, 513)[:, None], 128, axis=1),
        np.arange(1, 8_193).reshape(64, 128),  # no bar twice
    ],
    ids=["random starts", "256 bars", "512 bars", "all bars"],
)
def test_a_minibatch_holds_enough_bars(bars, batch_size):
    found = [len(np.unique(found)) for found, _ in epoch(filled(bars), batch_size)]
    assert min(found) >= DISTINCT


def test_minibatches_of_random_lanes_encode_half_the_windows():
    bars = random_lanes(lanes=256, n_bars=2_468)
    plain, found = (
        sum(len(np.unique(bars)) for bars, _ in epoch(filled(bars, kind), 4_096))
        for kind in (DictRolloutBuffer, BarRolloutBuffer)
    )
    assert found < 0.5 * plain


def test_fewer_bars_than_that_are_in_every_minibatch():
    for found, _ in epoch(filled(np.repeat(np.arange(1, 33)[:, None], 64, axis=1)), 512):
        assert len(np.unique(found)) == 32


def test_samples_of_a_bar_stand_in_groups():
    bars = np.repeat([7, 8, 9], [10, 3, 8])
    order = grouped(bars, 4)
    runs = np.split(bars[order], np.flatnonzero(np.diff(bars[order])) + 1)
    # Groups of one bar may meet: then a run is of several.
    assert sorted(order.tolist()) == list(range(21))
    assert all(len(run) in {3, 4, 8, 2, 6, 10} for run in runs)
    assert {bar: sum(len(run) for run in runs if run[0] == bar) for bar in (7, 8, 9)} == {7: 10, 8: 3, 9: 8}


def test_any_two_samples_may_come_in_any_order():
    np.random.seed(0)  # noqa: NPY002 - as above
    bars = np.repeat([7, 8], 4)
    firsts = {int(grouped(bars, 2)[0]) for _ in range(200)}
    assert firsts == set(range(8))
