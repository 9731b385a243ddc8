from __future__ import annotations

import math

import pytest

from dltrader.reports.numbers import Book, Moment, Name, Number, read_number

MINUS = "\N{MINUS SIGN}"


def test_a_number_is_marked_with_its_value_and_its_key():
    number = Book().number("a.b", 0.1 + 0.2, "percent")
    assert number.__html__() == '<data value="0.30000000000000004" data-key="a.b">30.0%</data>'
    assert str(number) == "30.0%"


def test_the_book_keeps_what_it_gave():
    book = Book()
    book.number("a", 1.5)
    book.metric("x", "max_drawdown", -0.25)
    book.number("nothing", None)
    book.interval("i", 0.1, 0.2, "percent")
    assert list(book.numbers) == ["a", "x.max_drawdown", "nothing", "i.low", "i.high"]
    assert book.numbers["x.max_drawdown"] == -0.25
    assert math.isnan(book.numbers["nothing"])


def test_one_key_is_one_number():
    book = Book()
    book.number("a", 1.0)
    book.number("a", 1.0, "percent")
    book.number("b", None)
    book.number("b", math.nan)
    with pytest.raises(AssertionError, match="two numbers are called a"):
        book.number("a", 2.0)


def test_what_is_unknown_has_no_value():
    assert Book().number("a", None).__html__() == '<data value="" data-key="a">\N{EN DASH}</data>'
    assert Book().interval("a", None, 0.2) == ()


def test_numbers_in_a_sentence_are_marked_as_they_are_printed():
    book = Book()
    text = f"from {MINUS}1.5% to +12 % on 1,234 bars, 3 of 10, since 2020-01-31 (Hansen 2005)."
    words = book.sentence("s", text)
    assert "".join(str(word) for word in words) == text
    assert [word.value for word in words if isinstance(word, Number)] == [-0.015, 0.12, 1234.0, 3.0, 10.0]
    assert [word.text for word in words if isinstance(word, Moment)] == ["2020-01-31", "2005"]
    assert book.numbers["s.2"] == 1234.0


@pytest.mark.parametrize("text", ["sha256 of ppo2 and a_1", "no number", ""])
def test_digits_within_a_name_are_no_number(text):
    assert [word for word in Book().sentence("s", text) if isinstance(word, Number)] == []


@pytest.mark.parametrize(
    ("text", "value"), [("12.3 %", 0.123), ("0.1%", 0.001), (f"{MINUS}1,234.5", -1234.5), ("+7", 7.0), ("1e-3", 0.001)]
)
def test_a_printed_number_is_read_without_rounding(text, value):
    assert read_number(text) == value


def test_names_and_keys_are_escaped():
    assert Name("<b>&").__html__() == '<bdi class="name">&lt;b&gt;&amp;</bdi>'
    assert 'data-key="&quot;&gt;"' in Book().number('">', 1.0).__html__()


def test_a_moment_shows_its_hours_only_where_it_has_some():
    assert Moment.of("2020-01-02").text == "2020-01-02"
    assert Moment.of("2020-01-02 14:30:00+00:00").text == "2020-01-02 14:30"
