from __future__ import annotations

import pandas as pd
import pytest

from dltrader.plotting import text


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
