"""The few operations that formulas need, for a Python float and for an array of lanes alike.

A formula written with these stands once in the code: the Cerebro engine passes floats, a vectorised one arrays. The
float path avoids NumPy, whose scalars cost ten times as much as Python's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Number: TypeAlias = Any
"""A Python float, or a float array of lanes. (Any: the two share arithmetic, but no type.)"""


def choose(condition: Number, yes: Number, no: Number) -> Number:
    """`yes` where the condition holds, else `no`."""
    if isinstance(condition, bool):
        return yes if condition else no
    return np.where(condition, yes, no)


def log(value: Number) -> Number:
    """Natural logarithm of positive numbers."""
    return math.log(value) if isinstance(value, float | int) else np.log(value)


def sign(value: Number) -> Number:
    """-1.0, 0.0 or 1.0."""
    if isinstance(value, float | int):
        return float((value > 0) - (value < 0))
    return np.sign(value)


def truncate(value: Number) -> Number:
    """The integer part, rounded towards zero, as a float."""
    return float(math.trunc(value)) if isinstance(value, float | int) else np.trunc(value)


def nearest(value: Number) -> Number:
    """The nearest integer, as a float; halves go to the even one."""
    return float(round(value)) if isinstance(value, float | int) else np.round(value)


def take(values: Sequence[float], index: Number) -> Number:
    """The value at an index."""
    return values[index] if isinstance(index, int) else np.asarray(values, float)[index]


def lower(a: Number, b: Number) -> Number:
    """The smaller of two."""
    return choose(a < b, a, b)


def higher(a: Number, b: Number) -> Number:
    """The larger of two."""
    return choose(a > b, a, b)
