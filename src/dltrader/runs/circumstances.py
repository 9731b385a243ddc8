"""The circumstances of a training, for its manifest: what was typed, with which versions, and when."""

from __future__ import annotations

import datetime as dt
import platform
import sys
from importlib import metadata
from pathlib import Path

import dltrader

RECORDED_PACKAGES = ("backtrader", "gymnasium", "numpy", "pandas", "sb3-contrib", "stable-baselines3", "ta", "torch")


def command() -> list[str]:
    """What was typed."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def versions() -> dict[str, str]:
    """Of this library, of Python, and of packages that results depend on."""
    found = {name: metadata.version(name) for name in RECORDED_PACKAGES}
    return {"dltrader": dltrader.__version__, "python": platform.python_version()} | found


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
