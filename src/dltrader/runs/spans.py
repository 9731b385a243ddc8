"""Spans of time: what one fold of a walk-forward trains, validates and tests on, in place of two cuts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Self

import pandas as pd
from pydantic import BeforeValidator, Field, model_validator

from dltrader.config import Config
from dltrader.data.times import moment
from dltrader.errors import BarsError, ConfigError
from dltrader.evaluation.folds import Fold, Span


def _between(value: Any) -> Any:
    """A first and a last time, as text."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ConfigError(f"a span must be the times of its first and its last bar, was {value!r}")
    first, last = (moment(time, "a time of a span") for time in value)
    if first > last:
        raise ConfigError(f"a span must not end before it begins, was {value!r}")
    return str(value[0]).strip(), str(value[1]).strip()


Between = Annotated[tuple[str, str], BeforeValidator(_between)]


class Spans(Config):
    """The bars of a fold, each span by the times of its first and its last bar."""

    train: tuple[Between, ...] = Field(min_length=1, description="Bars to learn from, in pieces; in order")
    validation: Between = Field(description="Bars that choose the checkpoint")
    test: tuple[Between, ...] = Field(min_length=1, description="Bars traded out of sample; in order")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        named = [(f"{name} {one[0]} to {one[1]}", one) for name, group in self._groups().items() for one in group]
        ordered = sorted(named, key=lambda each: moment(each[1][0], "train"))
        for (name, one), (other, following) in pairwise(ordered):
            if moment(following[0], "a span") <= moment(one[1], "a span"):
                raise ConfigError(f"spans must not overlap: {name} and {other}; end one before the other begins")
        for group in (self.train, self.test):
            if list(group) != sorted(group, key=lambda one: moment(one[0], "a span")):
                raise ConfigError("spans must be in the order of time; sort those of train and of test")
        return self

    @classmethod
    def of(cls, fold: Fold, times: pd.Index[Any]) -> Self:
        """The spans of a fold over bars with these times."""

        def named(span: Span) -> tuple[str, str]:
            return str(times[span.first]), str(times[span.stop - 1])

        return cls(
            train=tuple(map(named, fold.train)), validation=named(fold.validation), test=tuple(map(named, fold.test))
        )

    def pieces(self, bars: Mapping[str, pd.DataFrame]) -> list[dict[str, pd.DataFrame]]:
        """The bars to learn from, every piece by itself: between two of them bars are left out.

        Raises:
            BarsError: A piece has no bars.
        """
        return [_cut(bars, first, last) for first, last in self.train]

    def training(self, bars: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """The bars to learn from, all pieces in one frame an instrument."""
        pieces = self.pieces(bars)
        return {name: pd.concat([piece[name] for piece in pieces]) for name in bars}

    def validating(self, bars: Mapping[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], pd.Timestamp]:
        """The validation's bars, behind those of its own training piece to warm up on, and the time it begins."""
        first, last = self.validation
        start = moment(first, "validation")
        before = [begin for begin, _ in self.train if moment(begin, "train") < start]
        return _cut(bars, before[-1] if before else first, last), start

    def testing(self, bars: Mapping[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], pd.Timestamp]:
        """The bars up to the end of the last test, and the time at which the first begins.

        What is seen on the first bars of a test may reach back into any bars before it: it is history by then.
        """
        end = moment(self.test[-1][1], "test")
        return {name: frame.loc[frame.index <= end] for name, frame in bars.items()}, moment(self.test[0][0], "test")

    def _groups(self) -> dict[str, tuple[Between, ...]]:
        return {"train": self.train, "validation": (self.validation,), "test": self.test}


def _cut(bars: Mapping[str, pd.DataFrame], first: str, last: str) -> dict[str, pd.DataFrame]:
    """The bars from one time to another, both included.

    Raises:
        BarsError: There are none.
    """
    begin, end = moment(first, "a span"), moment(last, "a span")
    found = {name: frame.loc[(frame.index >= begin) & (frame.index <= end)] for name, frame in bars.items()}
    empty = next((name for name, frame in found.items() if frame.empty), None)
    if empty is not None:
        raise BarsError(f"{empty} has no bar from {first} to {last}; change data.spans")
    return found
