"""Training on tasks whose optimum is known: what is trained, and how much of the optimum it reaches over seeds."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, SerializeAsAny

from dltrader.agents.config import AGENTS, AgentConfig
from dltrader.agents.learning import learn
from dltrader.agents.threads import torch_threads
from dltrader.agents.vector import VectorLanes
from dltrader.benchmarks.oracle.environment import OracleVectorEnv
from dltrader.benchmarks.oracle.score import bootstrap_interval, interquartile_mean, score
from dltrader.benchmarks.oracle.tasks import TASKS, Task
from dltrader.config import Config, named, read_yaml
from dltrader.runs.experiment import shipped_configs


class Setting(Config):
    """An agent on a task, and how long it learns."""

    task: Annotated[SerializeAsAny[Task], named(TASKS)] = Field(description="What is learned")
    agent: Annotated[SerializeAsAny[AgentConfig], named(AGENTS)] = Field(description="What learns")
    total_timesteps: int = Field(1_000_000, ge=1, description="Steps of all lanes together")
    lanes: int = Field(128, ge=1, description="Environments stepped side by side")
    window_bars: int = Field(1, ge=1, le=256, description="Numbers of the market in an observation")
    episode_steps: int = Field(256, ge=1, description="Steps of an episode")


class Trained(NamedTuple):
    """What one seed came to: the last policy's share of the optimum on the common test paths, and how long it took."""

    fraction: float
    seconds: float


@dataclass(frozen=True)
class Standing:
    """How much of the optimum an agent reaches on a task.

    Attributes:
        name: Of the setting.
        task: Label of the task.
        agent: The agent and its extractor.
        fractions: Shares of the optimum, one a training seed.
        steps: Steps of each training.
        seconds: Mean seconds of one, scoring included.
    """

    name: str
    task: str
    agent: str
    fractions: tuple[float, ...]
    steps: int
    seconds: float

    @property
    def fraction(self) -> float:
        """The interquartile mean over seeds."""
        return interquartile_mean(np.array(self.fractions))

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % bootstrap interval."""
        return bootstrap_interval(np.array(self.fractions))

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self) | {"fraction": self.fraction, "interval": list(self.interval)}


def shipped_settings() -> dict[str, Setting]:
    """The settings that come with the library, by the names of their files."""
    return {name: Setting.from_mapping(read_yaml(file)) for name, file in shipped_configs("oracle").items()}


def train_on(setting: Setting, seed: int) -> Any:
    """Train an agent on a task; the network after the last update, whose `predict` is that of every policy."""
    envs = OracleVectorEnv(
        setting.task, setting.lanes, window_bars=setting.window_bars, episode_steps=setting.episode_steps
    )
    lanes = VectorLanes(envs, options={"stagger": True})
    return learn(setting.agent, lanes, total_timesteps=setting.total_timesteps, seed=seed)


def trained(setting: Setting, seed: int) -> Trained:
    """Train with one seed, and score the last policy on the common test paths."""
    started = time.perf_counter()
    network = train_on(setting, seed)
    with torch_threads():
        found = score(network, setting.task, window_bars=setting.window_bars)
    return Trained(found.fraction, time.perf_counter() - started)


def measure_oracle(
    settings: Iterable[tuple[str, Setting]],
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    watch: Callable[[str, int, float], Any] = lambda *_: None,
) -> list[Standing]:
    """Train every setting with every seed, and score the last policies.

    Args:
        settings: By name.
        seeds: Of weights, actions and paths of training; the test paths are common to all.
        jobs: Processes; what comes out does not depend on how many.
        watch: Called with each setting's name, seed and fraction of the optimum.
    """
    chosen = dict(settings)
    found: dict[tuple[str, int], Trained] = {}
    spawn = multiprocessing.get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        waiting = {pool.submit(trained, chosen[name], seed): (name, seed) for name in chosen for seed in seeds}
        for done in as_completed(waiting):
            name, seed = waiting[done]
            found[name, seed] = done.result()
            watch(name, seed, found[name, seed].fraction)
    return [
        Standing(
            name=name,
            task=setting.task.label,
            agent=f"{setting.agent.name} ({setting.agent.extractor.name})",
            fractions=tuple(found[name, seed].fraction for seed in seeds),
            steps=setting.total_timesteps,
            seconds=float(np.mean([found[name, seed].seconds for seed in seeds])),
        )
        for name, setting in chosen.items()
    ]
