"""What a leak check found, and how much it looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from dltrader.data.times import written


@dataclass(frozen=True)
class Finding:
    """Something that knew what it could not know, or that is not where it says it is.

    Attributes:
        stage: Where: features, warm-up, observations, cut, labels, rewards, folds, votes, actions, fills or cache.
        feature: What: a column, an instrument's fills, a key.
        time: The first bar at which it shows; None where no bar is concerned.
        difference: How far the value moves there; infinite where it is not there at all, nan where it should have
            moved and did not.
        relative: The same as a multiple of the value or of its column's median size, whichever is larger.
        reason: What was done to the bars, and what is wrong.
    """

    stage: str
    feature: str
    time: pd.Timestamp | None
    difference: float
    relative: float
    reason: str

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON can hold them: a number that is none is null."""
        values = {"stage": self.stage, "feature": self.feature, "time": None if self.time is None else str(self.time)}
        sizes = {"difference": self.difference, "relative": self.relative}
        return (
            values
            | {name: size if math.isfinite(size) else None for name, size in sizes.items()}
            | {"reason": self.reason}
        )

    def __str__(self) -> str:
        """One line."""
        when = "" if self.time is None else f" at {written(self.time)}"
        return f"{self.stage}: {self.feature}{when} {self.reason}"


@dataclass(frozen=True)
class Checked:
    """How much was looked at, of one stage in one way.

    Attributes:
        stage: As of a finding.
        what: What was done to the bars.
        bars: At how many bars, or how many times, it was looked whether anything changes.
        of: How many there are.
    """

    stage: str
    what: str
    bars: int
    of: int

    def to_mapping(self) -> dict[str, Any]:
        """Plain values."""
        return {"stage": self.stage, "what": self.what, "bars": self.bars, "of": self.of}


class Part(NamedTuple):
    """What one stage adds to a report; its parts are those of `LeakReport`."""

    findings: Sequence[Finding] = ()
    checked: Sequence[Checked] = ()
    skipped: Sequence[str] = ()


@dataclass(frozen=True)
class LeakReport:
    """The outcome of a leak check.

    Attributes:
        name: What was checked.
        findings: What leaks, earlier stages first; of every feature in a stage the first bar.
        checked: What was looked at how many times.
        skipped: Stages that could not be looked at, each with the reason; none of them counts as clean.
        seconds: What it took.
    """

    name: str
    findings: tuple[Finding, ...]
    checked: tuple[Checked, ...]
    skipped: tuple[str, ...] = ()
    seconds: float = field(default=math.nan, compare=False)

    @classmethod
    def of(cls, name: str, parts: Iterable[Part], *, seconds: float = math.nan) -> LeakReport:
        """The report of several parts."""
        parts = list(parts)
        return cls(
            name,
            tuple(finding for part in parts for finding in part.findings),
            tuple(checked for part in parts for checked in part.checked),
            tuple(dict.fromkeys(reason for part in parts for reason in part.skipped)),
            seconds,
        )

    @property
    def ok(self) -> bool:
        """Whether nothing was found and nothing left out."""
        return not self.findings and not self.skipped

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON can hold them."""
        return {
            "name": self.name,
            "ok": self.ok,
            "findings": [finding.to_mapping() for finding in self.findings],
            "checked": [each.to_mapping() for each in self.checked],
            "skipped": list(self.skipped),
            "seconds": self.seconds if math.isfinite(self.seconds) else None,
        }
