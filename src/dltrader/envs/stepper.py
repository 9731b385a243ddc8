"""The stepper: `cerebro.run()`, one bar at a time.

Cerebro owns its loop. It runs unchanged inside a greenlet, whose strategy hands control back to the caller at the close
of every bar and waits there for the caller's answer. A switch costs a fraction of a microsecond, and an exception on
either side crosses it like a function call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import backtrader as bt
from greenlet import GreenletExit, getcurrent, greenlet
from greenlet import error as GreenletError  # noqa: N812 - it is an exception

from dltrader.data.feed import BarsFeed
from dltrader.envs.broker import make_cerebro
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.trader import Trader
from dltrader.errors import EnvironmentStateError

Prepare = Callable[[bt.Cerebro], Any]
"""A user's hook: gets the Cerebro of every episode before it runs, to add analyzers, observers, sizers, commissions."""

STOP = object()
"""The answer that makes Cerebro end its run."""


class SteppedStrategy(bt.Strategy):
    """A strategy whose decisions come from outside of Cerebro."""

    params = (("market", None), ("config", None), ("first", 0), ("started", None))

    def __init__(self) -> None:
        """Tell whoever started the run how to reach the account."""
        market: Market = self.p.market
        config: EnvConfig = self.p.config
        stamps, before, bars = market.stamps, self.p.first - 1, self.datas[0]
        self.trader = Trader(self, config, market.instruments, now=lambda: stamps[before + len(bars)])
        self._phases, self._before, self._bars = market.phases(config.session), before, bars
        self.p.started(self)

    def next_open(self) -> None:
        """Send the orders decided on at the close before."""
        self.trader.open_bar()

    def next(self) -> None:
        """Hand the closed bar over, and take the exposures asked for in exchange."""
        self.trader.close_bar()
        caller = getcurrent().parent
        assert caller is not None  # it runs in a stepper's greenlet
        answer = caller.switch()
        if answer is STOP:
            self.cerebro.runstop()
        else:
            phase = None if self._phases is None else int(self._phases[self._before + len(self._bars)])
            self.trader.decide(answer, phase)

    # Indicators that a user adds must not take bars away from the agent.
    prenext, prenext_open = next, next_open

    def notify_order(self, order: Any) -> None:
        """Pass on what became of an order."""
        self.trader.notify(order)


def run_episode(market: Market, config: EnvConfig, bars: slice, prepare: Prepare | None, started: Any) -> None:
    """Build a Cerebro, let the user's hook see it, and run it: what a stepper's greenlet does.

    It is built here rather than by the caller, because backtrader searches the frames below for owners, and looking at
    a frame makes it keep its variables: on the greenlet's own stack there are none but these.

    Args:
        market: What is traded.
        config: By what rules.
        bars: Which bars.
        prepare: The user's hook.
        started: Called with the strategy when there is one.
    """
    cerebro = make_cerebro(config)
    for name, feed in zip(market.instruments, market.feeds, strict=True):
        cerebro.adddata(BarsFeed.of(feed.slice(bars.start, bars.stop)), name=name)
    cerebro.addstrategy(SteppedStrategy, market=market, config=config, first=bars.start, started=started)
    if prepare is not None:
        prepare(cerebro)
    cerebro.run()


class Stepper:
    """A loop that is run up to its next hand-over, and unwound when it is dropped.

    It belongs to the thread that made it. Nothing on the loop's stack may refer to the stepper: neither would be freed.

    Args:
        loop: What to run; it hands over by switching to its greenlet's parent.
    """

    def __init__(self, loop: Callable[[], Any]) -> None:
        self._loop = greenlet(loop)

    def advance(self, answer: Any = None) -> bool:
        """Run up to the next hand-over; False when the loop has ended instead.

        Raises:
            EnvironmentStateError: Another thread made the stepper.
        """
        loop = self._loop
        try:
            loop.parent = getcurrent()
            loop.switch(answer) if loop else loop.switch()
        except (GreenletError, ValueError) as error:
            if "thread" not in str(error):
                raise
            raise EnvironmentStateError(
                "an environment stays in the thread that reset it; call reset() in this thread first"
            ) from None
        return not loop.dead

    def close(self) -> None:
        """Unwind the loop where it stands."""
        # Another thread's loop cannot be reached from here: greenlet unwinds it there once it is dropped.
        with suppress(GreenletError, ValueError):
            if self._loop:
                self._loop.parent = getcurrent()
                self._loop.throw(GreenletExit)

    def __del__(self) -> None:
        """Unwind the loop, so that what its stack holds is freed."""
        # At the interpreter's end greenlet refuses to switch, and there is nothing left to free.
        with suppress(RuntimeError):
            self.close()
