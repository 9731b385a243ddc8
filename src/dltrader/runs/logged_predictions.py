"""Logged predictions: a prediction log, with what was rotated away and is still there, as tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.errors import RunError, SnapshotError
from dltrader.forecast.snapshot import stamps_of
from dltrader.forecast.vote import SIDES
from dltrader.runs.prediction_log import FORMAT, aside

KEPT = ("latency_ms", "inputs_sha256")
PARTS = {
    "features": dict,
    "bundles": dict,
    "costs": dict,
    "answer": dict,
    "models": list,
    "bar": str,
    "latency_ms": int | float,
}
"""What a line must hold, and as what."""

TOLD = 3
"""So many unreadable lines are told of; the others are counted."""


@dataclass(frozen=True, eq=False)
class LoggedPredictions:
    """What a log holds, of whatever instruments.

    Attributes:
        table: A row a prediction in the order in which they were made. Columns: symbol, bar (when it closed),
            recommendation, confidence_score, agreement_score, target_weight, action, latency_ms, inputs_sha256, models
            and failed (names, joined by blanks), bundles (their sha256, joined by blanks), and every number that
            answers hold, such as win_5d_prob or lstm_buy_prob; nan where one does not.
        features: The features of the newest bar, a row a prediction.
        origin: What the last line says of labels, costs and interval.
        missing: Members that the last answer said are not there.
        unreadable: How many lines are no predictions.
        problems: Of the first of them, what is wrong.
    """

    table: pd.DataFrame
    features: pd.DataFrame
    origin: Mapping[str, Any]
    missing: tuple[str, ...]
    unreadable: int
    problems: tuple[str, ...]


def read_predictions(path: str | Path) -> LoggedPredictions:
    """Read a log; lines that are no predictions, as a process leaves them that was killed, are counted and passed over.

    Raises:
        RunError: There is no such file, or no prediction in it.
    """
    path = Path(path)
    files = [file for file in (path, *_put_aside(path)) if file.is_file()][::-1]
    if not files:
        raise RunError(f"there is no prediction log {path}; dltrader predict RUN --log {path} writes one")
    rows: list[dict[str, Any]] = []
    features: list[dict[str, float]] = []
    unreadable = 0
    problems: list[str] = []
    last: dict[str, Any] = {}
    for where, line in _lines(files):
        try:
            record = _record(line)
            row, seen = _row(record), {name: float(value) for name, value in record["features"].items()}
        except (ValueError, OverflowError) as error:
            unreadable += 1
            problems += [f"{where}: {error}"] if len(problems) < TOLD else []
            continue
        rows.append(row)
        features.append(seen)
        last = record
    if not rows:
        raise RunError(f"{path} holds no prediction{f' ({problems[0]})' if problems else ''}; name another log")
    table = pd.DataFrame(rows)
    table["bar"] = _times(path, table["bar"].tolist())
    origin = {key: last.get(key) for key in ("labels", "costs", "interval")}
    missing = tuple(map(str, last["answer"].get("models_missing") or ()))
    return LoggedPredictions(table, pd.DataFrame(features), origin, missing, unreadable, tuple(problems))


def _put_aside(path: Path) -> Iterator[Path]:
    number = 1
    while (older := aside(path, number)).is_file():
        yield older
        number += 1


def _lines(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Lines that are not empty, and where each stands."""
    for file in files:
        try:
            with file.open("rb") as opened:
                for number, line in enumerate(opened, start=1):
                    if line.strip():
                        yield f"{file.name} line {number}", line
        except OSError as error:
            raise RunError(f"cannot read {file}: {error.strerror}") from None


def _record(line: bytes) -> dict[str, Any]:
    """A line as it was written.

    Raises:
        ValueError: It was not written by a prediction log.
    """
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise ValueError(f"format {found!r}, this version of dltrader reads {FORMAT}")
    damaged = next((key for key, kind in PARTS.items() if not isinstance(record.get(key), kind)), None)
    if damaged is not None:
        raise ValueError(f"{damaged} is missing or damaged")
    answer = record["answer"]
    lacking = next((key for key, is_one in ASKED.items() if not is_one(answer.get(key))), None)
    if lacking is not None:
        raise ValueError(f"{lacking} of its answer is missing or damaged")
    if not all(_is_number(value) for value in record["features"].values()):
        raise ValueError("a feature is no number")
    return dict(record)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    answer = record["answer"]
    numbers = {key: float(value) for key, value in answer.items() if _is_number(value)}
    return numbers | {
        "symbol": str(answer["symbol"]),
        "bar": record["bar"],
        "recommendation": answer["ensemble_recommendation"],
        "action": answer["action"],
        **{key: record.get(key) for key in KEPT},
        "models": " ".join(map(str, record["models"])),
        "failed": " ".join(answer.get("models_failed") or {}),
        "bundles": " ".join(sorted(map(str, record["bundles"].values()))),
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


ASKED: Mapping[str, Callable[[Any], bool]] = {
    "symbol": _is_text,
    "action": _is_text,
    "ensemble_recommendation": lambda value: value in {side.upper() for side in SIDES},
    "confidence_score": _is_number,
    "agreement_score": _is_number,
    "target_weight": _is_number,
    "models_failed": lambda value: value is None or isinstance(value, dict),
    "models_missing": lambda value: value is None or isinstance(value, list),
}
"""What an answer must hold, and how that is told."""


def _times(path: Path, times: list[str]) -> pd.DatetimeIndex:
    try:
        return stamps_of(times, "bar of prediction")
    except SnapshotError as error:
        raise RunError(f"{path}: {error}; remove that line") from None
