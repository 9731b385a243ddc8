"""A task as a plain array environment: many lanes, NumPy, no prices and no broker."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from dltrader.benchmarks.oracle.observation import observation_space, observe, windows_of
from dltrader.benchmarks.oracle.signals import Array
from dltrader.benchmarks.oracle.tasks import Task
from dltrader.errors import ConfigError, EnvironmentStateError


class OracleVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Lanes of a task whose optimum is known, stepped together.

    Description:
        Every lane plays the task on a path of its own, drawn from the stationary law of its signal.

    Timing:
        The agent sees what is shown up to now, takes its position, pays for the move, and earns what the position
        earns over the step. Of a hidden signal the newest return shown is the one that was earned last.

    Action Space:
        Discrete over the positions (`ritter`: over the trades), or a Box in [-1, 1] scaled to the largest position;
        with `task.band` over bands of positions, as `TargetUnits` says.

    Observation Space:
        As `observation.observation_space` says.

    Rewards:
        As the task says, of what a unit is paid: where the signal is hidden, of the noisy return.

    Starting State:
        No position. `reset(seed=…)` is the only source of randomness.

    Episode End:
        Truncated after a fixed number of steps; the lane begins the next episode in the same step, and the last
        observation and info lie in `info["final_obs"]` and `info["final_info"]`, as Gymnasium's same-step autoreset
        says. `info` carries `position`, (lanes,).

    Version History:
        No id is registered.

    Args:
        task: What is played.
        num_envs: Lanes.
        window_bars: How many numbers of the market an observation holds.
        episode_steps: Steps of an episode.
        cheap_steps: Steps, of all lanes together, over which costs rise from nothing to the task's: who learns at full
            costs from the start learns that moves cost before learning what they are good for, and never moves again.

    Raises:
        ConfigError: A number is below 1.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012 - Gymnasium types it so

    def __init__(
        self,
        task: Task,
        num_envs: int = 1,
        *,
        window_bars: int = 32,
        episode_steps: int = 256,
        cheap_steps: int = 0,
    ) -> None:
        for name, number in {"num_envs": num_envs, "window_bars": window_bars, "episode_steps": episode_steps}.items():
            if number < 1:
                raise ConfigError(f"{name} must be at least 1, was {number}")
        self.task, self.num_envs = task, num_envs
        self.window_bars, self.episode_steps = window_bars, episode_steps
        self._cheap_steps, self._steps = cheap_steps, 0
        self.single_action_space: Any = task.action_space
        self.single_observation_space: Any = observation_space(window_bars)
        self.action_space: Any = batch_space(self.single_action_space, num_envs)
        self.observation_space: Any = batch_space(self.single_observation_space, num_envs)
        self._shown = np.zeros((num_envs, window_bars + episode_steps), np.float32)
        self._windows = windows_of(self._shown, window_bars)  # (lanes, steps + 1, window), a view
        self._paid = np.zeros((num_envs, episode_steps))
        self._held = np.zeros(num_envs)
        self._now = np.zeros(num_envs, np.int64)
        self._last = np.full(num_envs, episode_steps)
        self._each = np.arange(num_envs)
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin an episode on every lane.

        Args:
            seed: Of all paths that are drawn from now on; one number, for the lanes share one generator.
            options: `{"reset_mask": (lanes,) bool}` begins only those; `{"stagger": True}` cuts the episodes that begin
                now to lengths spread evenly up to the whole, so that the lanes do not all end at once ever after.

        Raises:
            ConfigError: There is a list of seeds.
        """
        if seed is not None and not isinstance(seed, int | np.integer):
            raise ConfigError(f"the lanes share one generator; pass one seed, was {seed!r}")
        super().reset(seed=None if seed is None else int(seed))
        options = options or {}
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs)), bool)
        self._begin(mask)
        if options.get("stagger"):
            count = int(mask.sum())
            self._last[mask] = np.maximum(self.episode_steps * np.arange(1, count + 1) // count, 1)
        self._running = True
        return self._observe(), self._info()

    def step(self, actions: Any) -> tuple[dict[str, Array], Array, Array, Array, dict[str, Any]]:
        """One action and one step on every lane.

        Raises:
            EnvironmentStateError: There was no reset.
            ActionError: An action lies outside the space; nothing has happened.
        """
        if not self._running:
            raise EnvironmentStateError("step() was called before reset(); call reset() first")
        position = self.task.position_of(actions, self._held)
        share = min(self._steps / self._cheap_steps, 1.0) if self._cheap_steps else 1.0
        rewards = self.task.rewards(self._paid[self._each, self._now], self._held, position, costs=share)
        self._steps += self.num_envs
        self._held = position
        self._now += 1
        truncated = self._now == self._last
        terminated = np.zeros(self.num_envs, bool)
        observation, info = self._observe(), self._info()
        if truncated.any():
            final = {"final_obs": observation, "_final_obs": truncated, "final_info": info, "_final_info": truncated}
            self._begin(truncated)
            observation, info = self._observe(), self._info() | final
        return observation, rewards, terminated, truncated, info

    def _begin(self, mask: Array) -> None:
        """Draw a path for every lane of the mask."""
        paths = self.task.sample(self.np_random, int(mask.sum()), self.episode_steps, self.window_bars)
        self._shown[mask], self._paid[mask] = paths.shown, paths.paid
        # A new array, for the old one may have been handed out.
        self._held = np.where(mask, 0.0, self._held)
        self._now[mask], self._last[mask] = 0, self.episode_steps

    def _observe(self) -> dict[str, Array]:
        return observe(self.task, self._windows[self._each, self._now], self._held)

    def _info(self) -> dict[str, Any]:
        return {"position": self._held}
