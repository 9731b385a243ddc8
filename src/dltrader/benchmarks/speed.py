"""Speed: how many bars a second are stepped and learned from, what it takes in memory, and how both grow."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from dltrader.benchmarks.lanes_speed import LANES, market_of, stepping_tasks
from dltrader.benchmarks.learning_speed import EXTRACTORS, WAYS, learning_tasks, together_task
from dltrader.benchmarks.peak import peak_of_training
from dltrader.benchmarks.timing import medians
from dltrader.envs.contract import EnvConfig

GROWTH = (2_000, 20_000, 200_000, 1_000_000)
GROWING_LANES = 1_024
TOGETHER = 8
PEAK = {"bars": 1_000_000, "features": 64, "lanes": 256, "n_steps": 512}

QUICK: Mapping[str, Any] = {
    "repeats": 1,
    "growth": GROWTH[:2],
    "lanes": LANES[:3],
    "peak": {"bars": 20_000, "features": 8, "lanes": 64, "n_steps": 32},
}
"""For a first look: what is measured less often, and on smaller sizes."""


@dataclass(frozen=True)
class Speed:
    """Medians over interleaved repeats; of everything an order on every bar, windows of 32 bars with 16 features.

    Attributes:
        machine: Cores and versions.
        bars: Bars of the market, but in `growth`.
        repeats: How often each was measured.
        stepping: What is stepped -> bars per second, over all lanes.
        learning: Extractor -> way of learning -> bars per second, updates included.
        growth: What is stepped or learned -> bars of the market -> microseconds per bar.
        peak: Sizes of a training, and the bytes that its process took at the peak.
    """

    machine: Mapping[str, str]
    bars: int
    repeats: int
    stepping: Mapping[str, float]
    learning: Mapping[str, Mapping[str, float]]
    growth: Mapping[str, Mapping[int, float]]
    peak: Mapping[str, int]

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self)


def measure_speed(
    *,
    bars: int = 3_000,
    repeats: int = 3,
    growth: Sequence[int] = GROWTH,
    lanes: Sequence[int] = LANES,
    peak: Mapping[str, int] = PEAK,
    watch: Callable[[str], Any] = lambda _: None,
) -> Speed:
    """Measure it all; about eight minutes on two cores.

    Args:
        bars: Bars of the market, at least 1 500.
        repeats: How often each is measured.
        growth: Numbers of bars over which growth is measured.
        lanes: Numbers of lanes.
        peak: Sizes of the training whose memory is measured: bars, features, lanes, n_steps.
        watch: Called with what is measured next.
    """
    config = EnvConfig(random_start=True, episode_bars=250)
    watch("stepping")
    market = market_of(bars, config)
    stepping = medians(stepping_tasks(market, lanes), repeats)
    learning = {}
    for extractor in EXTRACTORS:
        watch(f"learning with {extractor}")
        learning[extractor] = medians(learning_tasks(market, extractor, config), repeats)
    watch("growth")
    grown = _growth(growth, config, repeats)
    watch("memory")
    return Speed(
        machine=_machine(),
        bars=bars,
        repeats=repeats,
        stepping=stepping,
        learning=learning,
        growth=grown,
        peak={**peak, "bytes": peak_of_training(**peak)},
    )


def _growth(sizes: Sequence[int], config: EnvConfig, repeats: int) -> dict[str, dict[int, float]]:
    """Microseconds per bar on markets of different sizes, which take turns."""
    tasks: dict[str, Callable[[], float]] = {}
    for bars in sizes:
        market = market_of(bars, config)
        stepped = stepping_tasks(market, [GROWING_LANES])
        learned = learning_tasks(market, "mlp", config)
        chosen = {name: stepped[name] for name in stepped if name != "bare Cerebro"}
        chosen["PPO, mlp"] = learned[WAYS[-1]]
        chosen[f"PPO, mlp, {TOGETHER} lanes an episode"] = together_task(market, "mlp", config, TOGETHER)
        tasks |= {f"{bars}:{name}": task for name, task in chosen.items()}
    found: dict[str, dict[int, float]] = {}
    for label, speed in medians(tasks, repeats).items():
        size, _, name = label.partition(":")
        found.setdefault(name, {})[int(size)] = 1e6 / speed
    return found


def _machine() -> dict[str, str]:
    packages = ("numpy", "torch", "stable_baselines3", "backtrader", "gymnasium")
    versions = {name.replace("_", "-"): metadata.version(name) for name in packages}
    return {"cores": str(os.cpu_count()), "python": platform.python_version()} | versions
