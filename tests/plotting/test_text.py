from __future__ import annotations

import math

import pandas as pd
import pytest

from dltrader.plotting import text


@pytest.mark.parametrize(
    ("fraction", "signed", "words"),
    [
        (0.1234, False, "12.3%"),
        (0.1234, True, "+12.3%"),
        (-0.1234, True, "\u221212.3%"),
        (0.0, True, "+0.0%"),
        (12.5, False, "1,250%"),
        (math.nan, True, "\u2013"),
        (math.inf, False, "∞"),
        (-math.inf, False, "\u2212∞"),
    ],
)
def test_fractions_are_printed_as_percent(fraction, signed, words):
    assert text.percent(fraction, signed=signed) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(123456.7, "123,457"), (12.345, "12.35"), (0.0, "0"), (-50.0, "\u221250.00"), (math.nan, "\u2013")],
)
def test_money_has_cents_only_when_small(value, words):
    assert text.money(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.234, "1.23"), (-0.5, "\u22120.50"), (math.inf, "∞"), (math.nan, "\u2013")],
)
def test_ratios_have_two_decimals(value, words):
    assert text.ratio(value) == words


@pytest.mark.parametrize(("value", "words"), [(1234.0, "1,234"), (0.0, "0"), (math.nan, "\u2013")])
def test_counts_have_none(value, words):
    assert text.count(value) == words


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
    assert text.compact(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (527.4, "527"),
        (12.34, "12.3"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (5226.3, "5.2k"),
        (13512.0, "13.5k"),
        (99_960.0, "100k"),
        (426_402.0, "426k"),
        (999_700.0, "1.0M"),
        (4.21e6, "4.2M"),
        (2e9, "2.0B"),
    ],
)
def test_measured_sizes_are_read_at_a_glance(value, words):
    assert text.brief(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.23429, "0.234"), (0.4, "0.400"), (61.46, "61.5"), (99.97, "100"), (1234.5, "1,234")]
)
def test_three_digits_count(value, words):
    assert text.significant(value) == words


@pytest.mark.parametrize(
    ("size", "words"), [(626_642_944, "598 MiB"), (2**30 - 1, "1.0 GiB"), (1_181_116_006, "1.1 GiB")]
)
def test_memory_is_printed_in_the_unit_that_fits(size, words):
    assert text.memory(size) == words


@pytest.mark.parametrize(("value", "words"), [(0.05, "5%"), (-0.025, "\u22122.5%"), (0.0, "0%")])
def test_percent_on_an_axis_is_short(value, words):
    assert text.short_percent(value) == words


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], ""),
        (["A"], "A"),
        (["A", "B"], "A and B"),
        (list("ABCD"), "A, B, C and D"),
        (list("ABCDEFG"), "A, B, C and 4 more"),
    ],
)
def test_long_lists_of_names_are_counted(words, line):
    assert text.names(words) == line


def test_what_is_cut_shows_as_an_ellipsis():
    assert text.shorten("ppo", 5) == "ppo"
    assert text.shorten("ppo_attention", 5) == "ppo…"


@pytest.mark.parametrize(("number", "words"), [(0, "0 bars"), (1, "1 bar"), (1200, "1,200 bars")])
def test_nouns_agree_with_their_number(number, words):
    assert text.plural(number, "bar") == words


@pytest.mark.parametrize(
    ("start", "periods", "freq", "words"),
    [
        ("2000-01-03", 10, "D", "3 Jan 2000 \u2013 12 Jan 2000"),
        ("2000-01-03", 1, "D", "3 Jan 2000"),
        ("2000-01-03 09:00", 3, "h", "3 Jan 2000, 09:00 \u2013 3 Jan 2000, 11:00"),
        ("2000-01-03 09:00", 1000, "h", "3 Jan 2000 \u2013 14 Feb 2000"),
        ("2000-01-03", 0, "D", "no bars"),
    ],
)
def test_a_period_names_hours_only_where_they_matter(start, periods, freq, words):
    assert text.period(pd.date_range(start, periods=periods, freq=freq, tz="UTC")) == words
