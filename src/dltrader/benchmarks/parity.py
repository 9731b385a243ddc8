"""Parity: the vectorised market against Cerebro, the same actions on the same bars, compared on every bar.

Times, closes, positions, fills, refusals and observations must be equal; commissions, cash, equity and rewards to a
relative `TOLERANCE`. Whatever differs is brought into its smallest form by `parity_shrink`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.benchmarks.parity_cases import Case, drawn_case
from dltrader.benchmarks.parity_shrink import shrink
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import DLTraderError

TOLERANCE = 1e-12


class Difference(NamedTuple):
    """One thing on which the two engines differ.

    Attributes:
        bar: Steps into the episode; 0 is the reset.
        what: Which thing; of an array the element, such as `market[0, 2]`.
        cerebro: What Cerebro says.
        vector: What the vectorised market says.
    """

    bar: int
    what: str
    cerebro: Any
    vector: Any


@dataclass(frozen=True)
class Mismatch:
    """A case on which the engines differ, and how.

    Attributes:
        episode: Number of the episode drawn from the seed.
        case: Configuration, bars and actions of both engines.
        bar: Steps into the episode.
        what: Which number.
        cerebro: What Cerebro says.
        vector: What the vectorised market says.
    """

    episode: int
    case: Case
    bar: int
    what: str
    cerebro: Any
    vector: Any

    def replay(self) -> Parity:
        """Compare the case once more."""
        case = self.case
        return compare(case.config, case.bars, case.actions, seed=case.seed, start=case.start)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values; `Case.from_mapping` reads the case."""
        told = {"cerebro": str(self.cerebro), "vector": str(self.vector)}
        return {"episode": self.episode, "bar": self.bar, "what": self.what} | told | {"case": self.case.to_mapping()}


@dataclass
class Parity:
    """What was compared, and how it came out.

    Attributes:
        episodes: Episodes compared.
        bars: Bars compared.
        fills: Fills among them.
        refusals: Refused orders among them.
        limit_moves: Bars among them on which an instrument jumped and was locked there.
        random_starts: Episodes among them whose first bar was drawn at random.
        ruins: Episodes among them that ended in ruin.
        largest: Largest relative difference of commissions, cash, equity and rewards.
        mismatch: The one after the fewest bars, if there is any.
    """

    episodes: int = 0
    bars: int = 0
    fills: int = 0
    refusals: int = 0
    limit_moves: int = 0
    random_starts: int = 0
    ruins: int = 0
    largest: float = 0.0
    mismatch: Mismatch | None = None

    def take(self, case: Case, number: int = 0) -> Difference | None:
        """Compare one episode and add it up; the first difference, if there is any."""
        self.episodes += 1
        found = next(self._differences(case), None)
        if found is not None and (self.mismatch is None or found.bar < self.mismatch.bar):
            self.mismatch = Mismatch(number, case, *found)
        return found

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        counts = {name: value for name, value in vars(self).items() if name != "mismatch"}
        return counts | {"mismatch": None if self.mismatch is None else self.mismatch.to_mapping()}

    def _differences(self, case: Case) -> Iterator[Difference]:
        """Everything that differs, in the order of the bars, causes before their consequences."""
        market = Market.build(case.bars, case.config, start=case.start)
        locked = _limit_moves(market)
        env, twin = TradingEnv(market, case.config), TradingVectorEnv(market, 1, case.config)
        observation, info = env.reset(seed=case.seed)
        lanes, infos = twin.reset(seed=case.seed)
        first = int(market.times.searchsorted(info["time"]))
        self.random_starts += first != market.first
        yield from self._unequal(0, _pairs(market, observation, info, lanes, infos))
        for bar, action in enumerate(case.actions, start=1):
            cerebro, failure = _tried(env.step, action)
            vector, failure_of_lanes = _tried(twin.step, action[None])
            if failure or failure_of_lanes:
                if failure != failure_of_lanes:
                    yield Difference(bar, "error", failure, failure_of_lanes)
                return
            observation, reward, terminated, truncated, info = cerebro
            lanes, rewards, ruined, ended, infos = vector
            self.bars += 1
            self.fills += len(info["fills"])
            self.refusals += len(info["rejections"])
            self.limit_moves += int(locked[first + bar])
            self.ruins += int(terminated)
            last, last_info = infos.get("final_obs", lanes), infos.get("final_info", infos)
            flags = {"terminated": (terminated, bool(ruined[0])), "truncated": (truncated, bool(ended[0]))}
            pairs = _pairs(market, observation, info, last, last_info)
            yield from self._unequal(bar, pairs | {"reward": (reward, rewards[0])} | flags)
            if terminated or truncated:
                # The lane has begun its next episode by itself, and drew the same random numbers for it.
                observation, info = env.reset()
                yield from self._unequal(bar, _pairs(market, observation, info, lanes, infos), "next ")
                return

    def _unequal(self, bar: int, pairs: Mapping[str, tuple[Any, Any]], prefix: str = "") -> Iterator[Difference]:
        """What differs among pairs of what Cerebro says and what the vectorised market says."""
        equity = abs(pairs["equity"][0])
        # Money is compared beside the equity, for cash near zero is the difference of large numbers; so are rewards
        # beside 1, for they are logarithms of numbers near 1.
        least = {"commission": 0.0, "cash": equity, "equity": 0.0, "reward": 1.0}
        for what, (cerebro, vector) in pairs.items():
            if what in least:
                difference = _relative(cerebro, vector, least[what])
                self.largest = max(self.largest, difference)
                if not difference <= TOLERANCE:  # nan is a difference too
                    yield _first_difference(bar, prefix + what, cerebro, vector)
            elif not np.array_equal(cerebro, vector):
                yield _first_difference(bar, prefix + what, cerebro, vector)


def compare(
    config: EnvConfig,
    bars: Mapping[str, pd.DataFrame],
    actions: npt.NDArray[Any],
    *,
    seed: int = 0,
    start: pd.Timestamp | None = None,
) -> Parity:
    """Compare both engines on one episode: until it ends, or until there are no more actions.

    Args:
        config: The rules.
        bars: Instrument -> bars.
        actions: One row an action: (steps,), or (steps, instruments) where an action is a vector.
        seed: Of the reset.
        start: No decision before this time.

    Raises:
        BarsError: The bars are too few.
    """
    found = Parity()
    found.take(Case(config, bars, actions, seed, start))
    return found


def measure_parity(*, episodes: int, seed: int, watch: Callable[[Parity], Any] | None = None) -> Parity:
    """Compare episodes with random bars, configurations and actions, and shrink what differs soonest.

    Args:
        episodes: How many.
        seed: Of all that is drawn; an episode is drawn from it and its own number.
        watch: Called after every episode with what was compared so far.
    """
    parity = Parity()
    for number in range(episodes):
        parity.take(drawn_case(seed, number), number)
        if watch is not None:
            watch(parity)
    if parity.mismatch is not None:
        case, found = shrink(parity.mismatch.case, Parity().take)
        parity.mismatch = Mismatch(parity.mismatch.episode, case, *found)
    return parity


def _pairs(
    market: Market,
    observation: Mapping[str, Any],
    info: Mapping[str, Any],
    lanes: Mapping[str, Any],
    infos: Mapping[str, Any],
) -> dict[str, tuple[Any, Any]]:
    """Pairs of what both engines say: first the orders, then what they led to, then what the agent sees of it."""
    names = list(market.instruments)
    lane = {name: np.atleast_1d(infos[name][0]) for name in ("filled", "fill_price", "commission", "refused")}
    fills = [(fill.instrument, fill.size if fill.side == "buy" else -fill.size, fill.price) for fill in info["fills"]]
    filled = [
        (name, float(size), float(price))
        for name, size, price in zip(names, lane["filled"], lane["fill_price"], strict=True)
        if size != 0.0
    ]
    refusals = [(order.instrument, order.size) for order in info["rejections"]]
    refused = [(name, float(size)) for name, size in zip(names, lane["refused"], strict=True) if size != 0.0]
    commissions = np.zeros(len(names))
    for fill in info["fills"]:
        commissions[names.index(fill.instrument)] += fill.commission
    return {
        "time": (info["time"].to_datetime64(), infos["time"][0]),
        "close": (info["close"], infos["close"][0]),
        "fills": (sorted(fills), sorted(filled)),
        "refusals": (sorted(refusals), sorted(refused)),
        "commission": (commissions, lane["commission"]),
        "position": (info["position"], infos["position"][0]),
        "cash": (info["cash"], infos["cash"][0]),
        "equity": (info["equity"], infos["equity"][0]),
    } | {name: (observation[name], lanes[name][0]) for name in ("market", "account")}


def _tried(step: Callable[[Any], Any], action: Any) -> tuple[Any, str | None]:
    """What a step gives, or the kind of error that it ends in: engines must also refuse alike."""
    try:
        return step(action), None
    except DLTraderError as error:
        return None, type(error).__name__


def _limit_moves(market: Market) -> npt.NDArray[np.bool_]:
    """(bars,) whether an instrument jumped and was locked there, so that no fill can slip."""
    moves = np.zeros(len(market), dtype=bool)
    for frame in market.bars.values():
        close = frame["close"].to_numpy()
        moves[1:] |= (frame["high"] == frame["low"]).to_numpy()[1:] & (close[1:] != close[:-1])
    return moves


def _relative(cerebro: Any, vector: Any, least: float) -> float:
    """The largest difference beside the size of the numbers, or beside a least size."""
    ours, theirs = np.atleast_1d(cerebro), np.atleast_1d(vector)
    apart = np.abs(ours - theirs)
    scale = np.maximum(np.abs(ours), least)
    return float(np.max(np.where(apart == 0.0, 0.0, apart / np.where(scale == 0.0, 1.0, scale))))


def _first_difference(bar: int, what: str, cerebro: Any, vector: Any) -> Difference:
    """The difference, of arrays that of their first unequal elements."""
    if not isinstance(cerebro, np.ndarray) or np.shape(cerebro) != np.shape(vector):
        return Difference(bar, what, cerebro, vector)
    place = tuple(int(i) for i in np.argwhere(cerebro != vector)[0])
    return Difference(bar, f"{what}[{', '.join(map(str, place))}]", cerebro[place], vector[place])
