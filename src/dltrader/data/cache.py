"""What providers delivered, kept on this machine: one parquet file for each URI and span asked for.

Rules:
    - An entry is never joined with another: adjusted prices of two fetches do not fit together.
    - An entry whose span had been over for two days when it was fetched is kept for good; one whose end is open, or
      lay later, is read until the UTC day of its fetch is over, and then fetched again.
    - Offline, an entry serves however old it is.
    - A file is written beside its place and moved into it, so that two processes may fill an entry at once. When it
      is read, its bars must hash to what its footer says; a file that is damaged is fetched again, and the log says so.
    - A cache that cannot be written is no reason to fail: the log says so.

The files lie in the user's cache folder, or where the environment variable `DLTRADER_CACHE` says. They hold no keys.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import platformdirs

from dltrader.data.bars import Bars, fingerprint
from dltrader.data.batches import notes_of, packed, read_bars, require_arrow
from dltrader.data.times import written
from dltrader.errors import DLTraderError, SourceError
from dltrader.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "DLTRADER_CACHE"
"""The environment variable that names the cache folder."""
LAYOUT = 1
"""The version of what an entry holds; those of other versions are not found."""
SETTLED_AFTER = pd.Timedelta(days=2)
"""How long a span must be over for the provider to have all its bars, wherever the exchange is."""
PROVENANCE = ("provider", "fetched_at", "adjusted", "sha256")
"""What the footer of an entry and the `attrs` of its bars say: who delivered them, when (ISO 8601, UTC), what prices
are adjusted for, and the fingerprint of all bars that were delivered."""

log = logging.getLogger("dltrader")


def cache_folder() -> Path:
    """Where what providers delivered is kept."""
    named = os.environ.get(FOLDER, "").strip()
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("dltrader"))


def cache_key(uri: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    """What an entry is found by: different for different URIs, which name symbol and interval, and different spans.

    Args:
        uri: The source URI with all its parameters.
        first: First time asked for, in UTC; None: all there is.
        last: Last time asked for; None: all there is.

    Returns:
        32 hexadecimal digits.
    """
    asked = json.dumps([LAYOUT, uri, _text(first), _text(last)])
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def is_fresh(last: pd.Timestamp | None, fetched: pd.Timestamp, now: pd.Timestamp) -> bool:
    """Whether an entry fetched at some time, for a span that ends with last, still serves."""
    if last is not None and fetched - last >= SETTLED_AFTER:
        return True
    return fetched <= now and fetched.floor("D") == now.floor("D")


def kept(
    uri: str,
    first: pd.Timestamp | None,
    last: pd.Timestamp | None,
    fetch: Callable[[], Bars],
    *,
    refresh: bool = False,
    offline: bool = False,
    now: pd.Timestamp | None = None,
) -> Bars:
    """The bars of a URI and span from the cache, or else fetched and kept.

    Args:
        uri: The source URI.
        first: First time asked for, in UTC; None: all there is.
        last: Last time asked for; None: all there is.
        fetch: Asks the provider.
        refresh: Whether to ask although the bars are kept.
        offline: Whether to ask in no case.
        now: The time; by default the clock's.

    Returns:
        Valid bars with `PROVENANCE` in `attrs`.

    Raises:
        DLTraderError: What fetch raises; a failed fetch never falls back to an older entry by itself.
        MissingExtraError: pyarrow is not installed.
        SourceError: Nothing is kept, and offline forbids to ask.
    """
    require_arrow(uri.partition(":")[0])  # an extra of the provider's name brings both
    now = pd.Timestamp.now("UTC") if now is None else now
    path = _path(uri, first, last)
    found = None if refresh else _read(path, uri, first, last)
    if found is not None and (offline or is_fresh(last, pd.Timestamp(found.attrs["fetched_at"]), now)):
        return found
    if offline:
        raise SourceError(_nothing_kept(path, uri, first, last))
    try:
        bars = fetch()
    except SourceError as error:
        if found is None:
            raise
        raise SourceError(
            f"{error} (bars fetched {found.attrs['fetched_at']} are kept: --offline takes them)"
        ) from None
    bars.attrs.update(
        provider=uri.partition(":")[0],
        fetched_at=now.floor("s").isoformat(),
        adjusted=bars.attrs.get("adjusted", "unknown"),
        sha256=fingerprint(bars),
    )
    _write(path, bars, uri, first, last)
    return bars


def _path(uri: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> Path:
    provider, _, address = uri.partition(":")
    # The readable part is for people only: the key tells entries apart.
    readable = re.sub(r"[^A-Za-z0-9.=^-]+", "_", address)[:60]
    return cache_folder() / "bars" / provider / f"{readable}-{cache_key(uri, first, last)}.parquet"


def _read(path: Path, uri: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> Bars | None:
    """The bars of an entry; None where there is none, or one that is damaged."""
    try:
        bars, notes = read_bars(path, uri)
        wrong = _fault(bars, notes, uri, first, last)
    except FileNotFoundError:
        return None
    except DLTraderError as error:
        wrong = str(error)
    if wrong:
        log.warning("the kept file %s is damaged and is not used: %s", path, wrong)
        return None
    bars.attrs.update({name: notes[name] for name in PROVENANCE})
    return bars


def _fault(
    bars: Bars, notes: dict[str, Any], uri: str, first: pd.Timestamp | None, last: pd.Timestamp | None
) -> str | None:
    """What is wrong with an entry that could be read."""
    missing = [name for name in PROVENANCE if not isinstance(notes.get(name), str)]
    if missing:
        return f"its footer lacks {' and '.join(missing)}"
    if [notes.get("uri"), *notes.get("span", ())] != [uri, _text(first), _text(last)]:
        return "it holds the bars of another URI or span"
    if pd.isna(pd.to_datetime(notes["fetched_at"], errors="coerce", utc=True)):
        return "its footer does not say when it was fetched"
    if fingerprint(bars) != notes["sha256"]:
        return "its bars do not have the sha256 that its footer says"
    return None


def _write(path: Path, bars: Bars, uri: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> None:
    notes = {name: bars.attrs[name] for name in PROVENANCE}
    content = packed(bars, {"uri": uri, "span": [_text(first), _text(last)], **notes})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    except OSError as error:
        log.warning("cannot keep the bars of %s in %s: %s", uri, path.parent, error.strerror or error)


def _nothing_kept(path: Path, uri: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    spans = []
    for other in sorted(path.parent.glob("*.parquet")):
        notes = notes_of(other)
        if notes.get("uri") == uri and other != path:
            spans.append(_words(*(time and pd.Timestamp(time) for time in notes["span"])))
    known = f"; kept of it: {', '.join(spans)}" if spans else ""
    return (
        f"the bars of {uri} {_words(first, last)} are not kept in {cache_folder()}{known}; "
        "fetch them once without --offline and DLTRADER_OFFLINE"
    )


def _words(first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    ends = [f"{word} {written(time)}" for word, time in (("from", first), ("to", last)) if time is not None]
    return " ".join(ends) or "of all times"


def _text(time: pd.Timestamp | None) -> str | None:
    return None if time is None else time.isoformat()
