"""What a training takes of a machine, said before it begins."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from dltrader.agents.bars import BarSpace
from dltrader.envs.contract import observation_space
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import Experiment

PROCESS_BYTES = 600 * 2**20
"""What a training takes beside its bars: 460 MiB were measured with torch on the CPU and a small network."""
NUMBER_BYTES = 80
"""What a training takes for each number of a bar, prices and features: 65 bytes were measured at its peak."""
PRICES = 5


class Needs:
    """What trainings take; bars that several have in common are loaded once."""

    def __init__(self) -> None:
        self._bars: dict[str, tuple[int, int]] = {}

    def bytes_of(self, experiment: Experiment) -> int:
        """About how much memory a training takes: its process, its bars, and what its agent keeps of the past.

        Raises:
            BarsError, ConfigError, SourceError: The bars cannot be had.
        """
        data = experiment.data.model_dump_json()
        if data not in self._bars:
            frames = experiment.data.load()
            self._bars[data] = sum(len(frame) for frame in frames.values()), len(frames)
        return bytes_for(experiment, *self._bars[data])


def bytes_for(experiment: Experiment, n_bars: int, n_instruments: int) -> int:
    """About how much memory a training on so many bars takes; that of an ensemble as much as a member's of its own."""
    features = len(experiment.env.features)
    kept = 0
    if isinstance(experiment, ExperimentConfig):
        together = 1 if experiment.data.apart else n_instruments
        kept = experiment.agent.kept_bytes(
            _observed(experiment, features, together), experiment.env.action_space(together)
        )
    return PROCESS_BYTES + NUMBER_BYTES * (PRICES + features) * n_bars + kept


def on_gpu(experiment: Experiment) -> bool:
    """Whether a training asks for a GPU by name."""
    return isinstance(experiment, ExperimentConfig) and experiment.train.device.startswith("cuda")


def _observed(experiment: ExperimentConfig, features: int, n_instruments: int) -> spaces.Dict:
    """What an agent is shown: windows by backtrader's own engine, bars by name by the vectorised one."""
    env = experiment.env
    shown = observation_space(
        env.window_bars, features * n_instruments, n_instruments, clip=None, leverage=env.leverage
    )
    if experiment.train.engine == "cerebro":
        return shown
    window = shown["market"]
    assert isinstance(window, spaces.Box)
    named = BarSpace(np.zeros((1, window.shape[1]), np.float32), window)
    return spaces.Dict({"market": named, "account": shown["account"]})
