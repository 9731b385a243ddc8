"""Actions and fills: what was decided and executed up to a bar must not depend on what came after it.

A decision knows its bar's close. A fill knows less: it happens at the open of its bar, so its side, size and price must
be the same wherever that bar closes, and its price must not be one that was known at the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from dltrader.data.times import written
from dltrader.evaluation.leaks.alterations import KINDS, Altered
from dltrader.evaluation.leaks.plan import Plan
from dltrader.evaluation.leaks.report import Checked, Finding, Part
from dltrader.evaluation.leaks.tables import DOUBLE, Change, Frames, Table, compare

SEEN = 5
"""Altered bars that a backtest is run on beyond a cut: what is decided there is not compared."""

REVEALED = ("scaled", "replaced")
"""What bars are until their time comes, in one backtest each."""

MOVED = 1e-3
"""By how much an open must have been altered for the price of a fill to be expected to move."""


@dataclass(frozen=True, eq=False)
class Trading:
    """One backtest.

    Attributes:
        observations: What the policy saw at every decision.
        actions: What it decided there.
        fills: One row a fill, in order: time, instrument, side, size, price, commission.
    """

    observations: Table
    actions: Table
    fills: pd.DataFrame


Trade: TypeAlias = Callable[[Frames], Trading]


class Recorded:
    """A policy that keeps what it is shown and what it answers; all else of it is the policy's own.

    Args:
        policy: Anything with `predict`.
    """

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.seen: list[Any] = []
        self.actions: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        """What the policy has."""
        return getattr(self.policy, name)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """What the policy answers."""
        action, state = self.policy.predict(
            observation, state=state, episode_start=episode_start, deterministic=deterministic
        )
        self.seen.append(np.concatenate([np.ravel(observation[key]) for key in ("market", "account")]))
        self.actions.append(np.ravel(action).astype(np.float64))
        return action, state

    def trading(self, times: pd.DatetimeIndex, instruments: Sequence[str], fills: pd.DataFrame) -> Trading:
        """What was recorded in a backtest.

        Args:
            times: Of its bars, those of decisions first.
            instruments: That it traded.
            fills: One row a fill.
        """
        seen, actions = np.array(self.seen), np.array(self.actions)
        times, n_account = times[: len(actions)], 2 * len(instruments)
        names = [f"market[{i}]" for i in range(seen.shape[1] - n_account)] + [f"account[{i}]" for i in range(n_account)]
        choices = tuple(f"action[{i}]" for i in range(actions.shape[1]))
        return Trading(Table(times, tuple(names), seen), Table(times, choices, actions), fills)


@dataclass(frozen=True)
class Backtest:
    """Backtests of one policy.

    Attributes:
        trade: On any bars.
        reveal: On bars, of which every one is that of the other bars until its time comes; None where there is none.
    """

    trade: Trade
    reveal: Callable[[Frames, Frames], Trading] | None = None


def check_trading(backtest: Backtest, altered: Altered, plan: Plan) -> Part:
    """Look whether a backtest up to a bar depends on later ones, and whether fills know their bar's close.

    Raises:
        Exception: Whatever the backtest raises on the bars as they are.
    """
    trade = backtest.trade
    look = _Look(trade(altered.frames), altered)
    begin = int(altered.clock.get_indexer(look.whole.actions.times[:1])[0])
    fills = altered.clock.get_indexer(pd.DatetimeIndex(look.whole.fills["time"].unique()))
    fills = fills[fills > begin + 1]
    last, n_cuts = len(altered.clock) - 1, plan.few(plan.trades)
    chosen = fills[plan.rows(0, len(fills), n_cuts)] if len(fills) else plan.rows(begin + 2, last, n_cuts)
    for i, row in enumerate(chosen.tolist()):
        kind = KINDS[i % 3]
        look.cut(row - 1, "removed", trade(altered.after(row - 1, "removed")))
        frames = altered.after(row - 1, kind, SEEN)
        after = trade(frames)
        look.cut(row - 1, kind, after)
        look.answers(row, frames, after)
        look.cut(row, kind, trade(altered.close_of(row, kind, SEEN)), at_open=True)
    if backtest.reveal is not None:
        for kind in REVEALED:
            look.reveal(kind, backtest.reveal(altered.frames, altered.others[kind]))
    n_fills, n_decisions = len(look.whole.fills), len(look.whole.actions)
    everywhere = 0 if backtest.reveal is None else 1
    checked = [
        Checked("actions", "bars put right one by one, as they come", everywhere * n_decisions, n_decisions),
        Checked("fills", "bars put right one by one, their close last", everywhere * n_fills, n_fills),
        Checked("actions", "a backtest on altered or missing later bars", len(chosen), n_decisions),
        Checked("fills", "a backtest on another close of their bar and after", len(chosen) if n_fills else 0, n_fills),
    ]
    skipped = [] if n_fills else ["fills: the policy never traded; check a policy that does"]
    return Part([look.found[key] for key in sorted(look.found)], checked, skipped)


class _Look:
    """Backtests compared with one."""

    def __init__(self, whole: Trading, altered: Altered) -> None:
        self.whole, self.altered = whole, altered
        self.found: dict[tuple[int, str], Finding] = {}

    def cut(self, row: int, kind: str, other: Trading, *, at_open: bool = False) -> None:
        """Compare all that was known at a bar's close, or at its open."""
        time = self.altered.clock[row]
        how = f"the bars after {written(time)} are {kind}"
        if at_open:
            how = f"the bar of {written(time)} closes elsewhere and those after it are {kind}"
        times = self.whole.actions.times
        # On the last bar there is nothing to decide any more.
        decided = times[times < time] if at_open or kind == "removed" else times[times <= time]
        self._compare(other, decided, time, "its bar's close" if at_open else "later bars", how)

    def reveal(self, kind: str, other: Trading) -> None:
        """Compare with a backtest in which bars come to be one by one."""
        times = self.whole.actions.times
        end = self.altered.clock[-1]
        self._compare(other, times, end, "later bars", f"bars are {kind} until their time comes")

    def _compare(self, other: Trading, decided: pd.DatetimeIndex, end: pd.Timestamp, known: str, how: str) -> None:
        """Compare what was seen and decided at some times, and what was filled up to a time."""
        for stage, table, found in (
            ("observations", self.whole.observations, other.observations),
            ("actions", self.whole.actions, other.actions),
        ):
            for change in sorted(compare(table, found, decided), key=lambda each: each.time)[:1]:
                self._note(stage, table.names[change.column], change, f"knows {known}: it is another one when {how}")
        filled = self._fill_change(end, other)
        if filled is not None:
            instrument, change = filled
            self._note("fills", instrument, change, f"knows {known}: it is another one when {how}")

    def answers(self, row: int, frames: Frames, other: Trading) -> None:
        """The price of a fill must move with the bar that it claims to be filled at; frames are the altered bars."""
        time, before = self.altered.clock[row], self.altered.clock[row - 1]
        theirs = [twin for twin in _fills(other, time) if twin["time"] == time]
        for fill in _fills(self.whole, time):
            name = fill["instrument"]
            twin = next((one for one in theirs if (one["instrument"], one["side"]) == (name, fill["side"])), None)
            if fill["time"] != time or twin is None or abs(twin["price"] / fill["price"] - 1.0) > DOUBLE:
                continue
            opened, was = (_open(bars[name], time) for bars in (frames, self.altered.frames))
            if abs(opened / was - 1.0) < MOVED:
                continue
            reason = (
                f"was known before its bar: its price of {fill['price']:.6g} stays the same when the bars after "
                f"{written(before)} are others"
            )
            self._note("fills", name, Change(time, 0, np.nan, np.nan), reason)

    def _fill_change(self, time: pd.Timestamp, other: Trading) -> tuple[str, Change] | None:
        """The first fill up to a time that is another one or is not there, by its instrument."""
        mine, theirs = _fills(self.whole, time), _fills(other, time)
        for one, two in zip_longest(mine, theirs):
            if one is None or two is None or any(one[name] != two[name] for name in ("time", "instrument", "side")):
                first = min((fill for fill in (one, two) if fill is not None), key=lambda fill: fill["time"])
                return str(first["instrument"]), Change(first["time"], 0, np.inf, np.inf)
            moved = {name: abs(two[name] - one[name]) for name in ("price", "size")}
            relative = {name: moved[name] / max(one[name], two[name]) for name in moved}
            most = max(relative, key=relative.__getitem__)
            if relative[most] > DOUBLE:
                return str(one["instrument"]), Change(one["time"], 0, float(moved[most]), float(relative[most]))
        return None

    def _note(self, stage: str, feature: str, change: Change, reason: str) -> None:
        """Keep the earliest of every stage."""
        key = (("observations", "actions", "fills").index(stage), stage)
        known = self.found.get(key)
        if known is None or known.time is None or change.time < known.time:
            self.found[key] = Finding(stage, feature, change.time, change.difference, change.relative, reason)


def _fills(trading: Trading, end: pd.Timestamp) -> list[dict[Any, Any]]:
    """The fills up to a time, as mappings."""
    return [fill for fill in trading.fills.to_dict("records") if fill["time"] <= end]


def _open(bars: pd.DataFrame, time: pd.Timestamp) -> float:
    return float(bars["open"].to_numpy()[bars.index.get_indexer(pd.DatetimeIndex([time]))[0]])
