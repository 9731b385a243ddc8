"""What providers answer when they deliver nothing, in words, and without the keys that were sent to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from dltrader.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST = 160
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER = 401, 403, 404, 429, 500


def key_from(variable: str, provider: str, where: str) -> str:
    """An API key from the environment.

    Args:
        variable: The environment variable that holds it.
        provider: Whose key it is, for the error message.
        where: Where to get one.

    Raises:
        SourceError: The variable is not set or empty.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SourceError(
            f"{provider} needs an API key and the environment variable {variable} is not set; "
            f"get a key at {where} and set it"
        )
    return key


def refused(provider: str, symbol: str, status: int, reason: str, variables: Sequence[str]) -> SourceError:
    """The error for an HTTP status other than 200.

    Args:
        provider: Who answered.
        symbol: What was asked for.
        status: The HTTP status.
        reason: The provider's own words, one line, or nothing.
        variables: The environment variables that hold the keys.
    """
    words = f": {reason}" if reason else ""
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return SourceError(
            f"{provider} refuses {symbol} ({status}{words}); check {' and '.join(variables)}, and what the key may see"
        )
    if status == _NOT_FOUND:
        return SourceError(f"{provider} has no bars of {symbol} (404{words}); check the symbol")
    if status == _TOO_MANY:
        return SourceError(
            f"{provider} refuses {symbol} for now: too many requests (429{words}); wait, or load from a csv: file"
        )
    if status >= _SERVER:
        return SourceError(f"{provider} is out of order ({status}{words}); try later, or load from a csv: file")
    return SourceError(
        f"{provider} refuses the request for {symbol} ({status}{words}); check symbol, interval and span"
    )


def line(text: str, keys: Iterable[str] = ()) -> str:
    """A text as one short line in which no key is left."""
    for key in keys:
        for form in {key, quote(key, safe=""), quote_plus(key)}:
            text = text.replace(form, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
