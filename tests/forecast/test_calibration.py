"""Temperatures: what is found, where it leads, and that it does no harm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.errors import BundleError
from dltrader.forecast.calibration import COLDEST, HOTTEST, Temperature, logits_of
from dltrader.forecast.scores import calibration_error, log_loss

BASE = (0.25, 0.15, 0.6)


def drawn(logits, seed=0):
    """Classes that come as often as the logits say."""
    said = Temperature().probabilities(logits)
    return (np.random.default_rng(seed).uniform(size=(len(said), 1)) > said.cumsum(axis=1)).sum(axis=1)


def logits(n=20_000, classes=3, seed=1):
    return np.log(BASE[:classes]) + np.random.default_rng(seed).standard_normal((n, classes))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("base", [None, BASE])
def test_it_finds_how_much_too_sure_somebody_was(temperature, base):
    true = logits()
    centre = 0.0 if base is None else np.log(base)
    said = centre + temperature * (true - centre)
    found = Temperature.fit(said, drawn(true), base=base)
    assert found.value == pytest.approx(temperature, rel=0.05)
    assert found.probabilities(said) == pytest.approx(Temperature().probabilities(true), abs=0.02)


def test_calibration_brings_the_error_down():
    true = logits()
    before, after = slice(0, 10_000), slice(10_000, None)
    said, came = 3.0 * true, drawn(true)
    found = Temperature.fit(said[before], came[before])
    assert calibration_error(Temperature().probabilities(said[after]), came[after]) > 0.1
    assert calibration_error(found.probabilities(said[after]), came[after]) < 0.015


def test_who_knows_nothing_is_left_with_the_base_rates():
    said = np.log(BASE) + 3.0 * np.random.default_rng(2).standard_normal((5000, 3))
    came = np.random.default_rng(3).choice(3, size=5000, p=BASE)
    found = Temperature.fit(said, came, base=BASE)
    assert np.abs(found.probabilities(said) - BASE).max() < 0.06
    assert found.probabilities(said).mean(axis=0) == pytest.approx(BASE, abs=0.005)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.0, 20.0))
@settings(max_examples=60, deadline=None)
def test_on_the_bars_it_is_fitted_on_it_is_never_worse_than_none(seed, n, spread):
    generator = np.random.default_rng(seed)
    said, came = spread * generator.standard_normal((n, 3)), generator.integers(3, size=n)
    for base in (None, BASE):
        found = Temperature.fit(said, came, base=base)
        assert 1 / HOTTEST <= 1 / found.value <= 1 / COLDEST
        fitted = log_loss(found.probabilities(said), came)
        # 1e-15 is the least that a score takes a probability for: below it more sureness costs nothing more.
        assert fitted <= log_loss(Temperature(1.0, base).probabilities(said), came) + 1e-9 or fitted > 10


def test_a_few_bars_that_went_well_make_nobody_sure():
    said, came = np.tile([0.5, 0.0, 0.0], (5, 1)), np.zeros(5, dtype=int)
    assert 0.7 < Temperature.fit(said, came).value < 1.0


def test_of_nothing_it_changes_nothing():
    assert Temperature.fit(np.empty((0, 3)), np.empty(0, dtype=int)) == Temperature(1.0)
    said = np.array([[0.7, 0.2, 0.1]])
    assert Temperature().of_probabilities(said) == pytest.approx(said)
    assert Temperature(1.0, BASE).of_probabilities(said) == pytest.approx(said)


def test_of_two_classes_the_probability_of_one_is_enough():
    win = np.array([0.9, 0.5, 0.2])
    found = Temperature(2.0).of_probabilities(win)
    assert found == pytest.approx(np.sqrt(win) / (np.sqrt(win) + np.sqrt(1 - win)))
    assert Temperature(2.0).of_probabilities(np.column_stack([1 - win, win]))[:, 1] == pytest.approx(found)


def test_certainty_stays_a_number():
    assert np.isfinite(logits_of(np.array([0.0, 1.0]))).all()
    said = Temperature(0.05).probabilities(np.array([[800.0, -800.0, 0.0]]))
    assert said.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("base", [None, BASE])
def test_it_survives_json(base):
    found = Temperature(1.7, base)
    assert Temperature.from_mapping(found.to_mapping()) == found


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"value": "hot", "base": None},
        {"value": 0.0, "base": None},
        {"value": float("nan"), "base": None},
        {"value": 1.0, "base": [0.5, -0.5]},
        {"value": 1.0, "base": 3},
    ],
)
def test_what_is_no_temperature_is_refused(values):
    with pytest.raises(BundleError, match="temperature"):
        Temperature.from_mapping(values)
