"""Lanes: many accounts on one market or several, stepped together by the contract of a step, without Cerebro.

Nothing here loops over lanes. Arrays over lanes have the shape (lanes,); lists have one element an instrument. They are
arrays of whatever library `Arrays` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dltrader.envs.arrays import Arrays, Windows, to_numpy
from dltrader.envs.contract import ACCOUNT_BOUND, EnvConfig
from dltrader.envs.ledger import Execution, Ledger
from dltrader.envs.markets import Markets
from dltrader.envs.numeric import Number, choose, some
from dltrader.envs.records import Step, account_of, exposures_of
from dltrader.envs.sizing import buy_price, order_sizes, sell_price, unit_orders
from dltrader.errors import EnvironmentStateError

WHERE = "bar", "last", "equity", "cash"
"""Attributes of lanes that a state holds as they are."""


class Lanes:
    """The accounts, where they stand in the market, and what a bar does to them.

    Args:
        markets: What is traded.
        config: By what rules.
        n_lanes: How many accounts.
        arrays: What computes them.

    Attributes:
        bar: Index of each lane's bar in the markets.
        last: Index of the bar that ends each lane's episode.
        equity: Money at the close of the bar.
        cash: Money at the close, so that equity == cash + Σ position x close.
        closes: Closes of the bar, one array an instrument.
        held: Exposures, or units where actions count in them, asked for and reached last.
    """

    def __init__(self, markets: Markets, config: EnvConfig, n_lanes: int, arrays: Arrays) -> None:
        self.config, self.n_lanes, self.arrays = config, n_lanes, arrays
        self._prices = arrays.take_in(markets.prices())
        self._windows = Windows(arrays, arrays.take_in(markets.features), config.window_bars)
        phases = markets.phases(config.session)
        self._phases = None if phases is None else arrays.take_in(phases)
        self._bound = ACCOUNT_BOUND * config.leverage
        places = range(markets.n_instruments)
        self.bar: Any = arrays.integers([0] * n_lanes)
        self.last: Any = self.bar
        self.held: Sequence[Number] = [arrays.full(n_lanes, 0.0) for _ in places]
        self.ledger = Ledger(
            cash=arrays.full(n_lanes, config.cash),
            sizes=[arrays.full(n_lanes, 0.0) for _ in places],
            entries=[arrays.full(n_lanes, 1.0) for _ in places],
            commission=config.costs.commission,
            leverage=config.leverage,
            per_unit=config.costs.per_unit,
            impact=config.costs.impact,
        )
        self.equity: Any = arrays.full(n_lanes, config.cash)
        self.cash: Any = self.equity
        self.closes: list[Any] = [arrays.full(n_lanes, 0.0) for _ in places]
        self._memory: dict[str, Number] = {}

    def begin(self, lanes: Any, first: Any, last: Any) -> None:
        """Begin episodes on some lanes: flat, with the configuration's cash, at these bars.

        Args:
            lanes: (lanes,) which of them.
            first: (lanes,) index of the first bar; elsewhere without meaning.
            last: (lanes,) index of the last bar; elsewhere without meaning.
        """
        self.bar, self.last = choose(lanes, first, self.bar), choose(lanes, last, self.last)
        ledger, cash = self.ledger, self.config.cash
        ledger.cash = choose(lanes, cash, ledger.cash)
        ledger.sizes = [choose(lanes, 0.0, size) for size in ledger.sizes]
        self.held = [choose(lanes, 0.0, exposure) for exposure in self.held]
        self.equity, self.cash = choose(lanes, cash, self.equity), choose(lanes, cash, self.cash)
        self._memory = {name: choose(lanes, 0.0, kept) for name, kept in self._memory.items()}
        self.closes = self._quotes()[3]

    def step(self, parts: Sequence[Number]) -> tuple[Any, Execution]:
        """Decide at the close, fill at the next open, and mark at its close.

        Args:
            parts: What the action scheme reads from the actions, one array an instrument.

        Returns:
            Rewards, (lanes,), and what became of the orders.
        """
        config, ledger = self.config, self.ledger
        asked = config.action.targets(parts, self.held, allow_short=config.allow_short, leverage=config.leverage)
        phase = None if self._phases is None else self.arrays.xp.take(self._phases, self.bar, axis=0)
        ignores = config.action.ignored > 0.0
        exposures = exposures_of(ledger.sizes, self.closes, self.equity) if ignores else None
        asked, trading = config.decision(asked, self.held, phase, exposures)
        slippage, decided = config.costs.slippage, self.closes
        self.bar = self.bar + 1
        opens, highs, lows, closes = self._quotes()
        buys = [buy_price(quote, slippage, high) for quote, high in zip(opens, highs, strict=True)]
        sells = [sell_price(quote, slippage, low) for quote, low in zip(opens, lows, strict=True)]
        if config.sizing == "at_open":
            quotes, sized_buys, sized_sells = opens, buys, sells
        else:
            quotes = decided
            sized_buys = [close * (1.0 + slippage) for close in decided]
            sized_sells = [close * (1.0 - slippage) for close in decided]
        if config.action.in_units:
            orders = unit_orders(asked, trading, ledger.sizes, lot_size=config.lot_size)
        else:
            orders = order_sizes(
                asked, trading, ledger.sizes, self.cash, quotes, sized_buys, sized_sells,
                commission=config.costs.commission, per_unit=config.costs.per_unit, impact=config.costs.impact,
                lot_size=config.lot_size, leverage=config.leverage,
            )  # fmt: skip
        execution = ledger.execute(orders, quotes, buys, sells)
        self.held = [_reached(*each) for each in zip(asked, self.held, ledger.sizes, execution.refused, strict=True)]
        return self._mark(closes), execution

    def state(self) -> dict[str, Any]:
        """The accounts and where they stand, in NumPy's arrays.

        Raises:
            EnvironmentStateError: The reward keeps what is no number and no array of them.
        """
        kept = {name: to_numpy(values) for name, values in self._memory.items()}
        strange = next((name for name, values in kept.items() if values.dtype.kind not in "biuf"), None)
        if strange is not None:
            raise EnvironmentStateError(
                f"the reward {_name_of(self.config.reward)} keeps {strange!r}, which is no array of numbers and cannot "
                "be saved; keep numbers, or set train.keep_state: false"
            )
        places = self.held, self.ledger.sizes, self.ledger.entries
        held, sizes, entries = ([to_numpy(values) for values in each] for each in places)
        whole = {name: to_numpy(getattr(self, name)) for name in WHERE}
        return whole | {
            "broker_cash": to_numpy(self.ledger.cash),
            "held": held,
            "sizes": sizes,
            "entries": entries,
            "memory": kept,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from where other lanes on the same markets stood."""
        here = self.arrays.asarray
        for name in WHERE:
            setattr(self, name, here(state[name]))
        self.ledger.cash = here(state["broker_cash"])
        self.held, self.ledger.sizes, self.ledger.entries = (
            [here(values) for values in state[name]] for name in ("held", "sizes", "entries")
        )
        self._memory = {name: here(values) for name, values in state["memory"].items()}
        self.closes = self._quotes()[3]

    def windows(self) -> Any:
        """The features that every lane sees, (lanes, window, features) float32."""
        return self._windows.starting_at(self.bar - (self.config.window_bars - 1))

    def account(self) -> Any:
        """Every exposure, then every open trade's unrealised return, (lanes, 2 * instruments) float32."""
        xp = self.arrays.xp
        numbers = account_of(self.ledger.sizes, self.ledger.entries, self.closes, self.equity, bound=self._bound)
        return self.arrays.columns(numbers, xp.float32)

    def _mark(self, closes: list[Any]) -> Any:
        """Value the accounts at the close, and reward the growth since the close before."""
        self.closes, before, xp = closes, self.equity, self.arrays.xp
        self.equity = self.ledger.equity(closes)
        values = [size * close for size, close in zip(self.ledger.sizes, closes, strict=True)]
        if self.config.leverage == 1.0:
            self.cash = self.ledger.cash
        else:
            invested = 0.0
            for value in values:
                invested = invested + value
            self.cash = self.equity - invested
        rewards = self._rewards(Step(before, self.equity, values, self._memory))
        if tuple(getattr(rewards, "shape", ())) != (self.n_lanes,) or some(~xp.isfinite(rewards)):
            raise EnvironmentStateError(
                f"a reward must be one finite number a lane, was {rewards!r:.80} for {self.n_lanes} lanes; "
                "write it so that it takes arrays, or step the environments in Cerebro (train.engine: cerebro)"
            )
        return rewards if rewards.dtype == xp.float64 else xp.astype(rewards, xp.float64)

    def _rewards(self, step: Step) -> Any:
        """The reward of every lane.

        Raises:
            EnvironmentStateError: The reward cannot take arrays.
        """
        try:
            return self.config.reward(step)
        except (TypeError, ValueError) as error:
            raise EnvironmentStateError(
                f"the reward {_name_of(self.config.reward)} failed on arrays of {self.n_lanes} lanes: {error}; "
                "write it so that it takes arrays, or step the environments in Cerebro (train.engine: cerebro)"
            ) from error

    def _quotes(self) -> tuple[list[Any], ...]:
        """Opens, highs, lows and closes of the bars at which the lanes stand, one array an instrument each."""
        columns = self.arrays.columns_at(self._prices, self.bar)
        return columns[0::4], columns[1::4], columns[2::4], columns[3::4]


def _reached(asked: Number, before: Number, size: Number, refused: Number) -> Number:
    """The exposure held: the one asked for; after a refusal the one before, or none if that was closed on the way."""
    failed = refused != 0.0
    return choose(failed, choose(size != 0.0, before, 0.0), asked) if some(failed) else asked


def _name_of(reward: Any) -> str:
    return str(getattr(reward, "__qualname__", type(reward).__name__))
