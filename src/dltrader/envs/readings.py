"""Reading actions: whole choices and numbers in [-1, 1], of one environment or of many lanes, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj
from gymnasium import spaces

from dltrader.envs.numeric import is_integral, library, some
from dltrader.errors import ActionError


def choice_space(n_choices: int, n_instruments: int) -> spaces.Space[Any]:
    """Discrete; with several instruments MultiDiscrete."""
    if n_instruments == 1:
        return spaces.Discrete(n_choices)
    return spaces.MultiDiscrete([n_choices] * n_instruments)


def read_choices(action: Any, n_instruments: int, n_choices: int) -> list[int]:
    """The choices in an action, one an instrument.

    Raises:
        ActionError: They are no whole numbers from 0 up, or too many.
    """
    try:
        # Fast path: this runs once a bar.
        chosen = [int(action)] if n_instruments == 1 else [int(choice) for choice in action]
        exact = chosen == [action] if n_instruments == 1 else all(map(np.equal, chosen, action))
    except (TypeError, ValueError):
        chosen, exact = [], False
    if not exact or len(chosen) != n_instruments or not all(0 <= choice < n_choices for choice in chosen):
        raise ActionError(f"an action must be {n_instruments} integer(s) from 0 to {n_choices - 1}, was {action!r}")
    return chosen


def read_choices_of_lanes(actions: Any, n_lanes: int, n_instruments: int, n_choices: int) -> list[Any]:
    """The choices in the actions of all lanes, one array (lanes,) an instrument.

    Raises:
        ActionError: There are more or fewer actions than lanes, or one lies outside the space.
    """
    array = _rows(actions, n_lanes, n_instruments)
    xp = library(array)
    rule = f"every action must be {n_instruments} integer(s) from 0 to {n_choices - 1}"
    if not is_integral(array):
        raise ActionError(f"{rule}, was {array.dtype}")
    if some((array < 0) | (array >= n_choices)):
        raise ActionError(f"{rule}, was {array.dtype} from {int(xp.min(array))} to {int(xp.max(array))}")
    return [array[:, i] for i in range(n_instruments)]


def read_numbers(action: Any, count: int) -> list[float]:
    """The numbers of an action.

    Raises:
        ActionError: They are not so many, or not within [-1, 1].
    """
    try:
        numbers = [float(number) for number in np.reshape(action, -1)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not all(-1.0 <= number <= 1.0 for number in numbers):
        raise ActionError(f"an action must be {count} number(s) in [-1, 1], was {action!r}")
    return numbers


def read_numbers_of_lanes(actions: Any, n_lanes: int, count: int) -> list[Any]:
    """The numbers in the actions of all lanes, `count` arrays (lanes,).

    Raises:
        ActionError: There are more or fewer actions than lanes, or one lies outside the space.
    """
    numbers = _rows(actions, n_lanes, count)
    xp = library(numbers)
    numbers = xp.astype(numbers, xp.float64)
    largest = xp.max(xp.abs(numbers))
    if not largest <= 1.0:  # nan fails too
        raise ActionError(f"every action must be {count} number(s) in [-1, 1], was {_outlier(numbers):g}")
    return [numbers[:, i] for i in range(count)]


def _rows(actions: Any, n_lanes: int, n_columns: int) -> Any:
    """Actions as an array of the shape (lanes, columns)."""
    array = actions if is_array_api_obj(actions) else np.asarray(actions)
    shape = tuple(array.shape)
    if shape not in {(n_lanes, n_columns), (n_lanes,) if n_columns == 1 else (n_lanes, n_columns)}:
        raise ActionError(f"actions must have the shape ({n_lanes}, {n_columns}), one row a lane, was {shape}")
    return library(array).reshape(array, (n_lanes, n_columns))


def _outlier(numbers: Any) -> float:
    """The first number that is not within [-1, 1]."""
    return next(float(number) for row in numbers.tolist() for number in row if not abs(number) <= 1.0)
