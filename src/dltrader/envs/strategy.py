"""PolicyStrategy: a trained policy as a strategy in a Cerebro that the user builds."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from dltrader.data.bars import COLUMNS, validate_bars
from dltrader.envs.contract import ACCOUNT_BOUND, EnvConfig
from dltrader.envs.market import Market, context_of
from dltrader.envs.trader import Trader
from dltrader.errors import BarsError, ConfigError


class PolicyStrategy(bt.Strategy):
    """Trades what a policy decides, by the contract of a step.

    Use `dltrader.make_cerebro(config)` for the same cash and costs as in training, or build your own Cerebro; sizing at
    the open needs `bt.Cerebro(cheat_on_open=True)`. All data feeds are traded, in their order, on the bars that they
    have in common. Features are computed from the feeds' own bars: at once where they are preloaded, else bar by bar.

    Params:
        policy: Anything with `predict`; a policy of a run brings its own configuration and features.
        config: The `EnvConfig`; by default the policy's own.
        pipeline: Computes the features; by default the policy's own, else one made from the configuration.
        context: Markets that features look at, names to frames, in place of the configuration's; while bars come in one
            by one, it must hold those of these markets up to then whenever a bar is closed.
        start: No decision before this time; earlier bars only warm the features up.
        deterministic: Whether the policy takes its likeliest action rather than drawing one.
    """

    params = (
        ("policy", None),
        ("config", None),
        ("pipeline", None),
        ("context", None),
        ("start", None),
        ("deterministic", True),
    )

    def __init__(self) -> None:
        policy = self.p.policy
        if policy is None:
            raise ConfigError(
                "PolicyStrategy has no policy; add it with cerebro.addstrategy(PolicyStrategy, policy=...)"
            )
        config = self.p.config or getattr(policy, "env_config", None)
        if config is None:
            raise ConfigError("the policy brings no configuration; pass config=EnvConfig(...) to PolicyStrategy")
        trained = getattr(policy, "env_config", None)
        if trained is not None:
            config.require_trained_alike(trained)
        if hasattr(policy, "adapt"):  # a baseline says what it must see and do
            config = policy.adapt(config)
        if config.sizing == "at_open" and not self.cerebro.p.cheat_on_open:
            raise ConfigError(
                "sizing at_open needs a Cerebro that acts at the open; make it with bt.Cerebro(cheat_on_open=True) "
                "or dltrader.make_cerebro(config)"
            )
        self.env_config: EnvConfig = config
        self._bound = ACCOUNT_BOUND * config.leverage
        self.trader = Trader(self, config, self._instruments(), now=self._now)
        self._pipeline = self.p.pipeline or getattr(policy, "pipeline", None)
        config.require_fitted(self._pipeline)
        self._context = context_of(config) if self.p.context is None else self.p.context
        self._state: Any = None
        self._market: Market | None = None
        self._rows: dict[pd.Timestamp, int] = {}
        self._row = -1

    def start(self) -> None:
        """Compute the features of preloaded bars once."""
        if all(data.buflen() > 0 for data in self.datas):
            self._see(preloaded=True)

    def next_open(self) -> None:
        """Send the orders decided on at the close before, when every feed has opened a bar."""
        if len({data.datetime[0] for data in self.datas}) == 1:
            self.trader.open_bar()

    def next(self) -> None:
        """Observe the closed bar and ask the policy."""
        time = self._now()
        if time not in self._rows:
            self._see(preloaded=False)
        row = self._rows.get(time)
        market = self._market
        if market is None or row is None or row < market.first or row == self._row:
            return
        first, self._row = self._row < 0, row
        self.trader.close_bar()
        observation = {
            "market": market.features[row + 1 - self.env_config.window_bars : row + 1],
            "account": np.array(self.trader.account(self._bound), np.float32),
        }
        action, self._state = self.p.policy.predict(
            observation, state=self._state, episode_start=np.array([first]), deterministic=self.p.deterministic
        )
        phases = market.phases(self.env_config.session)
        self.trader.decide(self.trader.ask(action), None if phases is None else int(phases[row]))

    # Indicators of a subclass must not take bars away from the policy.
    prenext, prenext_open = next, next_open

    def notify_order(self, order: Any) -> None:
        """Pass on what became of an order."""
        self.trader.notify(order)

    def _now(self) -> pd.Timestamp:
        return pd.Timestamp(self.data.datetime.datetime(0), tz="UTC")

    def _instruments(self) -> list[str]:
        return [data._name or f"data{i}" for i, data in enumerate(self.datas)]  # noqa: SLF001 - its only name

    def _see(self, *, preloaded: bool) -> None:
        """Compute the features of all bars, or of those delivered so far where the feeds are not preloaded.

        Raises:
            BarsError: Preloaded bars break the rules of bars or are too few.
        """
        if not preloaded and all(data.buflen() > len(data) for data in self.datas):
            return  # a bar that the instruments do not share
        frames = {
            name: validate_bars(_frame(data), origin=f"the feed {name}")
            for name, data in zip(self._instruments(), self.datas, strict=True)
        }
        try:
            self._market = Market.build(
                frames,
                self.env_config,
                pipeline=self._pipeline,
                start=self.p.start,
                steps=0,
                context=self._context,
            )
        except BarsError:
            if preloaded:
                raise
            return  # live: the next bar may be the one that is missing
        self._rows = {time: row for row, time in enumerate(self._market.times)}


def _frame(data: Any) -> pd.DataFrame:
    """The bars that a feed holds, whether all of them or those delivered so far."""
    n_bars = data.buflen()
    lines = {name: np.frombuffer(getattr(data.lines, name).array, float)[:n_bars] for name in COLUMNS}
    times = [bt.num2date(number) for number in np.frombuffer(data.lines.datetime.array, float)[:n_bars]]
    return pd.DataFrame(lines, pd.DatetimeIndex(times, tz="UTC", name="time"))
