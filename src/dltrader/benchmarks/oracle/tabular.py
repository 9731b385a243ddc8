"""Ritter's task by value iteration on its ticks and lots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from dltrader.benchmarks.oracle.ritter import Ritter
from dltrader.benchmarks.oracle.signals import Array

_normal_cdf = np.frompyfunc(lambda z: 0.5 * math.erfc(-z / math.sqrt(2.0)), 1, 1)


@dataclass(frozen=True)
class Table:
    """A policy that looks its positions up.

    Attributes:
        task: Whose ticks and levels index the table.
        choice: (ticks, levels) number of the level to go to, from each level at each price.
    """

    task: Ritter
    choice: Array

    def __call__(self, signal: Array, position: Array) -> Array:
        """The next positions, of ln(price / 50) and the positions held."""
        levels = np.asarray(self.task.levels)
        held = np.searchsorted(levels, position)
        return np.asarray(levels[self.choice[self.task.ticks_of(signal), held]])


@cache
def tick_masses() -> tuple[Array, Array]:
    """The prices (ticks,), and the chance of each price (column) after each (row).

    A tick has the exact mass of the prices that are rounded to it, for so the task rounds them; the price before is
    taken to lie on its tick.
    """
    task = Ritter()
    prices = task.tick * np.arange(1, task.ticks + 1)
    logs = np.log(prices / task.price)
    edges = np.log((prices[:-1] + 0.5 * task.tick) / task.price)
    below = _normal_cdf((edges - task.signal.persistence * logs[:, None]) / task.signal.shock).astype(float)
    ends = np.zeros((task.ticks, 1)), np.ones((task.ticks, 1))
    return prices, np.diff(np.concatenate([ends[0], below, ends[1]], axis=1), axis=1)


def table_of(task: Ritter, discount: float | None = None) -> Table:
    """The best policy; with a discount of 0 the myopic one.

    A constant is taken off the values after every sweep: it changes no choice, and leaves the iteration as quick as the
    price forgets (some 140 sweeps instead of the 1 / (1 - discount) = 1000 and more that the values themselves take).
    """
    discount = task.discount if discount is None else discount
    _, masses = tick_masses()
    rewards = _expected_rewards(task)
    values = np.zeros(rewards.shape[:2])
    while True:
        worth = rewards + discount * (masses @ values)[:, None, :]  # (ticks, held, position)
        improved = worth.max(axis=2)
        improved -= improved[task.ticks // 2, len(values[0]) // 2]
        if np.abs(improved - values).max() < 1e-6:
            return Table(task, worth.argmax(axis=2))
        values = improved


def sharpe(table: Table) -> float:
    """The Sharpe ratio of the money gained per step in the long run, annualised.

    Exact for the prices on their ticks: from the stationary law of price and position, not from a simulation.
    """
    task = table.task
    _, masses = tick_masses()
    levels = np.asarray(task.levels)
    law = np.full((task.ticks, len(levels)), 1.0 / (task.ticks * len(levels)))
    ticks = np.arange(task.ticks)[:, None]
    while True:
        moved = np.zeros_like(law)
        np.add.at(moved, (np.broadcast_to(ticks, law.shape), table.choice), law)
        following = masses.T @ moved
        if np.abs(following - law).sum() < 1e-10:
            break
        law = following
    mean, square = _moments(task)
    held = np.arange(len(levels))[None, :]
    first, second = ((law * moment[ticks, held, table.choice]).sum() for moment in (mean, square))
    return float(math.sqrt(task.steps_per_year) * first / math.sqrt(second - first**2))


def _expected_rewards(task: Ritter) -> Array:
    """(ticks, held, position) reward; -∞ where the trade is larger than the largest."""
    mean, square = _moments(task)
    levels = np.asarray(task.levels)
    possible = np.abs(levels[None, :] - levels[:, None]) <= max(task.trades)
    return np.where(possible, mean - 0.5 * task.kappa * square, -np.inf)


def _moments(task: Ritter) -> tuple[Array, Array]:
    """Mean of the money gained in a step and of its square, (ticks, held, position) each."""
    prices, masses = tick_masses()
    drift = masses @ prices - prices
    variance = masses @ prices**2 - (masses @ prices) ** 2
    levels = np.asarray(task.levels)
    mean = task.money(drift[:, None, None], levels[:, None], levels[None, :])
    return mean, mean**2 + variance[:, None, None] * levels**2
