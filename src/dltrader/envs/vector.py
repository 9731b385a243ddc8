"""The fast twin: `TradingEnv` many times over and without Cerebro, the same market on every bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pandas as pd
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from dltrader.envs.contract import EnvConfig, Observation, observation_space
from dltrader.envs.lanes import Bars, Lanes
from dltrader.envs.ledger import Execution
from dltrader.envs.market import BarsLike, Market
from dltrader.errors import ConfigError, EnvironmentStateError
from dltrader.features import FittedPipeline

Flags = npt.NDArray[np.bool_]


class TradingVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many lanes of a market, stepped together; spaces, timing, rewards and accounts are those of `TradingEnv`.

    A lane whose episode has ended begins the next one in the same step: its observation is the new episode's first, and
    the old one's last lies in `info["final_obs"]`, as Gymnasium's same-step autoreset says.

    `info` carries arrays over lanes, for several instruments (lanes, instruments): `time` (UTC), `close`, `equity`,
    `cash`, `position`, and of the bar's orders `filled` and `refused` (signed units), `fill_price` and `commission`.

    Args:
        bars: A frame, a source URI, a mapping of instrument names to either, or a `Market`.
        num_envs: Lanes.
        config: An `EnvConfig` or a mapping with its fields.
        pipeline: Computes the features instead of one fitted on these bars.
        start: No decision before this time; earlier bars only warm the features up.
        windows: Whether observations hold the window itself as `market`, as those of `TradingEnv` do; without, they
            hold the index of its last bar as `bar`, and whoever looks takes the window from `lanes.features`.

    Raises:
        BarsError: The bars break their rules, or are too few.
        ConfigError: The configuration contradicts itself.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012 - Gymnasium types it so

    def __init__(
        self,
        bars: BarsLike | Market,
        num_envs: int = 1,
        config: EnvConfig | Mapping[str, Any] | None = None,
        *,
        pipeline: FittedPipeline | None = None,
        start: str | pd.Timestamp | None = None,
        windows: bool = True,
    ) -> None:
        if num_envs < 1:
            raise ConfigError(f"num_envs must be at least 1, was {num_envs}")
        self.config = config if isinstance(config, EnvConfig) else EnvConfig.from_mapping(config or {})
        if not isinstance(bars, Market):
            bars = Market.build(bars, self.config, pipeline=pipeline, start=start)
        self.market = bars
        self.num_envs = num_envs
        self.lanes = Lanes(self.market, self.config, num_envs)
        n_instruments = len(self.market.instruments)
        self.single_action_space: Any = self.config.action_space(n_instruments)
        self.single_observation_space: Any = observation_space(
            self.config.window_bars,
            self.market.features.shape[1],
            n_instruments,
            clip=self.market.pipeline.clip,
            leverage=self.config.leverage,
        )
        self._windows = windows
        if not windows:
            account = self.single_observation_space["account"]
            self.single_observation_space = spaces.Dict({"bar": spaces.Discrete(len(bars)), "account": account})
        self.action_space: Any = batch_space(self.single_action_space, num_envs)
        self.observation_space: Any = batch_space(self.single_observation_space, num_envs)
        self._times = self.market.times.tz_convert(None).to_numpy()  # datetime64, UTC: an array has no zones
        self._running = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode on every lane.

        Args:
            seed: Of the random starts; one number, for the lanes share one generator.
            options: `{"reset_mask": (lanes,) bool}` begins only those.

        Raises:
            ConfigError: There is a list of seeds.
        """
        if seed is not None and not isinstance(seed, int | np.integer):
            raise ConfigError(f"the lanes share one generator; pass one seed, was {seed!r}")
        super().reset(seed=None if seed is None else int(seed))
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=bool))
        self._begin(np.asarray(mask, bool))
        self._running = True
        return self._observe(), self._info(None)

    def step(self, actions: Any) -> tuple[Observation, Any, Flags, Flags, dict[str, Any]]:
        """One action and one bar on every lane.

        Raises:
            EnvironmentStateError: There was no reset.
            ActionError: An action lies outside the space; nothing has happened.
        """
        if not self._running:
            raise EnvironmentStateError("step() was called before reset(); call reset() first")
        lanes, config = self.lanes, self.config
        parts = config.action.read_lanes(
            actions, self.num_envs, len(self.market.instruments), allow_short=config.allow_short
        )
        rewards, execution = lanes.step(parts)
        terminated: Flags = lanes.equity <= 0.0
        truncated: Flags = ~terminated & (lanes.bar == lanes.last)
        info = self._info(execution)
        ended = terminated | truncated
        observations = self._observe()
        if ended.any():
            info |= {"final_obs": observations, "_final_obs": ended, "final_info": info, "_final_info": ended}
            self._begin(ended)
            observations = self._observe()
        return observations, rewards, terminated, truncated, info

    def _observe(self) -> Observation:
        return self.lanes.observe() if self._windows else {"bar": self.lanes.bar, "account": self.lanes.account()}

    def _begin(self, mask: Flags) -> None:
        first, last = self.market.first, len(self.market) - 1
        length = self.config.episode_bars or last - first
        firsts: Bars = np.full(self.num_envs, first)
        if self.config.random_start and last - length > first:
            firsts[mask] = self.np_random.integers(first, last - length + 1, size=int(mask.sum()))
        self.lanes.begin(mask, firsts, np.minimum(firsts + length, last))

    def _info(self, execution: Execution | None) -> dict[str, Any]:
        lanes = self.lanes
        single = len(self.market.instruments) == 1
        zeros = [np.zeros(self.num_envs)] * len(self.market.instruments)
        orders = execution or Execution(zeros, zeros, zeros, zeros)
        by_instrument = {
            "close": lanes.closes(),
            "position": lanes.positions(),
            "filled": np.stack(orders.filled, axis=1),
            "fill_price": np.stack(orders.prices, axis=1),
            "commission": np.stack(orders.commissions, axis=1),
            "refused": np.stack(orders.refused, axis=1),
        }
        return {
            "time": self._times[lanes.bar],
            "equity": lanes.equity,
            "cash": lanes.cash,
        } | {name: values[:, 0] if single else values for name, values in by_instrument.items()}
