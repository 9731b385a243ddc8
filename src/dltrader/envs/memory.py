"""Memory: whether as many lanes as were asked for can be had, before they are made."""

from __future__ import annotations

from typing import Any

import psutil

from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError

NUMBERS_A_LANE = 60
"""Numbers of 8 bytes that a step holds at once for a lane and an instrument: accounts, prices, orders and between."""


def lane_bytes(config: EnvConfig, n_instruments: int, n_features: int, *, windows: bool) -> int:
    """About how many bytes a lane takes; with windows there are two, the last of an episode and the first of the next.

    Args:
        config: Says how long a window is.
        n_instruments: Instruments traded together.
        n_features: Columns of a window.
        windows: Whether windows are assembled.
    """
    seen = 2 * 4 * config.window_bars * n_features if windows else 0
    return 8 * NUMBERS_A_LANE * n_instruments + seen


def require_memory(n_lanes: int, bytes_each: int, what: str = "take", device: Any = None) -> None:
    """Check that so many lanes fit into the memory that is free.

    Args:
        n_lanes: Lanes wanted.
        bytes_each: What one takes.
        what: Of what it is taken, as the message is to say.
        device: Where they live; None or "cpu": in this machine's memory.

    Raises:
        ConfigError: They do not fit.
    """
    needed, free = n_lanes * bytes_each, free_bytes(device)
    if needed > free:
        raise ConfigError(
            f"{n_lanes} lanes {what} about {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free; "
            f"at most {free // bytes_each} lanes fit"
        )


def free_bytes(device: Any = None) -> int:
    """Memory that can be had, of this machine or of a GPU of it."""
    if device is not None and str(device).startswith("cuda"):
        import torch  # noqa: PLC0415 - only who asks for its devices has to load it

        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
