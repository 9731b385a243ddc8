"""Shrinking: the smallest case on which the engines still differ in the same thing.

Every pass proposes cases that are simpler in one way. The first on which the same thing differs, after no more bars
than before, takes the case's place; that is repeated until no pass finds one, or the tries are used up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.benchmarks.parity_cases import PLAIN, Case, bars_needed
from dltrader.config import override
from dltrader.envs.actions import BuySellHold, TargetPosition
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.errors import ConfigError, DLTraderError

if TYPE_CHECKING:
    from dltrader.benchmarks.parity import Difference

TRIES = 600
SIMPLEST = EnvConfig.from_mapping(PLAIN).to_mapping()
"""Default rules, and the least that an agent can see."""


def shrink(case: Case, differs: Callable[[Case], Difference | None]) -> tuple[Case, Difference]:
    """Make a case smaller for as long as the engines differ in the same thing.

    Args:
        case: A case on which they differ.
        differs: The first difference on a case, if there is any.

    Returns:
        The smallest case found, and the difference on it.
    """
    found = differs(case)
    assert found is not None
    tries, shrinking = TRIES, True
    while shrinking:
        shrinking = False
        for simpler in (_cut, _without_instruments, _without_steps, _held, _plainer, _rounded):
            proposals = simpler(case, found.bar)
            while tries and (candidate := next(proposals, None)) is not None:
                if _complexity(candidate) >= _complexity(case):
                    continue
                tries -= 1
                difference = _tried(candidate, differs)
                if difference is None or difference.bar > found.bar or _thing(difference) != _thing(found):
                    continue
                case, found, shrinking = candidate, difference, True
                proposals = simpler(case, found.bar)
    return case, found


def _tried(case: Case, differs: Callable[[Case], Difference | None]) -> Difference | None:
    try:
        return differs(case)
    except DLTraderError:
        return None  # too few bars are left, or actions have lost their meaning: no case at all


def _thing(difference: Difference) -> str:
    """What differs, whichever element of it."""
    return difference.what.partition("[")[0]


def _complexity(case: Case) -> tuple[int, ...]:
    """What a person has to read before a case is understood; less of an earlier number is better."""
    config, frames = case.config.to_mapping(), list(case.bars.values())
    settings = sum(config[name] != value for name, value in SIMPLEST.items()) + (case.start is not None)
    settings += case.config.session is not None
    settings += sum(config["costs"][name] != value for name, value in SIMPLEST["costs"].items())
    trades = int((case.actions != _holding(case, 0, len(case.actions), every=True)).sum())
    numbers = np.concatenate([case.actions.ravel(), *(frame.to_numpy().ravel() for frame in frames)])
    digits = sum(len(repr(number)) for number in numbers.tolist())
    return len(case.actions), len(frames), sum(map(len, frames)), settings, trades, digits


def _cut(case: Case, bar: int) -> Iterator[Case]:
    """Without the bars before the first that is seen, those after the difference, and whatever chose the first."""
    market = Market.build(case.bars, case.config, start=case.start)
    _, info = TradingEnv(market, case.config).reset(seed=case.seed)
    first, steps = int(market.times.searchsorted(info["time"])), max(bar, 1)
    rows = slice(first - bars_needed(case.config) + 1, first + steps + 1)
    bars = {name: frame.iloc[rows] for name, frame in market.bars.items()}
    plain = case.config.model_copy(update={"random_start": False})
    for config in (plain, case.config):
        yield Case(config, bars, case.actions[:steps])
    yield replace(case, actions=case.actions[:steps])


def _without_instruments(case: Case, bar: int) -> Iterator[Case]:
    """One instrument less."""
    del bar
    for i, name in enumerate(case.bars if len(case.bars) > 1 else []):
        bars = {other: frame for other, frame in case.bars.items() if other != name}
        actions = np.delete(case.actions, i, axis=1)
        space = case.config.action_space(len(bars))
        yield replace(case, bars=bars, actions=actions.reshape(-1, *(space.shape or ())))


def _without_steps(case: Case, bar: int) -> Iterator[Case]:
    """Some steps less, and the bars that they led to."""
    first = bars_needed(case.config)  # index of the bar that the first step leads to
    for part in _parts(bar):
        rows = slice(first + part.start, first + part.stop)
        bars = {name: frame.drop(frame.index[rows]) for name, frame in case.bars.items()}
        yield replace(case, bars=bars, actions=np.delete(case.actions, part, axis=0))


def _held(case: Case, bar: int) -> Iterator[Case]:
    """Some actions turned into holding on."""
    for part in _parts(bar):
        yield replace(case, actions=_holding(case, part.start, part.stop))


def _plainer(case: Case, bar: int) -> Iterator[Case]:
    """Some rules as they are by default."""
    del bar
    given = case.config.to_mapping()
    yield from _under(case, SIMPLEST)
    for name, value in SIMPLEST.items():
        yield from _under(case, given | {name: value})
    for name, value in SIMPLEST["costs"].items():
        yield from _under(case, override(given, {f"costs.{name}": value}))
    yield from _under(case, given | {"session": None})
    yield from _under(case, given | {"action": given["action"]["name"]})
    yield from _under(case, given | {name: SIMPLEST[name] for name in PLAIN})
    yield replace(case, start=None)


def _under(case: Case, values: dict[str, Any]) -> Iterator[Case]:
    """The case under other rules, where they do not contradict each other; the episode begins at the same bar."""
    try:
        config = EnvConfig.from_mapping(values)
    except ConfigError:
        return
    spare = max(bars_needed(case.config) - bars_needed(config), 0)
    yield replace(case, config=config, bars={name: frame.iloc[spare:] for name, frame in case.bars.items()})


def _rounded(case: Case, bar: int) -> Iterator[Case]:
    """Numbers with fewer digits."""
    del bar

    def rounded(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
        return frame.map(lambda number: float(f"{number:.{digits}g}"))

    for decimals in (0, 1, 2):
        yield replace(case, actions=np.round(case.actions, decimals))
    for digits in (1, 2, 3, 4, 6):
        yield replace(case, bars={name: rounded(frame, digits) for name, frame in case.bars.items()})


def _parts(length: int) -> Iterator[slice]:
    """Halves, quarters and so on down to single steps."""
    size = length
    while size := size // 2:
        yield from (slice(first, min(first + size, length)) for first in range(0, length, size))


def _holding(case: Case, first: int, stop: int, *, every: bool = False) -> npt.NDArray[Any]:
    """The actions, some of them turned into holding on to what was asked for before.

    Args:
        case: Whose actions.
        first: First step that is to hold.
        stop: Step after the last.
        every: Each step holds what the one before it asks for in the case, not what that holds.
    """
    actions, scheme = case.actions.copy(), case.config.action
    if isinstance(scheme, BuySellHold):
        actions[first:stop] = 0
        return actions
    flat: Any = 0.0
    if isinstance(scheme, TargetPosition):
        flat = np.argmin(np.abs(scheme.levels_for(allow_short=case.config.allow_short)))
    before = np.concatenate([np.full_like(actions[:1], flat), actions])
    actions[first:stop] = before[first:stop] if every else before[first]
    return actions
