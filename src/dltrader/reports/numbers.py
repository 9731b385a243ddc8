"""The numbers of a report: each has a key, is printed in one way, and stands in metrics.json.

Nothing prints a number by itself: it asks the book, which keeps what it gave. The page, its Markdown twin and
metrics.json therefore cannot disagree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from dltrader.evaluation.formats import FORMATS, kind_of

_TOKEN = re.compile(
    r"(?P<date>(?<![\w.])\d{4}-\d{2}-\d{2}(?!\w))"
    r"|(?P<year>(?<![\w.,])(?:19|20)\d{2}(?![\w%]|\.\d|,\d|\s?%))"
    r"|(?P<number>(?<![\w.])[+\-\N{MINUS SIGN}]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?:\s?%)?(?!\w))"
)


@dataclass(frozen=True)
class Number:
    """A number as it is printed.

    Attributes:
        key: Its name in metrics.json, words joined by dots.
        value: What it is, fractions not percent; nan where it is undefined.
        text: How it is printed.
    """

    key: str
    value: float
    text: str

    def __html__(self) -> str:
        """Marked, so that it can be compared with metrics.json."""
        value = repr(self.value) if math.isfinite(self.value) else ""
        return f'<data value="{value}" data-key="{escape(self.key)}">{escape(self.text)}</data>'

    def __str__(self) -> str:
        """As it is printed."""
        return self.text


@dataclass(frozen=True)
class Moment:
    """A date, as it is printed."""

    text: str

    @classmethod
    def of(cls, time: pd.Timestamp | str) -> Moment:
        """The day of a time, such as 2010-01-04; with hours where it has them."""
        stamp = pd.Timestamp(time)
        return cls(f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M}")

    def __html__(self) -> str:
        """Marked as a time."""
        return f"<time>{escape(self.text)}</time>"

    def __str__(self) -> str:
        """As it is printed."""
        return self.text


@dataclass(frozen=True)
class Name:
    """What somebody called a thing: a policy, an instrument, a folder; it may hold anything."""

    text: str

    def __html__(self) -> str:
        """Marked as a name, and kept from turning the text around it."""
        return f'<bdi class="name">{escape(self.text)}</bdi>'

    def __str__(self) -> str:
        """As it is printed."""
        return self.text


@dataclass(frozen=True)
class Ends:
    """The two ends of an interval."""

    low: Number
    high: Number

    def __html__(self) -> str:
        """In brackets, which stay together."""
        return f'<span class="ends">[{self.low.__html__()}, {self.high.__html__()}]</span>'

    def __str__(self) -> str:
        """As it is printed."""
        return f"[{self.low}, {self.high}]"


Word = str | Number | Moment | Name | Ends
Words = tuple[Word, ...]


class Book:
    """The numbers of one report, by key."""

    def __init__(self) -> None:
        self._numbers: dict[str, float] = {}

    @property
    def numbers(self) -> Mapping[str, float]:
        """Key -> value, in the order in which they were first printed."""
        return dict(self._numbers)

    def number(self, key: str, value: float | None, kind: str | Callable[[float], str] = "ratio") -> Number:
        """A number to print, and to keep.

        Args:
            key: Its name; the same number may be printed twice, another one under the same name may not.
            value: What it is; None is nan.
            kind: One of `FORMATS`, or what prints it.
        """
        known = math.nan if value is None else float(value)
        before = self._numbers.setdefault(key, known)
        assert before == known or (math.isnan(before) and math.isnan(known)), f"two numbers are called {key}"
        form = FORMATS[kind] if isinstance(kind, str) else kind
        return Number(key, known, form(known))

    def metric(self, prefix: str, metric: str, value: float | None) -> Number:
        """A metric of `BacktestResult` or `Behaviour`, printed as its kind is; its key is prefix.metric."""
        return self.number(f"{prefix}.{metric}", value, kind_of(metric))

    def interval(self, key: str, low: float | None, high: float | None, kind: str = "ratio") -> tuple[Ends, ...]:
        """The two ends of an interval in brackets; nothing where it is unknown."""
        if low is None or high is None or math.isnan(low) or math.isnan(high):
            return ()
        return (Ends(self.number(f"{key}.low", low, kind), self.number(f"{key}.high", high, kind)),)

    def sentence(self, key: str, text: str) -> Words:
        """Free text with its numbers and dates marked; the numbers are called key.0, key.1, … and are as printed."""
        words: list[Word] = []
        end = found = 0
        for match in _TOKEN.finditer(text):
            if match.start() > end:
                words.append(text[end : match.start()])
            token = match.group()
            if match["number"] is None:
                words.append(Moment(token))
            else:
                words.append(self.number(f"{key}.{found}", read_number(token), lambda _, token=token: token))  # type: ignore[misc]
                found += 1
            end = match.end()
        return (*words, text[end:]) if end < len(text) else tuple(words)


def read_number(text: str) -> float:
    """The number that a text prints; percent as a fraction.

    `12.3 %` is 0.123: decimals are shifted in the text, so that no rounding comes in.
    """
    plain = text.replace("\N{MINUS SIGN}", "-").replace(",", "").strip()
    if plain.endswith("%"):
        return float(f"{plain.removesuffix('%').strip()}e-2")
    return float(plain)
