"""Schemes of folds: anchored and sliding, in which every test is behind its training, and combinatorial ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from dltrader.errors import BarsError
from dltrader.evaluation.folds import LEAST_STEPS_BARS, Fold, FoldsConfig, Room, Span, bars_of


def in_time(config: FoldsConfig, room: Room) -> tuple[Fold, ...]:
    """Anchored and sliding: every test is behind its training."""
    length, tests = _tests(config, room.n_bars)
    gap = max(config.purge, config.embargo(room.n_bars))
    folds = []
    for number, test in enumerate(tests, start=1):
        begin = test.first - length if config.scheme == "sliding" else 0
        part = Span(begin, test.first - gap)
        validation, train = _end_of(part, bars_of(config.validation, part.bars), config.purge)
        _require_learnable(f"fold {number}", train, validation, room)
        folds.append(Fold(number, (train,), validation, (test,)))
    return tuple(folds)


def _tests(config: FoldsConfig, n_bars: int) -> tuple[int, list[Span]]:
    """How long the first training part is, and the tests behind it.

    Raises:
        BarsError: They are longer than the data.
    """
    n_folds, test_bars = config.folds, config.test_bars
    if config.train is not None:
        length = bars_of(config.train, n_bars)
    elif n_folds is not None and test_bars is not None:
        length = n_bars - n_folds * test_bars
    else:
        length = n_bars // 2
    left = n_bars - length
    if test_bars is None:
        n_folds = 5 if n_folds is None else n_folds
        if length < 1 or left < n_folds * LEAST_STEPS_BARS:
            raise BarsError(
                f"{n_folds} folds behind {length} bars of training need {length + n_folds * LEAST_STEPS_BARS} bars, "
                f"and there are {n_bars}"
            )
        return length, list(_parts(length, n_bars, n_folds))
    n_folds = left // test_bars if n_folds is None else n_folds
    if n_folds < 1 or length < 1 or n_folds * test_bars > left:
        n_folds = max(n_folds, 1)
        raise BarsError(
            f"{n_folds} fold(s) of test_bars {test_bars} behind {max(length, 1)} bars of training need "
            f"{max(length, 1) + n_folds * test_bars} bars, and there are {n_bars}"
        )
    begin = n_bars - n_folds * test_bars  # bars that are too many go to the first training
    length = begin if config.train is None else length
    return length, [Span(begin + i * test_bars, begin + (i + 1) * test_bars) for i in range(n_folds)]


def combinatorial(config: FoldsConfig, room: Room) -> tuple[Fold, ...]:
    """Every choice of groups is tested once by a training on the others."""
    purge, embargo = config.purge, config.embargo(room.n_bars)
    if room.n_bars - room.first < config.n_groups * LEAST_STEPS_BARS:
        raise BarsError(
            f"{room.n_bars} bars, of which {room.first} warm up, do not make groups {config.n_groups} of "
            f"{LEAST_STEPS_BARS} bars"
        )
    groups = list(_parts(room.first, room.n_bars, config.n_groups))
    folds = []
    for number, tested in enumerate(combinations(groups, config.n_tested), start=1):
        pieces = list(_between(tested, room.n_bars, purge, embargo))
        total = sum(piece.bars for piece in pieces)
        # The longest: the validation needs bars of its own piece to warm up on, for it must not look into a test.
        longest = max(pieces, key=lambda piece: (piece.bars, piece.first), default=Span(0, 0))
        validation, behind = _end_of(longest, bars_of(config.validation, total), purge)
        _require_learnable(f"fold {number}", behind, validation, room)
        pieces = [behind if piece == longest else piece for piece in pieces]
        long, short = ([one for one in pieces if (one.bars >= room.least) == whether] for whether in (True, False))
        folds.append(Fold(number, tuple(long), validation, tested, tuple(short)))
    return tuple(folds)


def _between(tested: Sequence[Span], n_bars: int, purge: int, embargo: int) -> Iterator[Span]:
    """What tests leave, with a purge before each and an embargo behind it."""
    edges = [Span(0, 0 - embargo), *tested, Span(n_bars + purge, n_bars + purge)]
    for one, following in pairwise(edges):
        piece = Span(one.stop + embargo, min(following.first - purge, n_bars))
        if piece.bars:
            yield piece


def _end_of(part: Span, n_validation: int, purge: int) -> tuple[Span, Span]:
    """The validation at the end of a part, and what is left to learn from."""
    begin = part.stop - n_validation
    return Span(begin, part.stop), Span(part.first, begin - purge)


def _require_learnable(name: str, train: Span, validation: Span, room: Room) -> None:
    """Raise a BarsError where the spans of a fold are too short."""
    if train.bars < room.least:
        raise BarsError(
            f"{name} would leave {train.bars} bars to learn from beside {validation.bars} of validation, and "
            f"{room.least} in a row are needed, of which {room.first} warm up and fill the window"
        )
    if validation.bars < LEAST_STEPS_BARS:
        raise BarsError(f"{name} would validate on {validation.bars} bar(s), and {LEAST_STEPS_BARS} are needed")


def _parts(first: int, stop: int, n: int) -> Iterator[Span]:
    """Bars in n parts whose lengths differ by at most one."""
    edges = [first + (stop - first) * i // n for i in range(n + 1)]
    return (Span(*edge) for edge in pairwise(edges))
