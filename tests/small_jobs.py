"""What processes are given to do in the tests: it loads no torch, so that a process takes half a second."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def settings(argument: Any) -> tuple[Any, list[str], str | None, bool]:
    """What a call finds around it."""
    return argument, sys.argv, os.environ.get("OMP_NUM_THREADS"), "small_plugin" in sys.modules


def complain(argument: str) -> None:
    """Say something, and fail."""
    print("before it failed")  # noqa: T201
    raise ValueError(argument)


def leave(code: int) -> None:
    """End the process without a word to Python."""
    print("before it left")  # noqa: T201
    os._exit(code)


def kill_itself(argument: None) -> None:
    """What a kernel without memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang_here(seconds: float) -> None:
    """Take long."""
    time.sleep(seconds)


def wait_for_ctrl_c(folder: str) -> None:
    """Say that it has begun, and keep what it has when it is interrupted."""
    Path(folder, "begun").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        Path(folder, "kept").touch()


def ignore_ctrl_c(folder: str) -> None:
    """Say that it has begun, and go on whatever happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path(folder, "begun").write_text(str(os.getpid()))
    time.sleep(60)
