from __future__ import annotations

import math

import pytest

from dltrader.evaluation.formats import (
    FORMATS,
    KINDS,
    LABELS,
    basis_points,
    compact,
    count,
    format_metric,
    label_of,
    money,
    percent,
    probability,
    ratio,
    short_percent,
    signed_percent,
)
from dltrader.evaluation.metrics import measure
from market_bars import random_walk

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("fraction", "signed", "words"),
    [
        (0.1234, False, "12.3%"),
        (0.1234, True, "+12.3%"),
        (-0.1234, True, "\u221212.3%"),
        (0.0, True, "+0.0%"),
        (12.5, False, "1,250%"),
        (9999.0, False, "999,900%"),
        (-1.7526e109, True, "\u22121.8e+111%"),
        (math.nan, True, "\u2013"),
        (math.inf, False, "∞"),
        (-math.inf, False, "\u2212∞"),
    ],
)
def test_fractions_are_printed_as_percent(fraction, signed, words):
    assert percent(fraction, signed=signed) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(123456.7, "123,457"), (12.345, "12.35"), (0.0, "0"), (-50.0, "\u221250.00"), (math.nan, "\u2013")],
)
def test_money_has_cents_only_when_small(value, words):
    assert money(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.234, "1.23"), (6.85e108, "6.8e+108"), (-0.5, "\u22120.50"), (math.inf, "∞"), (math.nan, "\u2013")],
)
def test_ratios_have_two_decimals(value, words):
    assert ratio(value) == words


@pytest.mark.parametrize(("value", "words"), [(1234.0, "1,234"), (0.0, "0"), (math.nan, "\u2013")])
def test_counts_have_none(value, words):
    assert count(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.25, "0.25"),
        (5000.0, "5,000"),
        (12500.0, "12.5k"),
        (-1.5e6, "\u22121.5M"),
        (2e9, "2B"),
        (3e12, "3T"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_numbers_on_an_axis_are_short(value, words):
    assert compact(value) == words


@pytest.mark.parametrize(("value", "words"), [(0.05, "5%"), (-0.025, "\u22122.5%"), (0.0, "0%")])
def test_percent_on_an_axis_is_short(value, words):
    assert short_percent(value) == words


@pytest.mark.parametrize(
    ("form", "value", "words"),
    [
        (percent, -1e-9, "0.0%"),
        (percent, 9.994, "999.4%"),
        (signed_percent, 0.05, "+5.0%"),
        (signed_percent, -1e-9, "+0.0%"),
        (ratio, -0.001, "0.00"),
        (probability, 0.9994, "99.9%"),
        (probability, 0.9996, ">99.9%"),
        (probability, 1.0, "100.0%"),
        (probability, 1e-6, "<0.1%"),
        (probability, 0.0, "0.0%"),
        (basis_points, 0.0005, "5 bp"),
        (basis_points, 0.00125, "12.5 bp"),
        (basis_points, -1e-9, "0 bp"),
    ],
)
def test_what_is_rounded_says_no_more_than_is_known(form, value, words):
    assert form(value) == words


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_number_shows_as_a_dash_or_a_sign(kind):
    assert FORMATS[kind](math.nan) == "\N{EN DASH}"
    assert FORMATS[kind](math.inf) == "\N{INFINITY}"
    assert FORMATS[kind](-math.inf) == f"{MINUS}\N{INFINITY}"


def test_a_metric_is_printed_as_its_kind():
    assert format_metric("max_drawdown", -0.5) == f"{MINUS}50.0%"
    assert format_metric("sharpe", 0.5) == "0.50"
    assert format_metric("trades", 1200.0) == "1,200"


def test_every_metric_has_a_heading_and_unknown_ones_are_put_in_words():
    frame = random_walk(20)
    empty = frame.iloc[:0].assign(size=[], price=[], commission=[], profit=[])
    metrics = measure(frame["close"], frame[["close"]] * 0, empty, empty, periods_per_year=252)
    assert set(metrics) <= set(LABELS)
    assert set(KINDS) <= set(LABELS)
    assert label_of("my_own_metric") == "My own metric"
