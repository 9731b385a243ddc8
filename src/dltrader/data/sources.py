"""Sources: where bars come from, by URI."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl

import pandas as pd

from dltrader.data.bars import Bars, limits, validate_bars, within
from dltrader.data.cache import kept
from dltrader.errors import ConfigError, SourceError
from dltrader.registry import Registry

if TYPE_CHECKING:
    from dltrader.data.times import Moment

Source: TypeAlias = Callable[[str, pd.Timestamp | None, pd.Timestamp | None], Bars]
"""A function of what follows the colon and of the first and last time wanted (UTC; None: all there is).

It may return more than was asked for: `load_bars` cuts. What it returns belongs to `load_bars` from then on.
"""

SOURCES: Registry[Source] = Registry(
    "source",
    {
        "sample": "dltrader.data.sample:load",
        "csv": "dltrader.data.csv:load",
        "parquet": "dltrader.data.parquet:load",
        "yahoo": "dltrader.data.yahoo:load",
        "stooq": "dltrader.data.stooq:load",
        "alpaca": "dltrader.data.alpaca:load",
        "synthetic": "dltrader.data.synthetic:load",
    },
)

VALIDATED = frozenset(SOURCES)
"""The sources that came with dltrader: they validate what they deliver, and once is enough."""

PROVIDERS = frozenset({"yahoo", "stooq", "alpaca"})
"""The sources on other people's machines: what they deliver is kept, see `dltrader.data.cache`."""

OFFLINE = "DLTRADER_OFFLINE"
"""The environment variable that, set to 1, keeps `load_bars` from the network."""

WILDCARDS: Registry[Callable[[str], list[str]]] = Registry(
    "source with wildcards",
    {
        "sample": "dltrader.data.sample:matching",
        "csv": "dltrader.data.csv:matching",
        "parquet": "dltrader.data.parquet:matching",
    },
)
"""Functions of an address with a `*` in it: the addresses that it stands for, sorted."""


def expand(uri: str) -> list[str]:
    """The source URIs that one with a wildcard stands for, `csv:prices/*.csv` or `sample:*`; any other URI as it is.

    Raises:
        SourceError: Nothing matches, or the source knows no wildcards.
    """
    name, _, address = uri.partition(":")
    if "*" not in address:
        return [uri]
    if name not in WILDCARDS:
        raise SourceError(f"{uri!r} has a wildcard, which only {' and '.join(WILDCARDS)} know; list the URIs instead")
    found = WILDCARDS[name](address)
    if not found:
        raise SourceError(f"nothing matches {uri!r}; relative paths start in {Path.cwd()}")
    return [f"{name}:{one}" for one in found]


MEMORY = "memory"
"""Stands for the source of bars that were handed over as frames: they can be named, and not be loaded again."""


def in_memory(names: Iterable[str]) -> dict[str, str]:
    """URIs for instruments whose bars were handed over as frames: what can be written down of them."""
    return {name: f"{MEMORY}:{name}" for name in names}


def load_bars(
    uri: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    refresh: bool = False,
    offline: bool | None = None,
) -> Bars:
    """The bars that a source URI names, validated.

    What providers deliver (yahoo, stooq, alpaca) is kept on this machine and read from there the next time:
    `dltrader.data.cache` says for how long.

    Args:
        uri: `"<source>:<address>"`, such as `sample:AAPL`, `csv:prices.csv`, `parquet:prices.parquet`,
            `yahoo:SPY?interval=1h`, `stooq:aapl.us`, `alpaca:AAPL?interval=15min` or `synthetic:ou?n=500`.
        start: First time, without a zone taken as UTC; None: all there is.
        end: Last time, included; a date without a time means the whole of that day; None: all there
            is.
        refresh: Whether to ask the provider although its bars are kept.
        offline: Whether to keep from the network and take what is kept, however old; None: as the environment
            variable `DLTRADER_OFFLINE` says, and without it not. Sources on this machine are not concerned.

    Returns:
        Bars with `attrs["uri"]` set, and for providers also `provider`, `fetched_at`, `adjusted` (what prices are
        adjusted for) and `sha256` (the fingerprint of all that was fetched).

    Raises:
        BarsError: The bars break their rules, or none lies in the span.
        ConfigError: A time or a parameter of the URI cannot be, start is after end, or bars are to be refreshed
            offline.
        MissingExtraError: The source needs a package that is not installed.
        SourceError: The URI names no source, or the source could not deliver, or is not asked and nothing is kept.
        UnknownNameError: There is no such source or symbol.
    """
    name, colon, address = uri.partition(":")
    if not colon or not name or not address:
        raise SourceError(
            f"{uri!r} names no source; sample:AAPL is what a URI looks like, and the sources are {', '.join(SOURCES)}"
        )
    if name == MEMORY:
        raise SourceError(
            f"the bars of {address} were handed over as a frame and are not kept; hand them over again, as in "
            "dltrader.backtest(run.policy(), bars), or name a source"
        )
    first, last = limits(start, end)
    source = SOURCES[name]
    if name in PROVIDERS:
        offline = _offline() if offline is None else offline
        if offline and refresh:
            raise ConfigError(f"{uri} cannot be refreshed offline; drop --refresh, or --offline and {OFFLINE}")
        fetch = partial(source, address, first, last)
        bars = kept(uri, first, last, fetch, refresh=refresh, offline=offline)
    else:
        bars = source(address, first, last)
    if name not in VALIDATED:
        bars = validate_bars(bars, origin=uri)
    bars = within(bars, first, last)
    bars.attrs["uri"] = uri
    return bars


def _offline() -> bool:
    """Whether the environment forbids the network."""
    text = os.environ.get(OFFLINE, "").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"", "0", "false", "no", "off"}:
        return False
    raise ConfigError(f"the environment variable {OFFLINE} must be 1 or 0, was {text!r}")


def parameters(address: str) -> tuple[str, dict[str, str]]:
    """An address such as `ou?n=500&seed=3` as its name and its parameters.

    Raises:
        ConfigError: The part behind the question mark is not made of key=value pairs, or has a key
            twice.
    """
    name, mark, query = address.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if mark else []
    except ValueError:
        raise ConfigError(f"cannot read the parameters {query!r}; write them as ?n=500&seed=3") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ConfigError(f"parameter {twice!r} is given twice in {address!r}; give it once")
    return name, values
