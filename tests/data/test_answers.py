import pytest

from dltrader.data.answers import key_from, line, refused
from dltrader.errors import SourceError


def test_no_form_of_a_key_is_left_in_a_line():
    text = "GET /?a=1&apikey=a%2Bb%2F%20c\nwith  a+b/ c, or a%2Bb%2F+c"
    assert line(text, ["a+b/ c"]) == "GET /?a=1&apikey=*** with ***, or ***"


def test_a_line_is_short():
    assert line("x" * 500) == "x" * 160 + " …"


def test_a_key_is_taken_without_the_blanks_around_it(monkeypatch):
    monkeypatch.setenv("SOME_KEY", " abc\n")
    assert key_from("SOME_KEY", "Somebody", "some.where") == "abc"
    monkeypatch.setenv("SOME_KEY", " ")
    with pytest.raises(SourceError, match=r"Somebody needs an API key and .* SOME_KEY is not set; get a key at some"):
        key_from("SOME_KEY", "Somebody", "some.where")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "(401: why); check A and B"),
        (403, "(403: why); check A and B"),
        (404, "no bars of X (404: why); check the symbol"),
        (422, "refuses the request for X (422: why)"),
        (429, "too many requests (429: why); wait"),
        (500, "out of order (500: why); try later"),
        (599, "out of order (599: why); try later"),
    ],
)
def test_every_status_says_what_to_do(status, words):
    assert words in str(refused("Somebody", "X", status, "why", ["A", "B"]))
    assert "why" not in str(refused("Somebody", "X", status, "", ["A", "B"]))
