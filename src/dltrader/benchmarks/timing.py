"""Timing on a machine that others use too: what is compared is measured in turn, and the median counts."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def seconds(run: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def medians(tasks: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """The median of what each task measures, over repeats in which every task has its turn."""
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, measure in tasks.items():
            gc.collect()  # what one task leaves behind is not to be swept up in the time of the next
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}
