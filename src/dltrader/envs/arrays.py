"""Which library computes the lanes, and where: NumPy, PyTorch, or another that keeps the array-API standard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dltrader.envs.numeric import FUNCTIONS
from dltrader.errors import ConfigError

KNOWN = {"numpy": "array_api_compat.numpy", "torch": "array_api_compat.torch"}


@dataclass(frozen=True)
class Arrays:
    """A library of arrays and a device of it.

    Attributes:
        xp: The library's functions, by their names in the standard.
        device: Where arrays are made; None: the library's default.
        is_numpy: Whether it is NumPy.
    """

    xp: Any
    device: Any = None
    is_numpy: bool = True

    @classmethod
    def of(cls, library: str | ModuleType = "numpy", device: str | None = None) -> Arrays:
        """A library by name, or any module with the functions of the standard.

        Raises:
            ConfigError: There is no such library or device, it is not installed, or it lacks a function.
        """
        if isinstance(library, str):
            if library not in KNOWN:
                raise ConfigError(
                    f"arrays must be {' or '.join(KNOWN)}, or a module that keeps the array-API standard, "
                    f"was {library!r}"
                )
            try:
                xp: Any = import_module(KNOWN[library])
            except ImportError:
                raise ConfigError(f"{library} is not installed; run: pip install {library}") from None
        else:
            xp = library
        name = getattr(xp, "__name__", repr(xp)).removeprefix("array_api_compat.")
        missing = [function for function in FUNCTIONS if not hasattr(xp, function)]
        if missing:
            raise ConfigError(
                f"the array library {name} has no {', '.join(missing)}, which the lanes are computed with; "
                f"choose {' or '.join(KNOWN)}, or a library that keeps the array-API standard"
            )
        if device is not None:
            require_device(device, "device")
            if name == "numpy" and device != "cpu":
                raise ConfigError(f"NumPy computes on the cpu, and device is {device!r}; set arrays to torch")
            device = _resolved(device)
        return cls(xp, device, bool(array_api_compat.is_numpy_namespace(xp)))

    def full(self, shape: int | tuple[int, ...], value: float) -> Any:
        """An array of float64 filled with a number."""
        return self.xp.full(shape, value, dtype=self.xp.float64, device=self.device)

    def integers(self, values: Any) -> Any:
        """An array of int64."""
        return self.xp.asarray(values, dtype=self.xp.int64, device=self.device)

    def asarray(self, values: Any) -> Any:
        """Values as an array here, of the type that they have."""
        if self.is_numpy and isinstance(values, np.ndarray):
            return values
        return self.xp.asarray(values, device=self.device)

    def take_in(self, values: np.ndarray[Any, Any]) -> Any:
        """A large NumPy array that is not going to be written to; on the CPU it stays where it is."""
        if self.is_numpy:
            return values
        # A library may refuse to share memory that is marked as read-only: such is copied, once.
        return self.xp.asarray(values if values.flags.writeable else values.copy(), device=self.device)

    def columns(self, numbers: Sequence[Any], dtype: Any) -> Any:
        """Arrays of (n,) as the columns of one: (n, columns)."""
        if not self.is_numpy:
            return self.xp.astype(self.xp.stack(numbers, axis=1), dtype)
        table = np.empty((len(numbers[0]), len(numbers)), dtype)  # a third of the time of stacking and casting
        for i, column in enumerate(numbers):
            table[:, i] = column
        return table

    def columns_at(self, table: Any, rows: Any) -> list[Any]:
        """The columns of some rows of a table, each an array of its own; for numbers that lie far apart but in rows."""
        found = self.xp.take(table, rows, axis=0)
        if self.is_numpy:
            return list(np.ascontiguousarray(found.T))
        return [found[:, i] for i in range(found.shape[1])]


class Windows:
    """Every run of rows of a matrix, made where it is asked for.

    Args:
        arrays: The library of the matrix.
        rows: (rows, columns).
        length: Rows of a window.
    """

    def __init__(self, arrays: Arrays, rows: Any, length: int) -> None:
        self._xp, self._n_columns, self._shape = arrays.xp, rows.shape[1], (-1, length, rows.shape[1])
        self._flat = arrays.xp.reshape(rows, (-1,))
        self._reach = arrays.xp.arange(length * self._n_columns, device=arrays.device)
        # Where the library has views that overlap, a window is one run of memory, which is copied at once.
        self._view: Any = None
        if arrays.is_numpy:
            self._view = sliding_window_view(self._flat, length * self._n_columns)[:: self._n_columns]
        elif array_api_compat.is_torch_namespace(arrays.xp):
            n_windows = rows.shape[0] - length + 1
            self._view = self._flat.as_strided((n_windows, length * self._n_columns), (self._n_columns, 1))

    def starting_at(self, first: Any) -> Any:
        """The windows that begin with these rows: (n,) -> (n, length, columns)."""
        if self._view is not None:
            return self._xp.reshape(self._view[first], self._shape)
        places = self._xp.expand_dims(first * self._n_columns, axis=1) + self._xp.expand_dims(self._reach, axis=0)
        found = self._xp.take(self._flat, self._xp.reshape(places, (-1,)), axis=0)
        return self._xp.reshape(found, self._shape)


def to_numpy(array: Any) -> np.ndarray[Any, Any]:
    """An array of any library and device as NumPy's; NumPy's own as it is."""
    if array_api_compat.is_torch_array(array) or array_api_compat.is_cupy_array(array):
        array = array_api_compat.to_device(array, "cpu")
    return np.asarray(array)


def _resolved(device: str) -> str:
    import torch  # noqa: PLC0415 - most environments are stepped without it

    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def require_device(device: str, name: str) -> None:
    """Check that torch can compute on a device.

    Args:
        device: "cpu", "cuda", "cuda:1", or "auto" for whatever there is.
        name: What the user calls it.

    Raises:
        ConfigError: There is no such device, here or anywhere.
    """
    import torch  # noqa: PLC0415 - most environments are stepped without it

    try:
        kind = "cpu" if device == "auto" else torch.device(device).type
    except RuntimeError:
        raise ConfigError(f"{name} must be cpu, cuda or auto, was {device!r}") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{name} is {device}, but torch finds no CUDA device here; set it to cpu or auto")
