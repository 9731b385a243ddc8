"""Every forecaster that is registered is put through this, so that a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dltrader.errors import BarsError, ConfigError
from dltrader.forecast.forecasters import FORECASTERS
from planted_samples import cut, planted

TINY = {
    "lstm": {"window_bars": 3, "epochs": 2, "encoder": {"name": "gru", "hidden": 4}},
    "lightgbm": {"window_bars": 3, "rounds": 15, "horizons": [5], "leaf_samples": 20},
}
ENDED = {"lstm": 1, "lightgbm": 1}
"""The epoch after which a training is ended and gone on with."""


@pytest.fixture(scope="module", params=list(FORECASTERS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def config(name):
    return FORECASTERS[name].from_mapping({"name": name} | TINY.get(name, {}))


@pytest.fixture(scope="module")
def parts():
    samples, _ = planted(500, 0.7)
    return cut(samples, 350)


@pytest.fixture(scope="module")
def fitted(config, parts):
    return config.fit(*parts, horizon_bars=5, seed=3)


def the_same(first, second):
    """Whether two forecasters' votes are equal to the bit."""
    assert list(first) == list(second)
    for model, vote in first.items():
        for part in ("probabilities", "win", "movement", "risk"):
            one, other = getattr(vote, part), getattr(second[model], part)
            assert (one is None) == (other is None)
            np.testing.assert_array_equal(one, other)


def test_votes_are_probabilities_with_a_horizon(fitted, config, parts):
    windows = parts[1].windows(config.window_bars)
    for vote in fitted.votes(windows).values():
        assert vote.probabilities.shape == (150, 3)
        assert vote.probabilities.min() > 0
        assert vote.probabilities.sum(axis=1) == pytest.approx(np.ones(150), abs=1e-6)
        assert vote.horizon_bars == 5
        assert vote.value is None
        assert (vote.win is not None) == config.learns_wins
        for told in (vote.win, vote.movement, vote.risk):
            assert told is None or (told.shape == (150,) and np.isfinite(told).all())
        assert vote.win is None or (vote.win.min() > 0 and vote.win.max() < 1)
        assert vote.risk is None or vote.risk.min() > 0


def test_a_window_is_answered_alike_whatever_is_asked_beside_it(fitted, config, parts):
    windows = parts[1].windows(config.window_bars)[:20]
    together = fitted.votes(windows)
    for row in range(20):
        for model, vote in fitted.votes(windows[row : row + 1]).items():
            assert vote.probabilities[0] == pytest.approx(together[model].probabilities[row], abs=1e-6)


def test_the_same_training_comes_to_the_same_and_leaves_samples_and_generators_alone(fitted, config, parts):
    before = [part.features.copy() for part in parts]
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    again = config.fit(*parts, horizon_bars=5, seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    for part, features in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.features, features)
    windows = parts[1].windows(config.window_bars)
    the_same(again.votes(windows), fitted.votes(windows))


def test_it_comes_back_from_its_files_to_the_bit(fitted, config, parts, tmp_path):
    fitted.save(tmp_path)
    windows = parts[1].windows(config.window_bars)
    the_same(config.load(tmp_path, 3).votes(windows), fitted.votes(windows))


def test_it_goes_on_from_a_state_to_the_bit(name, fitted, config, parts):
    kept = {}

    def end(epoch):
        if epoch.number == ENDED[name] and epoch.state is not None:
            kept.update(epoch.state())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config.fit(*parts, horizon_bars=5, seed=3, on_epoch=end)
    windows = parts[1].windows(config.window_bars)
    again = config.fit(*parts, horizon_bars=5, seed=3, state=kept)
    the_same(again.votes(windows), fitted.votes(windows))


def test_epochs_are_counted_from_one_and_have_a_validation_loss(config, parts):
    told = []
    config.fit(*parts, horizon_bars=5, seed=3, on_epoch=told.append)
    assert [epoch.number for epoch in told] == list(range(1, len(told) + 1))
    assert all(len(told) <= epoch.total for epoch in told)
    assert all(np.isfinite(epoch.losses["validation"]) for epoch in told)


def test_it_does_not_see_what_lies_beyond_its_window(fitted, config, parts):
    """The features of all bars after a sample's are made up: its vote stays."""
    (validation,) = parts[1:]
    last = validation.rows[40]
    features = validation.features.copy()
    features[last + 1 :] = 1e3
    features[: last + 1 - config.window_bars] = -1e3
    elsewhere = replace(validation, features=features).windows(config.window_bars, slice(40, 41))
    the_same(fitted.votes(elsewhere), fitted.votes(validation.windows(config.window_bars, slice(40, 41))))


def test_too_few_samples_and_single_classes_are_refused(config, parts):
    train, validation = parts
    few = train.take(slice(0, config.least_samples - 1))
    with pytest.raises(
        BarsError, match=f"has {len(few)} rows to learn from, and needs at least {config.least_samples}"
    ):
        config.fit(few, validation, horizon_bars=5, seed=0)
    alike = replace(train, side=np.zeros_like(train.side), wins={5: np.ones_like(train.side)})
    with pytest.raises(BarsError, match="one label only to learn: all 350 rows"):
        config.fit(alike, validation, horizon_bars=5, seed=0)


def test_it_comes_back_from_plain_values(config):
    assert type(config).from_mapping(config.to_mapping()) == config


def test_what_learns_no_wins_takes_no_horizons(name, config):
    if config.learns_wins:
        assert config.horizons == (5,)
        return
    with pytest.raises(ConfigError, match=r"horizons are \[5\], and \w+ learns no wins"):
        FORECASTERS[name].from_mapping({"name": name, "horizons": [5]})
