"""Predict line by line: snapshots in, answers out, one JSON object a line.

A line that cannot be answered is answered with {"line": its number from 1, "error": why}, and the next one as if it had
not been there. Empty lines are passed over.
"""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from dltrader.data import load_bars
from dltrader.data.bars import times_of
from dltrader.envs.market import instrument_of
from dltrader.errors import DLTraderError, SnapshotError
from dltrader.workflows.predict import EnsemblePredictor

MOST_BYTES = 1 << 25
"""A longer line is refused and passed over, a part at a time: it must not fill the memory. 10 000 bars take 2 MB."""

MOST_SAID = 4_000
"""Characters of what is wrong with a line: a value that is repeated may be as long as the line itself."""


class Reply(NamedTuple):
    """What is written for a line.

    Attributes:
        line: JSON, without its end.
        complete: Whether there is an answer, and all models that are there have voted on it.
    """

    line: str
    complete: bool


def replies(predictor: EnsemblePredictor, lines: BinaryIO) -> Iterator[Reply]:
    """Answer snapshots as they come, until there are no more; one line at a time is held.

    Args:
        predictor: Answers.
        lines: UTF-8, each a snapshot; a byte order mark, with which Windows begins files, may stand before the first.
    """
    for number, line in _lines(lines):
        if line is None:
            yield _refused(SnapshotError(f"the line has more than {MOST_BYTES} bytes; send fewer bars"), line=number)
        elif line.strip():
            yield _reply(lambda line=line: predictor.predict(line), line=number)  # type: ignore[misc]


def replies_to_bars(
    predictor: EnsemblePredictor,
    uri: str,
    *,
    every: float | None = None,
    sleep: Callable[[float], Any] = time.sleep,
) -> Iterator[Reply]:
    """Answer the newest bar of a source, and then every one that is newer, for ever.

    Args:
        predictor: Answers.
        uri: The source.
        every: Seconds until the source is asked again; None: it is asked once.
        sleep: Waits.

    Raises:
        DLTraderError: Where the source is asked once, whatever is wrong with it or its bars.
    """
    if every is None:
        answer = predictor.predict_bars(uri)
        yield Reply(answer.to_json(), not answer.failed)
        return
    symbol, last = instrument_of(uri), None
    while True:
        try:
            bars = load_bars(uri)
        except DLTraderError as error:
            yield _refused(error)
        else:
            newest = times_of(bars)[-1]
            if last is None or newest > last:
                yield _reply(lambda bars=bars: predictor.predict_bars(bars, symbol=symbol))  # type: ignore[misc]
                last = newest
        sleep(every)


def _reply(ask: Callable[[], Any], **place: int) -> Reply:
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001 - a feature of the user's own may raise anything: the next line is answered
        return _refused(error, **place)
    return Reply(answer.to_json(), not answer.failed)


def _refused(error: Exception, **place: int) -> Reply:
    said = " ".join(str(error).split())
    if len(said) > MOST_SAID:  # what was found stands first, what is right last
        said = f"{said[: MOST_SAID // 2]} … {said[-MOST_SAID // 2 :]}"
    return Reply(json.dumps({**place, "error": f"{type(error).__name__}: {said}"}), complete=False)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines by number; None for one that is too long."""
    number = 0
    while line := stream.readline(MOST_BYTES + 1):
        number += 1
        if len(line) <= MOST_BYTES:
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MOST_BYTES)
        yield number, None
