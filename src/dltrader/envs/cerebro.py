"""TradingEnv: a real backtrader Cerebro as a Gymnasium environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pandas as pd

from dltrader.envs.contract import ACCOUNT_BOUND, EnvConfig, Observation, observation_space
from dltrader.envs.market import ContextLike
from dltrader.envs.markets import Episodes, MarketsLike, markets_of
from dltrader.envs.records import Step
from dltrader.envs.session import PHASES
from dltrader.envs.stepper import STOP, Prepare, SteppedStrategy, Stepper, run_episode
from dltrader.errors import ConfigError, EnvironmentStateError
from dltrader.features import FittedPipeline


class TradingEnv(gymnasium.Env[Observation, Any]):
    """Trade one or several instruments in backtrader's Cerebro.

    ## Description
    Every episode is one `cerebro.run()` over a slice of bars, stepped bar by bar. What the environment pays is what the
    same orders earn in a backtest, because it is one.

    ## Timing
    An action is decided at the close of bar t. Its market order fills at the open of bar t+1, moved against it by the
    slippage within the bar's range, and is sized there (`sizing: at_open`) or was sized at the close of t (`at_close`).
    The reward covers the time from the close of t to the close of t+1.

    ## Action Space
    As the action scheme says: `target_position`, `buy_sell_hold`, `trade_units` and `target_units` with levels
    Discrete, MultiDiscrete with several instruments; `target_weight` and `target_units` without levels a Box in [-1, 1]
    with one number an instrument, or with two, middle and width, for a band.

    ## Observation Space
    A Dict:
    | key     | shape                       | what                                                                |
    | ------- | --------------------------- | ------------------------------------------------------------------- |
    | market  | (window_bars, n_features)   | scaled features, newest row last                                    |
    | account | (2 * n_instruments,)        | exposure of each instrument, unrealised return of each open trade   |

    ## Rewards
    As the reward says. With `log_growth` the sum over an episode is ln(E_T / E_0), costs included.

    ## Starting State
    Flat, with `cash` in money, at the first bar with a full window or, with `random_start`, at a random later one. Of
    several markets one is drawn: each once, in random order, before any comes again.

    ## Episode End
    `terminated`: ruined, equity <= 0. `truncated`: out of bars, or `episode_bars` steps taken.

    ## Info
    From reset and step alike: `time`, `close`, `equity`, `cash`, `position` (units), and the bar's `fills` and
    `rejections`. With several instruments `close` and `position` are vectors, with several markets `market` is the name
    of the one that the episode has drawn. With `config.session` `session` is the phase in which the next action is
    decided: open, warmup, closing or closed.

    ## Version History
    v0: the first.

    Args:
        bars: A frame, a source URI, or a mapping of instrument names to either, which are traded together; or a
            `Market`, whose features are then shared by all environments on it. Or several markets, of which every
            episode draws one: a list of these, a URI with a wildcard, or `Markets`.
        config: An `EnvConfig` or a mapping with its fields.
        pipeline: Computes the features instead of one fitted on these bars.
        context: Markets that features look at, names to frames or source URIs, in place of `config.context`.
        start: No decision before this time; earlier bars only warm the features up.
        prepare: Called with the Cerebro of every episode before it runs.
        render_mode: None, "ansi" (one line of text) or "rgb_array" (a picture of the recent bars).

    Raises:
        BarsError: The bars break their rules, or are too few.
        ConfigError: The configuration contradicts itself.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012 - Gymnasium types it so

    def __init__(
        self,
        bars: MarketsLike,
        config: EnvConfig | Mapping[str, Any] | None = None,
        *,
        pipeline: FittedPipeline | None = None,
        context: ContextLike | None = None,
        start: str | pd.Timestamp | None = None,
        prepare: Prepare | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"render_mode must be null, 'ansi' or 'rgb_array', was {render_mode!r}")
        self.config = config if isinstance(config, EnvConfig) else EnvConfig.from_mapping(config or {})
        self.markets = markets_of(bars, self.config, pipeline=pipeline, start=start, context=context)
        self.market = self.markets.first
        self._episodes = Episodes(self.markets, self.config)
        self.prepare = prepare
        self.render_mode = render_mode
        self._single = len(self.market.instruments) == 1
        self.action_space = self.config.action_space(len(self.market.instruments))
        self.observation_space: Any = observation_space(
            self.config.window_bars,
            self.market.features.shape[1],
            len(self.market.instruments),
            clip=self.market.pipeline.clip,
            leverage=self.config.leverage,
        )
        self._bound = ACCOUNT_BOUND * self.config.leverage
        self._stepper: Stepper | None = None
        self._strategy: SteppedStrategy | None = None

    @property
    def strategy(self) -> SteppedStrategy:
        """The strategy of the current or last episode, with its analyzers and observers.

        Raises:
            EnvironmentStateError: No episode has begun.
        """
        if self._strategy is None:
            raise EnvironmentStateError("there is no episode yet; call reset() first")
        return self._strategy

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode: a new Cerebro, run up to the close of the first bar.

        Raises:
            Exception: Whatever the user's hook raises; the environment can be reset again.
        """
        super().reset(seed=seed, options=options)
        self.close()
        if seed is not None:
            self._episodes.shuffle()
        drawn = self._episodes.draw(self.np_random, 1)
        return self._begin(self.markets.names[drawn.market[0]], int(drawn.first[0]), int(drawn.last[0]))

    def _begin(self, name: str, first: int, last: int) -> tuple[Observation, dict[str, Any]]:
        """Run a new Cerebro up to the close of an episode's first bar."""
        self._name, self.market = name, self.markets.each[name]
        self._first, self._bar, self._last = first, first, last
        self._memory: dict[str, Any] = {}
        self._actions: list[Any] = []

        started: list[SteppedStrategy] = []
        bars = slice(self._bar, self._last + 1)
        stepper = Stepper(partial(run_episode, self.market, self.config, bars, self.prepare, started.append))
        stepper.advance()
        self._stepper, self._strategy = stepper, started[0]
        self._trader = started[0].trader
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one action and move one bar forward.

        Raises:
            EnvironmentStateError: There was no reset, or the episode has ended.
            ActionError: The action lies outside the space; the episode goes on.
            Exception: Whatever a user's reward or analyzer raises; the environment can be reset again.
        """
        stepper = self._stepper
        if stepper is None:
            when = "before reset()" if self._strategy is None else "after the end of the episode, or after it failed"
            raise EnvironmentStateError(f"step() was called {when}; call reset() first")
        trader = self._trader
        asked = trader.ask(action)
        equity_before = trader.equity
        # Until the step is complete there is no episode: an exception on the way must not leave half of one.
        self._stepper = None
        stepper.advance(asked)
        self._actions.append(action.copy() if isinstance(action, np.ndarray) else action)
        self._bar += 1
        values = [size * close for size, close in zip(trader.positions, trader.closes, strict=True)]
        reward = self.config.reward(Step(equity_before, trader.equity, values, self._memory))
        if not isinstance(reward, int | float | np.number) or not math.isfinite(reward):
            raise EnvironmentStateError(
                f"the reward was {reward} at {self.market.stamps[self._bar]}; a reward must be a finite number"
            )
        terminated = trader.equity <= 0.0
        truncated = not terminated and self._bar == self._last
        if terminated or truncated:
            stepper.advance(STOP)  # Cerebro ends its run: analyzers see their stop()
        else:
            self._stepper = stepper
        return self._observe(), float(reward), terminated, truncated, self._info()

    def state(self) -> dict[str, Any]:
        """Where the episode stands, and what will be drawn: all that the next steps depend on.

        A running Cerebro cannot be written down, so the state holds what has been done in it, action by action.

        Returns:
            Nested mappings and lists of NumPy arrays and of what JSON can hold.

        Raises:
            EnvironmentStateError: No episode is under way.
        """
        if self._stepper is None:
            raise EnvironmentStateError("state() was called without an episode under way; call reset() first")
        return {
            "market": self._name,
            "first": self._first,
            "last": self._last,
            "actions": np.array(self._actions),
            "equity": float(self._trader.equity),
            "episodes": self._episodes.state(),
            "generator": self.np_random.bit_generator.state,
        }

    def load_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Go on from where another environment of the same making stood, in place of a reset.

        The episode is stepped once more, with the actions of then; a `prepare` hook sees its Cerebro anew.

        Returns:
            What `reset` told when the episode began.

        Raises:
            EnvironmentStateError: The same actions lead to another equity: a hook or a reward of the user's own keeps
                something beyond the episode, or draws.
        """
        self.close()
        _, begun = self._begin(state["market"], state["first"], state["last"])
        for action in state["actions"]:
            self.step(action)
        if self._trader.equity != state["equity"]:
            raise EnvironmentStateError(
                f"the episode was stepped again and came to an equity of {self._trader.equity}, not {state['equity']}; "
                "pass the same prepare hook as before, one that draws nothing and keeps nothing between episodes"
            )
        self._episodes.load_state(state["episodes"])
        self.np_random.bit_generator.state = state["generator"]
        return begun

    def render(self) -> Any:
        """The state as the render mode says; None without one.

        Raises:
            EnvironmentStateError: There was no reset.
        """
        if self.render_mode is None:
            return None
        if self._strategy is None:
            raise EnvironmentStateError("render() was called before reset(); call reset() first")
        from dltrader.envs.render import frame, line  # noqa: PLC0415 - matplotlib loads on first use

        return line(self._info()) if self.render_mode == "ansi" else frame(self.market, self._bar, self._info())

    def close(self) -> None:
        """End the running episode, if there is one."""
        if self._stepper is not None:
            self._stepper.close()
            self._stepper = None

    def __getstate__(self) -> dict[str, Any]:
        """The environment as it was made: a running Cerebro cannot travel, so a copy starts with reset()."""
        episode = {"_strategy": None, "_stepper": None}
        return {name: value for name, value in self.__dict__.items() if name != "_trader"} | episode

    def _observe(self) -> Observation:
        stop = self._bar + 1
        return {
            "market": self.market.features[stop - self.config.window_bars : stop].copy(),
            "account": np.array(self._trader.account(self._bound), np.float32),
        }

    def _info(self) -> dict[str, Any]:
        trader = self._trader
        drawn = {"market": self._name} if len(self.markets.each) > 1 else {}
        phases = self.market.phases(self.config.session)
        if phases is not None:
            drawn["session"] = PHASES[phases[self._bar]]
        return drawn | {
            "time": self.market.stamps[self._bar],
            "close": trader.closes[0] if self._single else np.array(trader.closes),
            "equity": trader.equity,
            "cash": trader.cash,
            "position": trader.positions[0] if self._single else np.array(trader.positions),
            "fills": trader.fills,
            "rejections": trader.rejections,
        }
