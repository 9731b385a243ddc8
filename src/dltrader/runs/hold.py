"""Holding a run: no two processes train into one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from dltrader.errors import RunError


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold a file for this process as long as the block runs; it ends with the process, however that does.

    Where the system has no such locks, as on Windows and on some network drives, nothing is held.

    Raises:
        RunError: Another process holds it.
    """
    try:
        locks: Any = import_module("fcntl")
    except ImportError:
        yield
        return
    with file.open("rb") as opened:
        try:
            locks.flock(opened, locks.LOCK_EX | locks.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"{file.parent} is being trained by another process; wait until it has ended, or stop it first"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
