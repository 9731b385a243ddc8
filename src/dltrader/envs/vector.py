"""The fast twin: `TradingEnv` many times over and without Cerebro, the same market on every bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pandas as pd
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from dltrader.envs.arrays import Arrays, to_numpy
from dltrader.envs.contract import EnvConfig, observation_space
from dltrader.envs.lanes import Lanes
from dltrader.envs.ledger import Execution
from dltrader.envs.market import ContextLike
from dltrader.envs.markets import Episodes, MarketsLike, markets_of
from dltrader.envs.memory import lane_bytes, require_memory
from dltrader.envs.numeric import choose, some
from dltrader.envs.session import PHASES
from dltrader.errors import ConfigError, EnvironmentStateError
from dltrader.features import FittedPipeline

Flags = npt.NDArray[np.bool_]


class TradingVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many lanes of a market, stepped together; spaces, timing, rewards and accounts are those of `TradingEnv`.

    Of several markets every episode draws one: each once, in random order, before any comes again.

    A lane whose episode has ended begins the next one in the same step: its observation and info are the new episode's
    first, and the old one's last lie in `info["final_obs"]` and `info["final_info"]`, as Gymnasium's same-step
    autoreset says.

    `info` carries arrays over lanes, for several instruments (lanes, instruments): `time` (UTC), `close`, `equity`,
    `cash`, `position`, and of the bar's orders `filled` and `refused` (signed units), `fill_price` and `commission`;
    with several markets also `market`, the name of the lane's, and with `config.session` `session`, its phase.

    Args:
        bars: A frame, a source URI, a mapping of instrument names to either, which are traded together, or a `Market`;
            or several markets: a list of these, a URI with a wildcard, or `Markets`.
        num_envs: Lanes.
        config: An `EnvConfig` or a mapping with its fields.
        pipeline: Computes the features instead of one fitted on these bars.
        context: Markets that features look at, names to frames or source URIs, in place of `config.context`.
        start: No decision before this time; earlier bars only warm the features up.
        together: How many lanes begin an episode on the same bars, and then go ways of their own.
        windows: Whether observations hold the window itself as `market`, as those of `TradingEnv` do; without, they
            hold the index of its last bar as `bar`, and whoever looks takes the window from `markets.features`.
        arrays: The library that computes the lanes: "numpy", "torch", or any module with the functions of the
            array-API standard. Observations, rewards and the numbers in `info` are arrays of it.
        device: A device of that library, such as "cuda"; None: its default.
        prepare: Refused: lanes have no Cerebro for a hook to change.

    Raises:
        BarsError: The bars break their rules, or are too few.
        ConfigError: The configuration contradicts itself, there is no such library or device, or memory is too small.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012 - Gymnasium types it so

    def __init__(
        self,
        bars: MarketsLike,
        num_envs: int = 1,
        config: EnvConfig | Mapping[str, Any] | None = None,
        *,
        pipeline: FittedPipeline | None = None,
        context: ContextLike | None = None,
        start: str | pd.Timestamp | None = None,
        together: int = 1,
        windows: bool = True,
        arrays: str | ModuleType = "numpy",
        device: str | None = None,
        prepare: Any = None,
    ) -> None:
        for name, number in {"num_envs": num_envs, "together": together}.items():
            if number < 1:
                raise ConfigError(f"{name} must be at least 1, was {number}")
        if prepare is not None:
            raise ConfigError(
                "a prepare hook changes a Cerebro, and lanes are stepped without one: its sizers, commissions, orders "
                "and analyzers would have no effect; step TradingEnv with it (train.engine: cerebro)"
            )
        self._arrays = Arrays.of(arrays, device)
        self.config = config if isinstance(config, EnvConfig) else EnvConfig.from_mapping(config or {})
        self.markets = markets_of(bars, self.config, pipeline=pipeline, start=start, context=context)
        self.num_envs = num_envs
        n_instruments, n_features = self.markets.n_instruments, self.markets.features.shape[1]
        require_memory(
            num_envs,
            lane_bytes(self.config, n_instruments, n_features, windows=windows),
            device=self._arrays.device,
        )
        self.lanes = Lanes(self.markets, self.config, num_envs, self._arrays)
        self.single_action_space: Any = self.config.action_space(n_instruments)
        self.single_observation_space: Any = observation_space(
            self.config.window_bars,
            n_features,
            n_instruments,
            clip=self.markets.pipeline.clip,
            leverage=self.config.leverage,
        )
        self._windows = windows
        if not windows:
            account = self.single_observation_space["account"]
            self.single_observation_space = spaces.Dict({"bar": spaces.Discrete(len(self.markets)), "account": account})
        self.action_space: Any = batch_space(self.single_action_space, num_envs)
        self.observation_space: Any = batch_space(self.single_observation_space, num_envs)
        self._times = self.markets.times()  # an array has no time zones
        self._phases = self.markets.phases(self.config.session)
        self._episodes = Episodes(self.markets, self.config)
        self._together = together
        self._names = np.array(self.markets.names)
        self._market = np.zeros(num_envs, np.int64)
        self._nothing = [self._arrays.full(num_envs, 0.0)] * n_instruments
        self._running = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode on every lane.

        Args:
            seed: Of the markets and starts drawn; one number, for the lanes share one generator.
            options: `{"reset_mask": (lanes,) bool}` begins only those; `{"stagger": True}` cuts the episodes that begin
                now to lengths spread evenly up to the whole, so that the lanes do not all end at once ever after.

        Raises:
            ConfigError: There is a list of seeds.
        """
        if seed is not None and not isinstance(seed, int | np.integer):
            raise ConfigError(f"the lanes share one generator; pass one seed, was {seed!r}")
        super().reset(seed=None if seed is None else int(seed))
        if seed is not None:
            self._episodes.shuffle()
        options = options or {}
        mask = options.get("reset_mask", np.ones(self.num_envs, dtype=bool))
        self._begin(to_numpy(mask).astype(bool), stagger=bool(options.get("stagger", False)))
        self._running = True
        return self._observe(), self._info(None)

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """One action and one bar on every lane.

        Raises:
            EnvironmentStateError: There was no reset.
            ActionError: An action lies outside the space; nothing has happened.
        """
        if not self._running:
            raise EnvironmentStateError("step() was called before reset(); call reset() first")
        lanes, config = self.lanes, self.config
        parts = config.action.read_lanes(
            actions, self.num_envs, self.markets.n_instruments, allow_short=config.allow_short
        )
        rewards, execution = lanes.step([self._arrays.asarray(part) for part in parts])
        terminated = lanes.equity <= 0.0
        truncated = ~terminated & (lanes.bar == lanes.last)
        info = self._info(execution)
        ended = terminated | truncated
        observations = self._observe()
        if some(ended):
            final = {"final_obs": observations, "_final_obs": ended, "final_info": info, "_final_info": ended}
            self._begin(to_numpy(ended))
            # An episode that has just begun has had no orders.
            orders = Execution(*([choose(ended, 0.0, part) for part in parts] for parts in execution))
            observations, info = self._observe(), self._info(orders) | final
        return observations, rewards, terminated, truncated, info

    def state(self) -> dict[str, Any]:
        """Where every lane stands, and what will be drawn: all that the next steps depend on.

        Returns:
            Nested mappings and lists of NumPy arrays and of what JSON can hold.

        Raises:
            EnvironmentStateError: There was no reset, or the reward keeps what cannot be saved.
        """
        if not self._running:
            raise EnvironmentStateError("state() was called before reset(); call reset() first")
        return {
            "lanes": self.lanes.state(),
            "markets": self._market,
            "episodes": self._episodes.state(),
            "generator": self.np_random.bit_generator.state,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from where another environment of the same making stood, in place of a reset."""
        self.lanes.load_state(state["lanes"])
        self._market = state["markets"].copy()
        self._episodes.load_state(state["episodes"])
        self.np_random.bit_generator.state = state["generator"]
        self._running = True

    def _observe(self) -> dict[str, Any]:
        lanes = self.lanes
        market = {"market": lanes.windows()} if self._windows else {"bar": lanes.bar}
        return market | {"account": lanes.account()}

    def _begin(self, mask: Flags, *, stagger: bool = False) -> None:
        """Draw an episode for every lane of the mask."""
        drawn = self._episodes.draw(self.np_random, int(mask.sum()), self._together)
        self._market[mask] = drawn.market
        begins, length = self.markets.begins[drawn.market], drawn.last - drawn.first
        if stagger:
            groups = np.arange(len(length)) // self._together
            length = np.maximum(length * (groups + 1) // (groups[-1] + 1), 1)
        first, last = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs, np.int64)
        first[mask] = begins + drawn.first
        last[mask] = first[mask] + length
        here = self._arrays.asarray
        self.lanes.begin(here(mask), here(first), here(last))

    def _info(self, execution: Execution | None) -> dict[str, Any]:
        lanes, nothing = self.lanes, self._nothing
        orders = execution or Execution(nothing, nothing, nothing, nothing)
        by_instrument = {
            "close": lanes.closes,
            "position": lanes.ledger.sizes,
            "filled": orders.filled,
            "fill_price": orders.prices,
            "commission": orders.commissions,
            "refused": orders.refused,
        }
        info = {"time": self._times[to_numpy(lanes.bar)], "equity": lanes.equity, "cash": lanes.cash}
        if len(self.markets.each) > 1:
            info["market"] = self._names[self._market]
        if self._phases is not None:
            info["session"] = np.array(PHASES)[self._phases[to_numpy(lanes.bar)]]
        if self.markets.n_instruments == 1:
            return info | {name: values[0] for name, values in by_instrument.items()}
        dtype = self._arrays.xp.float64
        return info | {name: self._arrays.columns(values, dtype) for name, values in by_instrument.items()}
