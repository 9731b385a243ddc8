from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from gymnasium import spaces

from dltrader.agents.bars import BarSpace, names_bars, to_bars, to_numbers, windowed


def bar_space(n_bars=50, seed=0):
    features = np.random.default_rng(seed).normal(size=(n_bars, 3)).astype(np.float32)
    return BarSpace(features, spaces.Box(-5, 5, (4, 3), np.float32))


@pytest.mark.parametrize("first", [0, 4_095, 2**24 - 2, 2**24 + 1, 2**33 - 3])
def test_every_bar_survives_the_way_through_float32(first):
    bars = np.arange(first, first + 9_000)
    numbers = to_numbers(bars)
    assert (numbers.dtype, numbers.shape) == (np.float32, (9_000, 2))
    found = to_bars(torch.as_tensor(numbers).float())
    assert found.dtype == torch.int64
    np.testing.assert_array_equal(found.numpy(), bars)


def test_an_index_alone_would_not_survive():
    assert np.float32(2**24 + 1) == np.float32(2**24)


@pytest.mark.parametrize("n_bars", [4, 50, 4_096, 4_097, 10_000])
def test_all_bars_lie_in_the_space(n_bars):
    space = bar_space(n_bars)
    for bar in (3, n_bars // 2, n_bars - 1):
        assert to_numbers(bar) in space
    assert to_numbers(n_bars + 4_096) not in space


def test_samples_are_bars_that_end_a_window():
    space = bar_space(6)
    space.seed(0)
    drawn = {int(to_bars(torch.as_tensor(space.sample()))) for _ in range(60)}
    assert drawn == {3, 4, 5}


def test_the_matrix_lives_once_in_whatever_is_copied():
    space = spaces.Dict({"market": bar_space()})
    assert copy.deepcopy(space)["market"].features is space["market"].features


def test_spaces_of_the_same_bars_are_equal():
    space = bar_space()
    assert space == bar_space()
    assert pickle.loads(pickle.dumps(space)) == space
    assert space != bar_space(seed=1)
    assert space != BarSpace(space.features, spaces.Box(-5, 5, (5, 3), np.float32))
    assert space != spaces.Box(space.low, space.high, dtype=np.float32)


def test_it_says_what_it_is():
    assert repr(bar_space()) == "BarSpace(50 bars, window=Box(-5.0, 5.0, (4, 3), float32))"


def test_a_space_that_names_bars_becomes_one_that_shows_windows():
    account = spaces.Box(-1, 1, (2,), np.float32)
    named = spaces.Dict({"market": bar_space(), "account": account})
    shown = spaces.Dict({"market": spaces.Box(-5, 5, (4, 3), np.float32), "account": account})
    assert (names_bars(named), names_bars(shown), names_bars(account)) == (True, False, False)
    assert windowed(named) == windowed(shown) == shown
