"""Trainings and policies for the tests: so small that they learn nothing, and take a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch

from dltrader.agents import AGENTS
from dltrader.agents.trained import TrainedPolicy
from dltrader.config import override
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from market_bars import random_walk

ENV = {"window_bars": 4, "features": ["log_return", "range"], "scaling": "train"}
NETWORK = {"extractor": {"name": "mlp", "hidden": [8]}, "hidden": [8]}
ROLLOUT = NETWORK | {"n_steps": 64, "batch_size": 64}
REPLAY = NETWORK | {"replay_bars": 500, "learning_starts": 32, "batch_size": 16, "gradient_steps_per_bar": 0.25}
SIZES = {
    "ppo": ROLLOUT,
    "recurrent_ppo": ROLLOUT,
    "a2c": NETWORK,
    "sac": REPLAY,
    "dqn": REPLAY | {"target_update_bars": 64},
    "qrdqn": REPLAY | {"target_update_bars": 64, "n_quantiles": 5},
    "q_table": {"bins": 2, "learning_starts": 32},
}
AGENT = {"name": "ppo"} | ROLLOUT
EXPERIMENT = {
    "name": "small",
    "data": {"bars": "synthetic:gbm?n=300&sigma=0.3&seed=5"},
    "env": ENV,
    # A linear schedule ends at a step size of zero: the second of two updates would change nothing.
    "agent": AGENT | {"n_epochs": 2, "schedule": "constant"},
    "train": {"total_timesteps": 256, "n_envs": 2, "evaluate_every": 128},
}


def experiment(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The small experiment, with dotted keys replaced: four rollouts' worth of bars, two updates."""
    return override(EXPERIMENT, changes or {})


def agent_of(**changes: Any) -> Any:
    """A small agent's configuration."""
    name = str(changes.get("name", "ppo"))
    return AGENTS[name].from_mapping({"name": name} | SIZES.get(name, {}) | changes)


def reading(name: str, extractor: str, **sizes: Any) -> dict[str, Any]:
    """The part of an agent's configuration that says how it reads the market; nothing for those without a network."""
    return {"extractor": {"name": extractor} | sizes} if "extractor" in AGENTS[name].model_fields else {}


def agents_with(extractors: Iterable[str]) -> list[tuple[str, str]]:
    """Every agent with each of these extractors; one that has no use for them comes once."""
    each = list(extractors)
    return [(name, one) for name in AGENTS for one in (each if reading(name, each[0]) else each[:1])]


def action_of(name: str) -> str:
    """An action scheme on which an agent can act."""
    return "target_weight" if name == "sac" else "target_position"


def experiment_of(name: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The small experiment with another agent, on actions that fit it."""
    agent = {"name": name} | SIZES.get(name, {})
    return override(experiment({"agent": agent, "env.action": action_of(name)}), changes or {})


def market_of(n_instruments: int = 1, **env: Any) -> tuple[Market, EnvConfig]:
    """Random bars with the environment's configuration."""
    config = EnvConfig.from_mapping(ENV | env)
    names = ["asset"] if n_instruments == 1 else [f"asset{i}" for i in range(n_instruments)]
    return Market.build({name: random_walk(160, seed) for seed, name in enumerate(names)}, config), config


def makers(n_envs: int = 2, **env: Any) -> list[Any]:
    """Makers of environments on random bars."""
    market, config = market_of(**env)
    return [partial(TradingEnv, market, config)] * n_envs


def untrained(seed: int = 0, *, n_instruments: int = 1, agent: Mapping[str, Any] | None = None, **env: Any) -> Any:
    """A policy whose weights were drawn and never learned; large ones, so that it does not always act alike."""
    chosen = agent_of(**(agent or {}))
    market, config = market_of(n_instruments, **{"action": action_of(chosen.name)} | env)
    torch.manual_seed(seed)
    network = TrainedPolicy.network_for(chosen, config, market.pipeline, n_instruments)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.copy_(torch.randn(tensor.shape))
    network.set_training_mode(False)
    return TrainedPolicy(chosen, config, market.pipeline, market.instruments, network)


def observations(policy: TrainedPolicy, n: int, seed: int = 0) -> dict[str, Any]:
    """A batch of observations drawn from the policy's space."""
    space = policy.observation_space
    space.seed(seed)
    drawn = [space.sample() for _ in range(n)]
    return {key: torch.stack([torch.as_tensor(one[key]) for one in drawn]).numpy() for key in drawn[0]}
