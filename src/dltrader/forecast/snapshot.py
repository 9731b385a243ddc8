"""The snapshot: what another program tells of one market and one account at one moment, for an ensemble to answer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from dltrader.config import Config, explain
from dltrader.data.bars import COLUMNS, Bars, bars_from
from dltrader.errors import ConfigError, SnapshotError
from dltrader.forecast.trading import Action

MOST_ROWS = 10_000
"""Rows of bars, features or actions that a snapshot may hold: one line of another program must not fill the memory."""

_WITH_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)", re.IGNORECASE)


def stamp_of(time: str, origin: str = "timestamp") -> pd.Timestamp:
    """A time in UTC, from text that says its zone: ISO 8601, "2024-01-01T12:00:00Z" or "2024-01-01 13:00:00+01:00".

    Args:
        time: The text.
        origin: What holds it, for error messages.

    Raises:
        SnapshotError: It is no time, or has no zone.
    """
    try:
        # pandas would take a time without a zone, and today's date for one without a date.
        stamp = pd.Timestamp(time) if _WITH_ZONE.fullmatch(time) else None
        if stamp is not None:
            return stamp.tz_convert("UTC").as_unit("ns")
    except pd.errors.OutOfBoundsDatetime:
        raise SnapshotError(f"{origin} must lie in the years 1678 to 2261, was {time!r}") from None
    except ValueError:
        pass
    raise SnapshotError(f"{origin} must be a time with its zone, such as '2024-01-01T12:00:00Z', was {time!r}")


def stamps_of(times: Sequence[str], origin: str) -> pd.DatetimeIndex:
    """Many times, as `stamp_of` reads one.

    Raises:
        SnapshotError: One is no time, or has no zone.
    """
    if all(map(_WITH_ZONE.fullmatch, times)):
        stamps = pd.to_datetime(list(times), format="ISO8601", utc=True, errors="coerce")
        if not stamps.isna().any():
            with contextlib.suppress(pd.errors.OutOfBoundsDatetime):
                return stamps.as_unit("ns")
    return pd.DatetimeIndex([stamp_of(time, f"{origin} {row}") for row, time in enumerate(times)])  # raises


def _moment(time: str) -> str:
    try:
        stamp_of(time)
    except SnapshotError as error:  # pydantic locates ConfigErrors only if they are ValueErrors of its own kind
        raise ConfigError(str(error)) from None
    return time


Number = Annotated[float, Field(allow_inf_nan=False)]
Price = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SnapshotBar(Config):
    """A bar of a snapshot."""

    model_config = ConfigDict(strict=True)

    time: str = Field(description="When it closed, with its zone, such as 2024-01-01T12:00:00Z")
    open: Price = Field(description="first price")
    high: Price = Field(description="highest price")
    low: Price = Field(description="lowest price")
    close: Price = Field(description="last price")
    volume: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(description="units traded")


class Snapshot(Config):
    """A market and an account at one moment. The market is told either by recent bars or by features of them."""

    # Texts are not cached: pydantic would keep every timestamp that it has seen, up to many thousands.
    model_config = ConfigDict(strict=True, cache_strings="keys")

    symbol: str = Field(min_length=1, max_length=100, description="the instrument, as it was called in training")
    timestamp: Annotated[str, AfterValidator(_moment)] = Field(
        description="the moment, with its zone, such as 2024-01-01T12:00:00Z; no bar may be later"
    )
    bars: list[SnapshotBar] | None = Field(
        None,
        min_length=1,
        max_length=MOST_ROWS,
        description="recent bars, oldest first: as many as warm the features up and fill the window",
    )
    context: dict[str, list[SnapshotBar]] = Field(
        {},
        max_length=100,
        description="with bars: those of other markets that features look at, by the features' names",
    )
    features: dict[str, Number] | None = Field(
        None,
        min_length=1,
        max_length=MOST_ROWS,
        description="in place of bars: names to scaled values of the newest bar",
    )
    sequence: list[list[Number]] | None = Field(
        None,
        max_length=MOST_ROWS,
        description="with features, for models that read more than the newest bar: rows of values in the order of the "
        "keys of features, oldest first; all rows of the window, or all but the newest",
    )
    close: Price | None = Field(None, description="price of the newest bar; null: that of bars")
    position: Number = Field(0.0, description="units held, negative of a short position")
    balance: Number | None = Field(
        None, description="money without what the open trade has made; null: the cash of the ensemble's environment"
    )
    unrealized_pnl: Number = Field(0.0, description="money that the open trade has made by the close")
    recent_actions: list[Action] | None = Field(
        None,
        max_length=MOST_ROWS,
        description="the actions of earlier answers that were followed, the newest last; null: as they were answered",
    )

    @classmethod
    def of(cls, value: Snapshot | Mapping[str, Any] | str | bytes) -> Self:
        """A snapshot from a mapping or from JSON.

        Raises:
            SnapshotError: It is no JSON, no object, or has a wrong value.
        """
        if isinstance(value, cls):
            return value
        try:
            if isinstance(value, str | bytes):
                return cls.model_validate_json(value)
            return cls.model_validate(value)
        except ValidationError as error:
            raise SnapshotError(_problem(error)) from None

    @property
    def time(self) -> pd.Timestamp:
        """The moment in UTC."""
        return stamp_of(self.timestamp)

    @property
    def bar_time(self) -> pd.Timestamp:
        """When the newest bar closed; of features the moment itself."""
        return stamp_of(self.bars[-1].time, "bars") if self.bars else self.time

    @property
    def price(self) -> float | None:
        """The close of the newest bar; None where nothing tells."""
        return self.bars[-1].close if self.close is None and self.bars else self.close

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.bars is None) == (self.features is None):
            found = "neither" if self.bars is None else "both"
            raise ConfigError(f"a snapshot has either bars or features, found {found}")
        if self.features is None and self.sequence is not None:
            raise ConfigError("sequence goes with features and not with bars; leave it out")
        if self.bars is None and self.context:
            raise ConfigError("context goes with bars and not with features; leave it out")
        if self.bars and self.close is not None and self.close != self.bars[-1].close:
            raise ConfigError(
                f"close is {self.close:g} and that of the newest bar {self.bars[-1].close:g}; leave close out"
            )
        return self


def frame_of(bars: Sequence[SnapshotBar], origin: str = "bars") -> Bars:
    """Bars of a snapshot as bars.

    Raises:
        SnapshotError: A time is none, or has no zone.
        BarsError: They break the rules of bars: times that do not increase, a high below its low.
    """
    index = stamps_of([bar.time for bar in bars], f"the time of {origin} row").rename("time")
    values = np.array([[getattr(bar, column) for bar in bars] for column in COLUMNS])  # (5, bars)
    return bars_from(values, index, origin)


def _problem(error: ValidationError) -> str:
    """What is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"not JSON: {first['ctx']['error'].replace('line 1 ', '')}"
    if not first["loc"] and first["type"] in {"model_type", "model_attributes_type"}:
        return f"a snapshot must be an object of keys and values, found {type(first['input']).__name__}"
    return explain(error, Snapshot)
