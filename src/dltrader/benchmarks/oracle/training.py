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
from dltrader.benchmarks.oracle.curves import Curves, curves_of, learned_curve
from dltrader.benchmarks.oracle.environment import OracleVectorEnv
from dltrader.benchmarks.oracle.prices import Engine
from dltrader.benchmarks.oracle.score import (
    TEST_SEED,
    TUNING_SEED,
    common_paths,
    score,
)
from dltrader.benchmarks.oracle.signals import Array
from dltrader.benchmarks.oracle.tasks import TASKS, Task
from dltrader.config import Config, named, read_yaml
from dltrader.evaluation.statistics.seeds import interquartile_mean, seeds_interval
from dltrader.runs.experiment import shipped_configs


class Setting(Config):
    """An agent on a task, and how long it learns."""

    task: Annotated[SerializeAsAny[Task], named(TASKS)] = Field(description="What is learned")
    agent: Annotated[SerializeAsAny[AgentConfig], named(AGENTS)] = Field(description="What learns")
    total_timesteps: int = Field(1_000_000, ge=1, description="Steps of all lanes together")
    lanes: int = Field(128, ge=1, description="Environments stepped side by side")
    window_bars: int = Field(1, ge=1, le=256, description="Numbers of the market in an observation")
    episode_steps: int = Field(256, ge=1, description="Steps of an episode")
    cheap_share: float = Field(
        0.0, ge=0, lt=1, description="Share of the training over which costs rise from nothing to the task's"
    )

    @property
    def agent_label(self) -> str:
        """Agent and extractor, and whether it names bands."""
        return f"{self.agent.label}, band" if self.task.band else self.agent.label


class Trained(NamedTuple):
    """What one seed came to.

    Attributes:
        fraction: The last policy's share of the optimum on the common test paths.
        optimum: What the optimal policy reaches there: reward per step; of `ritter` the Sharpe ratio.
        seconds: How long training and scoring took.
        curve: (3, points) the positions that the last policy takes, as `learned_curve` says.
    """

    fraction: float
    optimum: float
    seconds: float
    curve: Array


@dataclass(frozen=True)
class Standing:
    """How much of the optimum an agent reaches on a task.

    Attributes:
        name: Of the setting.
        task: Label of the task.
        agent: The agent and its extractor.
        fractions: Shares of the optimum, one a training seed.
        optimum: What the optimal policy reaches on the common test paths: reward per step; of `ritter` a Sharpe ratio.
        steps: Steps of each training.
        seconds: Mean seconds of one, scoring included.
        curves: The positions that the last policies take at each signal, and the optimal ones.
    """

    name: str
    task: str
    agent: str
    fractions: tuple[float, ...]
    optimum: float
    steps: int
    seconds: float
    curves: Curves

    @property
    def fraction(self) -> float:
        """The interquartile mean over seeds."""
        return interquartile_mean(self.fractions)

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % bootstrap interval."""
        found = seeds_interval(self.fractions)
        return found.low, found.high

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        reached = {"fraction": self.fraction, "interval": list(self.interval)}
        return asdict(self) | reached | {"curves": self.curves.to_mapping()}


def shipped_settings() -> dict[str, Setting]:
    """The settings that come with the library, by the names of their files."""
    return {name: Setting.from_mapping(read_yaml(file)) for name, file in shipped_configs("oracle").items()}


def train_on(setting: Setting, seed: int) -> Any:
    """Train an agent on a task; the network after the last update, whose `predict` is that of every policy."""
    envs = OracleVectorEnv(
        setting.task,
        setting.lanes,
        window_bars=setting.window_bars,
        episode_steps=setting.episode_steps,
        cheap_steps=round(setting.cheap_share * setting.total_timesteps),
    )
    lanes = VectorLanes(envs, options={"stagger": True})
    return learn(setting.agent, lanes, total_timesteps=setting.total_timesteps, seed=seed)


def trained(setting: Setting, seed: int, engine: Engine | None = None, *, tuning: bool = False) -> Trained:
    """Train with one seed, and score the last policy on the common test paths, or those to tune on."""
    started = time.perf_counter()
    network = train_on(setting, seed)
    paths = common_paths(setting.task, seed=TUNING_SEED if tuning else TEST_SEED)
    with torch_threads():
        found = score(network, setting.task, window_bars=setting.window_bars, paths=paths, engine=engine)
        seconds = time.perf_counter() - started
        curve = learned_curve(network, setting.task, window_bars=setting.window_bars)
    return Trained(found.fraction, float(found.optimum.mean()), seconds, curve)


def measure_oracle(
    settings: Iterable[tuple[str, Setting]],
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    engine: Engine | None = None,
    tuning: bool = False,
    watch: Callable[[str, int, float], Any] = lambda *_: None,
) -> list[Standing]:
    """Train every setting with every seed, and score the last policies.

    Args:
        settings: By name.
        seeds: Of weights, actions and paths of training; the test paths are common to all.
        jobs: Processes; what comes out does not depend on how many.
        engine: What the last policies are scored in, as `score` says; all give the same.
        tuning: Whether to score on other paths than those of the test, for settings are not to be chosen by these.
        watch: Called with each setting's name, seed and fraction of the optimum.
    """
    chosen = dict(settings)
    found: dict[tuple[str, int], Trained] = {}
    spawn = multiprocessing.get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        waiting = {
            pool.submit(trained, chosen[name], seed, engine, tuning=tuning): (name, seed)
            for name in chosen
            for seed in seeds
        }
        for done in as_completed(waiting):
            name, seed = waiting[done]
            found[name, seed] = done.result()
            watch(name, seed, found[name, seed].fraction)
    return [
        Standing(
            name=name,
            task=setting.task.label,
            agent=setting.agent_label,
            fractions=tuple(found[name, seed].fraction for seed in seeds),
            optimum=found[name, seeds[0]].optimum,
            steps=setting.total_timesteps,
            seconds=float(np.mean([found[name, seed].seconds for seed in seeds])),
            curves=curves_of(setting.task, [found[name, seed].curve for seed in seeds]),
        )
        for name, setting in chosen.items()
    ]
