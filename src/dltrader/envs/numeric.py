"""The few operations that formulas need, for a Python float and for an array of lanes alike.

A formula written with these stands once in the code: the Cerebro engine passes floats, a vectorised one arrays of any
library that keeps the array-API standard. The float path avoids NumPy, whose scalars cost ten times as much as Python's
own; NumPy's arrays take a short cut, for to ask an array for its library costs more than to add it up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

Number: TypeAlias = Any
"""A Python float, or a float array of lanes. (Any: the two share arithmetic, but no type.)"""

FUNCTIONS = ("abs", "any", "arange", "asarray", "astype", "expand_dims", "full", "isdtype", "isfinite", "log",
             "max", "min", "reshape", "round", "sign", "sqrt", "stack", "take", "trunc", "where")  # fmt: skip
"""What a library of arrays must have, for the lanes to be computed with it."""


def library(array: Any) -> Any:
    """The library of an array, with the names of the standard."""
    return np if isinstance(array, np.ndarray | np.generic) else array_namespace(array)


def is_integral(array: Any) -> bool:
    """Whether an array holds integers."""
    if isinstance(array, np.ndarray):
        return array.dtype.kind in "iu"
    return bool(array_namespace(array).isdtype(array.dtype, "integral"))


def choose(condition: Number, yes: Number, no: Number) -> Number:
    """`yes` where the condition holds, else `no`."""
    if isinstance(condition, bool):
        return yes if condition else no
    if isinstance(condition, np.ndarray | np.generic):
        return np.where(condition, yes, no)
    xp = array_namespace(condition)
    if not is_array_api_obj(yes) and not is_array_api_obj(no):
        # Of two plain numbers a library makes floats of its own default, which may be half as wide.
        yes = xp.asarray(yes, dtype=xp.float64, device=device(condition))
    return xp.where(condition, yes, no)


def some(condition: Any) -> bool:
    """Whether a condition holds for any element of an array."""
    # The method takes half the time of the function, and is none of the standard.
    return bool(condition.any() if isinstance(condition, np.ndarray) else array_namespace(condition).any(condition))


def log(value: Number) -> Number:
    """Natural logarithm of positive numbers."""
    return math.log(value) if isinstance(value, float | int) else library(value).log(value)


def sqrt(value: Number) -> Number:
    """Square root of numbers from 0 up."""
    return math.sqrt(value) if isinstance(value, float | int) else library(value).sqrt(value)


def sign(value: Number) -> Number:
    """-1.0, 0.0 or 1.0."""
    if isinstance(value, float | int):
        return float((value > 0) - (value < 0))
    return library(value).sign(value)


def truncate(value: Number) -> Number:
    """The integer part, rounded towards zero, as a float."""
    return float(math.trunc(value)) if isinstance(value, float | int) else library(value).trunc(value)


def nearest(value: Number) -> Number:
    """The nearest integer, as a float; halves go to the even one."""
    return float(round(value)) if isinstance(value, float | int) else library(value).round(value)


def take(values: Sequence[float], index: Number) -> Number:
    """The value at an index."""
    if isinstance(index, int):
        return values[index]
    if isinstance(index, np.ndarray):
        return np.asarray(values, float)[index]
    xp = array_namespace(index)
    return xp.take(xp.asarray(values, dtype=xp.float64, device=device(index)), index, axis=0)


def lower(a: Number, b: Number) -> Number:
    """The smaller of two; `a` may be an array, `b` anything."""
    if isinstance(a, np.ndarray):
        return np.minimum(a, b)
    return choose(a < b, a, b)


def higher(a: Number, b: Number) -> Number:
    """The larger of two; `a` may be an array, `b` anything."""
    if isinstance(a, np.ndarray):
        return np.maximum(a, b)
    return choose(a > b, a, b)
