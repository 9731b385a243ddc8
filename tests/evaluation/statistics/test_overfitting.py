from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.overfitting import overfitting_probability


def slow_logits(returns, blocks):
    """As the paper says it, half by half."""
    cuts = np.array_split(returns, blocks)
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([cuts[b] for b in chosen])
        outside = np.concatenate([cuts[b] for b in range(blocks) if b not in chosen])
        best = (inside.mean(axis=0) / inside.std(axis=0, ddof=1)).argmax()
        sharpes = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        share = (sharpes <= sharpes[best]).sum() / (returns.shape[1] + 1)
        yield math.log(share / (1 - share))


def test_sums_of_blocks_say_what_the_paper_says(monkeypatch):
    returns = 0.003 + np.random.default_rng(0).normal(0.0, 0.01, (203, 7))
    found = overfitting_probability(returns, 6)
    expected = np.array(list(slow_logits(returns, 6)))
    assert found.combinations == 20
    assert found.logits == pytest.approx(expected, abs=1e-12)
    assert found.probability == np.mean(expected <= 0)
    monkeypatch.setattr("dltrader.evaluation.statistics.overfitting.CHUNK_ELEMENTS", 15)
    assert np.array_equal(overfitting_probability(returns, 6).logits, found.logits)


def test_the_best_of_trials_without_any_mean_is_always_overfitted():
    returns = np.random.default_rng(0).standard_normal((1000, 100))
    found = overfitting_probability(returns - returns.mean(axis=0), 10)
    assert found.probability == 1.0
    assert found.loss_probability == 1.0
    assert found.slope == pytest.approx(-1.0, abs=0.1)
    assert found.combinations == 252


def test_a_trial_that_is_good_everywhere_is_not_overfitted():
    returns = np.random.default_rng(0).normal(0.0, 0.01, (500, 20))
    returns[:, 3] += 0.005
    found = overfitting_probability(returns)
    assert found.probability == 0.0
    assert found.loss_probability == 0.0
    assert found.logits.min() == pytest.approx(math.log(20.0))


def test_equals_share_their_rank():
    trial = np.random.default_rng(0).normal(0.0, 0.01, (100, 1))
    assert overfitting_probability(np.repeat(trial, 3, axis=1), 4).logits == pytest.approx(np.zeros(6))


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.zeros((100, 1)), "at least 2 trials are needed, one column each"),
        (np.ones((19, 3)), "19 returns; at least 20 are needed for 10 blocks"),
        (np.full((100, 3), np.nan), "300 of 300 returns are not finite"),
        (np.zeros((100, 3)), "3 of 3 trials never vary; leave them out"),
    ],
)
def test_what_cannot_be_judged_says_why(returns, why):
    found = overfitting_probability(returns)
    assert math.isnan(found.probability)
    assert found.why == why


@pytest.mark.parametrize("blocks", [0, 7, 22])
def test_odd_and_too_many_blocks_are_refused(blocks):
    with pytest.raises(ConfigError, match=f"blocks must be an even number from 2 to 20, was {blocks}"):
        overfitting_probability(np.ones((100, 3)), blocks)
