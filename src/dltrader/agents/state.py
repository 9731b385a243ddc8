"""The state of a training between an update and the next bar: all that decides how it goes on.

A state is nested mappings and lists of NumPy arrays and of what JSON can hold; nothing in it is code. Put into fresh
objects of the same configuration, it makes them go on as if there had been no break, on the CPU bit for bit. Its arrays
may share memory with the learner: use it before the training goes on.

- parameters: the networks, those that lag behind included, and what the optimizers remember of their gradients
- counters: bars, updates and what schedules have come to
- seen: what the environments showed last, which the next action answers
- replay: the bars that are remembered, as far as it is filled
- scaling: how large rewards have been
- environments: the episodes that are under way
- generators: where every source of random numbers stands
- own: what a learner adds that has `resume_state() -> State` and `load_resume_state(state)`
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from dltrader.agents.vector import VectorLanes
from dltrader.errors import EnvironmentStateError, RunError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

State = dict[str, Any]
"""Nested mappings and lists of arrays and of what JSON can hold."""

COUNTERS = (
    "num_timesteps",
    "_n_updates",
    "_n_calls",
    "_episode_num",
    "_current_progress_remaining",
    "exploration_rate",
)
"""What Stable-Baselines3's algorithms count; each has some of them."""

SEEN = "_last_obs", "_last_original_obs", "_last_episode_starts"
RECURRENT = "_last_lstm_states"
REMEMBERED = "observations", "next_observations", "actions", "rewards", "dones", "timeouts"
"""The arrays of a replay, (bars of an environment, environments, …)."""


def state_of(learner: BaseAlgorithm, env: VecNormalize) -> State:
    """The state of a training, taken at the start of a rollout; taking it changes nothing and draws nothing.

    Raises:
        EnvironmentStateError: The environments cannot say where they stand.
    """
    return {
        "parameters": _plain(learner.get_parameters()),
        "entropy_weight": _plain(getattr(learner, "log_ent_coef", None)),
        "counters": {name: getattr(learner, name) for name in COUNTERS if hasattr(learner, name)},
        "seen": {name: getattr(learner, name, None) for name in SEEN},
        "recurrent": _plain(getattr(learner, RECURRENT, None)),
        "replay": _replay(getattr(learner, "replay_buffer", None)),
        "scaling": {
            "mean": float(env.ret_rms.mean),
            "variance": float(env.ret_rms.var),
            "count": float(env.ret_rms.count),
            "returns": env.returns,
        },
        "environments": _environments(env.venv),
        "generators": _generators(learner),
        "own": learner.resume_state() if hasattr(learner, "resume_state") else None,
    }


def restore(learner: Any, env: VecNormalize, state: State) -> None:
    """Put a state into a learner and environments that have just been made.

    Args:
        learner: A Stable-Baselines3 algorithm, of which not every one has all that is restored.
        env: What it learns in.
        state: What `state_of` gave of another training of the same configuration.

    Raises:
        RunError: The state is that of something else.
        EnvironmentStateError: The environments do not come to where they stood.
    """
    try:
        learner.set_parameters(_parameters(learner.get_parameters(), state["parameters"]), device=learner.device)
        if state["entropy_weight"] is not None:
            with torch.no_grad():
                learner.log_ent_coef.copy_(torch.tensor(state["entropy_weight"]))
        for name, value in (state["counters"] | state["seen"]).items():
            setattr(learner, name, value)
        if state["recurrent"] is not None:
            actor, critic = _tensors(state["recurrent"], learner.device)
            setattr(learner, RECURRENT, RNNStates(tuple(actor), tuple(critic)))
        if state["replay"] is not None:
            _fill(learner.replay_buffer, state["replay"])
        scaling = state["scaling"]
        env.ret_rms.mean, env.ret_rms.var = np.array(scaling["mean"]), np.array(scaling["variance"])
        env.ret_rms.count, env.returns = scaling["count"], scaling["returns"]
        if state["own"] is not None:
            learner.load_resume_state(state["own"])
        _resume_environments(env.venv, state["environments"])
        # Last: whatever has been drawn on the way here is to be forgotten.
        _resume_generators(learner, state["generators"])
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        if isinstance(error, EnvironmentStateError):
            raise
        words = " ".join(str(error).split())
        raise RunError(
            f"the saved state does not fit this training ({type(error).__name__}: {words:.200}); "
            "resume it with the version of dltrader that wrote it"
        ) from error


def _plain(value: Any) -> Any:
    """Tensors as arrays, keys as words, tuples as lists."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _tensors(value: Any, device: torch.device) -> Any:
    """Arrays as tensors of their own memory."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value, device=device)
    if isinstance(value, dict):
        return {key: _tensors(part, device) for key, part in value.items()}
    return [_tensors(part, device) for part in value] if isinstance(value, list) else value


def _parameters(fresh: dict[str, Any], saved: State) -> dict[str, Any]:
    """What `set_parameters` takes: of an optimizer what it has learned, and no option, for the configuration has them.

    Raises:
        KeyError: One of them has no state.
    """
    found: dict[str, Any] = {}
    for name, part in fresh.items():
        tensors = _tensors(saved[name], torch.device("cpu"))
        if "param_groups" not in part:
            found[name] = tensors
            continue
        groups = [
            group | {"lr": old["lr"]} for group, old in zip(part["param_groups"], tensors["param_groups"], strict=True)
        ]
        moments = {int(index): moment for index, moment in tensors["state"].items()}
        found[name] = {"state": moments, "param_groups": groups}
    return found


def _replay(buffer: Any) -> State | None:
    if buffer is None:
        return None
    filled = slice(None if buffer.full else buffer.pos)
    parts = {name: _cut(getattr(buffer, name), filled) for name in REMEMBERED}
    return {"position": buffer.pos, "full": buffer.full, "parts": parts}


def _cut(part: Any, filled: slice) -> Any:
    return {key: array[filled] for key, array in part.items()} if isinstance(part, dict) else part[filled]


def _fill(buffer: Any, saved: State) -> None:
    """Put bars back into a replay.

    Raises:
        ValueError: They are not of its shape.
    """
    buffer.pos, buffer.full = saved["position"], saved["full"]
    for name, part in saved["parts"].items():
        into = _cut(getattr(buffer, name), slice(None if buffer.full else buffer.pos))
        for target, source in zip(_leaves(into), _leaves(part), strict=True):
            if target.shape != source.shape:
                raise ValueError(f"{name} of the replay have the shape {target.shape}, those saved {source.shape}")
            target[...] = source


def _leaves(part: Any) -> list[Any]:
    return [part[key] for key in sorted(part)] if isinstance(part, dict) else [part]


def _environments(env: VecEnv) -> Any:
    if isinstance(env, VectorLanes):
        return env.state()
    return [each.state() for each in _each(env)]


def _resume_environments(env: VecEnv, saved: Any) -> None:
    if isinstance(env, VectorLanes):
        env.load_state(saved)
    else:
        env.reset_infos = [each.load_state(one) for each, one in zip(_each(env), saved, strict=True)]


def _each(env: VecEnv) -> list[Any]:
    """The environments that are stepped one by one.

    Raises:
        EnvironmentStateError: They cannot say where they stand.
    """
    each: list[Any] = list(env.envs) if isinstance(env, DummyVecEnv) else [env]
    for one in each:
        if not hasattr(one, "load_state"):
            raise EnvironmentStateError(
                f"{type(one).__name__} has no state() and load_state(), so a training in it cannot be resumed"
            )
    return each


def _generators(learner: BaseAlgorithm) -> State:
    on_gpu = learner.device.type == "cuda"
    return {
        "python": _plain(random.getstate()),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002 - the generator that Stable-Baselines3 uses
        "torch": torch.get_rng_state().numpy(),
        "cuda": [state.numpy() for state in torch.cuda.get_rng_state_all()] if on_gpu else [],
        "actions": learner.action_space.np_random.bit_generator.state,
    }


def _resume_generators(learner: BaseAlgorithm, saved: State) -> None:
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(saved["numpy"])  # noqa: NPY002 - as above
    torch.set_rng_state(torch.tensor(saved["torch"]))
    if saved["cuda"]:
        torch.cuda.set_rng_state_all([torch.tensor(state) for state in saved["cuda"]])
    learner.action_space.np_random.bit_generator.state = saved["actions"]
