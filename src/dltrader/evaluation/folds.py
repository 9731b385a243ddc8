"""Folds: which bars are learned from, which choose the checkpoint, and which are traded out of sample, again and again.

- *fold*: one training, with the bars it learns from, validates on and is tested on.
- *training part*: the bars that training and validation share; validation is at its end.
- *horizon*: how far what is learned from a bar reaches ahead of it. Of an agent that learns from rewards it is 1, the
  close of the next bar. That what is *seen* on a test bar reaches back into training bars is no leak.
- *purge*: bars left out where a training part ends and a test begins, and between training and validation.
- *embargo*: bars left out behind a test before training goes on there.
- *path*: test pieces of several folds which, one after the other, cover the whole time out of sample.

Schemes: `anchored` (the training part grows from the first bar on), `sliding` (it has a fixed length), and `cpcv`,
combinatorial purged cross-validation: the bars in N groups, of which every choice of k is tested once by a training on
the others, so that every group is tested C(N-1, k-1) times and as many paths can be put together.

Source: López de Prado 2018, "Advances in Financial Machine Learning", chapters 7 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from dltrader.config import Config
from dltrader.errors import BarsError, ConfigError, UnknownNameError
from dltrader.registry import Registry

LEAST_STEPS_BARS = 2
"""Bars of the shortest stretch in which a step can be taken."""
EMBARGO_SHARE = 0.01
"""Of all bars, left out behind a test of `cpcv` unless it is said otherwise; López de Prado's proposal."""
MOST_FOLDS = 1_000


class FoldsConfig(Config):
    """How bars are cut into folds."""

    scheme: str = Field("anchored", description="anchored, sliding or cpcv")
    folds: int | None = Field(
        None, ge=1, description="Trainings, each tested on the bars that follow; null: 5, or as many as test_bars gives"
    )
    train: float | int | None = Field(
        None,
        gt=0,
        description="The first training part, which sliding keeps as long: a share of the bars below 1, or bars; null: "
        "half of them, or what folds and test_bars leave",
    )
    test_bars: int | None = Field(
        None, ge=LEAST_STEPS_BARS, description="Bars of a test; null: what training leaves, in equal parts"
    )
    groups: int | None = Field(None, ge=2, le=40, description="Groups that cpcv cuts the bars into; null: 6")
    test_groups: int | None = Field(None, ge=1, description="Groups that a fold of cpcv is tested on; null: 2")
    validation: float | int = Field(
        0.2, gt=0, description="The end of the training part that chooses the checkpoint: a share below 1, or bars"
    )
    horizon_bars: int = Field(
        1, ge=1, description="How far ahead of a bar that reaches which is learned from it: 1 for rewards of one bar"
    )
    purge_bars: int | None = Field(
        None, ge=0, description="Bars left out before a test and before the validation; null: horizon_bars"
    )
    embargo_bars: int | None = Field(
        None,
        ge=0,
        description="Bars left out behind a test of cpcv, where training goes on, and at least so many before a test "
        "of the other schemes; null: 1 % of the bars for cpcv, at least the horizon",
    )

    @field_validator("scheme")
    @classmethod
    def _known(cls, scheme: str) -> str:
        try:
            SCHEMES[scheme]  # an unknown name is answered with the known ones
        except UnknownNameError as error:
            raise ConfigError(str(error)) from None
        return scheme

    @field_validator("train", "validation")
    @classmethod
    def _share_or_bars(cls, value: float | None) -> float | int | None:
        if value is None or value < 1:
            return value
        if value != int(value):
            raise ValueError("must be a share below 1 or a whole number of bars")
        return int(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        strange = next((name for name in _unknown_to(self.scheme) if getattr(self, name) is not None), None)
        if strange is not None:
            fitting = "groups and test_groups" if self.scheme == "cpcv" else "folds, train and test_bars"
            raise ConfigError(f"{strange} means nothing to scheme {self.scheme}, which takes {fitting}; leave it out")
        for name in ("purge_bars", "embargo_bars"):
            bars = getattr(self, name)
            if bars is not None and bars < self.horizon_bars:
                raise ConfigError(
                    f"horizon_bars {self.horizon_bars} is longer than {name} {bars}: what is learned beside a test "
                    f"would reach into it; set {name} to at least {self.horizon_bars}, or null"
                )
        if self.scheme == "cpcv":
            groups, tested = self.n_groups, self.n_tested
            if tested >= groups:
                raise ConfigError(f"test_groups must be below groups {groups}, was {tested}")
            if math.comb(groups, tested) > MOST_FOLDS:
                raise ConfigError(
                    f"test_groups {tested} of groups {groups} are {math.comb(groups, tested):,} folds, and at most "
                    f"{MOST_FOLDS:,} are allowed; lower one of them"
                )
        return self

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with new values; under another scheme, what that one does not know is left out."""
        scheme = str(changes.get("scheme", self.scheme))
        dropped = {} if scheme == self.scheme else dict.fromkeys(_unknown_to(scheme))
        return self.with_overrides(dropped | dict(changes))

    @property
    def n_groups(self) -> int:
        """Groups of cpcv."""
        return 6 if self.groups is None else self.groups

    @property
    def n_tested(self) -> int:
        """Groups that a fold of cpcv is tested on."""
        return 2 if self.test_groups is None else self.test_groups

    @property
    def purge(self) -> int:
        """Bars left out before a test."""
        return self.horizon_bars if self.purge_bars is None else self.purge_bars

    def embargo(self, n_bars: int) -> int:
        """Bars left out behind a test, of so many in all."""
        if self.embargo_bars is not None:
            return self.embargo_bars
        share = math.ceil(EMBARGO_SHARE * n_bars) if self.scheme == "cpcv" else 0
        return max(self.horizon_bars, share)


def _unknown_to(scheme: str) -> tuple[str, ...]:
    """The settings that mean nothing to a scheme."""
    return ("folds", "train", "test_bars") if scheme == "cpcv" else ("groups", "test_groups")


class Span(NamedTuple):
    """Bars in a row, by their numbers.

    Attributes:
        first: The first of them.
        stop: One past the last.
    """

    first: int
    stop: int

    @property
    def bars(self) -> int:
        """How many there are; none where it is empty."""
        return max(0, self.stop - self.first)


@dataclass(frozen=True)
class Fold:
    """One training and its test.

    Attributes:
        number: From 1 on.
        train: Bars to learn from, in pieces between which some are left out; in order.
        validation: Bars that choose the checkpoint, behind one of these pieces and a purge.
        test: Bars that are traded out of sample; in order.
        left_out: Pieces that are too short to learn from.
    """

    number: int
    train: tuple[Span, ...]
    validation: Span
    test: tuple[Span, ...]
    left_out: tuple[Span, ...] = field(default=())


class Leg(NamedTuple):
    """A part of a path: which fold trades which bars."""

    fold: int
    span: Span


@dataclass(frozen=True)
class Room:
    """What folds have to fit into.

    Attributes:
        n_bars: Bars that there are.
        first: The first at which a decision can be made: the features have warmed up and a window is full.
        least: The fewest bars in a row that can be learned from.
    """

    n_bars: int
    first: int = 0
    least: int = LEAST_STEPS_BARS


def make_folds(config: FoldsConfig, n_bars: int, *, first: int = 0, least: int = LEAST_STEPS_BARS) -> tuple[Fold, ...]:
    """Cut bars into folds.

    Args:
        config: How.
        n_bars: Bars that there are, numbered from 0 on.
        first: The first at which a decision can be made.
        least: The fewest bars in a row that can be learned from, warm-up and window included.

    Raises:
        BarsError: The bars are too few; the message says what fits.
    """
    room = Room(n_bars, first, max(least, first + LEAST_STEPS_BARS))
    try:
        return SCHEMES[config.scheme](config, room)
    except BarsError as error:
        raise BarsError(f"{error}; {_what_fits(config, room)}") from None


def paths_of(folds: Sequence[Fold]) -> tuple[tuple[Leg, ...], ...]:
    """Paths over all bars out of sample: one, or for `cpcv` as many as every group is tested; each test is in one."""
    testers: dict[Span, list[int]] = {}
    for fold in folds:
        for span in fold.test:
            testers.setdefault(span, []).append(fold.number)
    n_paths = len(next(iter(testers.values())))
    return tuple(tuple(Leg(testers[span][path], span) for span in sorted(testers)) for path in range(n_paths))


def bars_of(length: float, n_bars: int) -> int:
    """A share or a number of bars as bars."""
    return length if isinstance(length, int) else round(length * n_bars)


def _what_fits(config: FoldsConfig, room: Room) -> str:
    """The largest of one setting after the other with which folds fit into the bars."""
    tries: dict[str, int] = (
        {"groups": config.n_groups}
        if config.scheme == "cpcv"
        else {"folds": config.folds or (5 if config.test_bars is None else 0), "test_bars": config.test_bars or 0}
    )
    if not isinstance(config.train, float) and config.train is not None:
        tries["train"] = min(config.train, room.n_bars)
    tries["validation"] = bars_of(config.validation, room.n_bars)
    fitting = [(name, _largest(config, room, name, top)) for name, top in tries.items()]
    bars = {"train", "validation"}
    said = [f"the largest {name} that fits is {found}{' bars' * (name in bars)}" for name, found in fitting if found]
    if said:
        return ", and ".join(said)
    return "load more bars, or choose shorter features, scaling, window_bars, validation or env.episode_bars"


def _largest(config: FoldsConfig, room: Room, name: str, top: int) -> int | None:
    """The largest value of a setting, up to one, with which folds fit."""
    return next((value for value in range(top, 0, -1) if _fits(config, room, name, value)), None)


def _fits(config: FoldsConfig, room: Room, name: str, value: int) -> bool:
    changed = config.to_mapping() | {name: value}
    try:
        tried = FoldsConfig.from_mapping(changed)
        SCHEMES[tried.scheme](tried, room)
    except (BarsError, ConfigError):
        return False
    return True


SCHEMES: Registry[Callable[[FoldsConfig, Room], tuple[Fold, ...]]] = Registry(
    "scheme of folds",
    {
        "anchored": "dltrader.evaluation.schemes:in_time",
        "sliding": "dltrader.evaluation.schemes:in_time",
        "cpcv": "dltrader.evaluation.schemes:combinatorial",
    },
)
