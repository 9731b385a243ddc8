"""The prediction log: every prediction as a line of JSON, appended to a file that is rotated when it is full.

A line holds all that it takes to judge the prediction later: the answer, the models and the checksums of their bundles,
when the bar closed, how long it took, a hash of all that the models saw, the features of the newest bar, and what the
models had learned to foretell. `dltrader.runs.logged_predictions` reads it again.

Several processes may append to one log: a line is written at once, and who finds that another has rotated the file
opens the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pydantic import Field

from dltrader.config import Config
from dltrader.envs.contract import Observation
from dltrader.errors import RunError
from dltrader.forecast.answer import Answer
from dltrader.forecast.policy import EnsemblePolicy

FORMAT = 1


class PredictionLogConfig(Config):
    """Where predictions are logged, and how much of them is kept."""

    path: str | None = Field(
        "predictions/log.jsonl",
        min_length=1,
        description="File that predictions are appended to, from the run folder on unless it begins at the root; null: "
        "none",
    )
    max_bytes: int = Field(10_000_000, ge=10_000, description="A larger file is put aside and a new one begun")
    keep: int = Field(9, ge=0, le=999, description="Files put aside that are kept: path.1 is the newest of them")


class Predicted(Protocol):
    """What is logged: see `dltrader.workflows.predict.Prediction`."""

    @property
    def answer(self) -> Answer: ...  # noqa: D102
    @property
    def observation(self) -> Observation: ...  # noqa: D102
    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def time(self) -> pd.Timestamp: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Origin:
    """Where predictions come from.

    Attributes:
        bundles: Run -> sha256 of the description of its models, which covers the files of these.
        labels: What the models learned to foretell; None of policies, which learned from rewards.
        costs: What a trade pays.
        interval: From one bar to the next, ISO 8601; None where it is not known.
    """

    bundles: Mapping[str, str]
    labels: Mapping[str, Any] | None
    costs: Mapping[str, Any]
    interval: str | None

    @classmethod
    def of(
        cls,
        ensemble: EnsemblePolicy,
        *,
        bundles: Mapping[str, str] | None = None,
        labels: Mapping[str, Any] | None = None,
    ) -> Origin:
        """That of an ensemble's predictions."""
        interval = None if ensemble.interval is None else ensemble.interval.isoformat()
        return cls(dict(bundles or {}), labels, ensemble.env_config.costs.to_mapping(), interval)


class PredictionLog:
    """Appends predictions to a file: to be passed as `watch` to an `EnsemblePredictor`.

    A prediction that cannot be written, because the disk is full, is answered all the same; it is counted as lost.

    Args:
        path: The file; missing folders are made.
        origin: Where the predictions come from.
        config: When the file is rotated, and how much is kept.
        tell: Called with why, when the first prediction is lost.

    Attributes:
        lost: Predictions that could not be written.

    Raises:
        RunError: The file cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        origin: Origin,
        *,
        config: PredictionLogConfig | None = None,
        tell: Callable[[str], Any] = lambda _: None,
    ) -> None:
        self.path = Path(path)
        self.lost = 0
        self._origin, self._tell = origin, tell
        self._config = config or PredictionLogConfig()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self.path)
        except OSError as error:
            raise RunError(
                f"cannot write the prediction log {self.path}: {error.strerror}; name another with --log FILE, or do "
                "without with --no-log"
            ) from None

    def __call__(self, prediction: Predicted) -> None:
        """Append a prediction."""
        line = (json.dumps(record_of(prediction, self._origin), allow_nan=False) + "\n").encode()
        try:
            self._append(line)
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                self._tell(f"predictions are not logged: {self.path}: {error.strerror}")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _append(self, line: bytes) -> None:
        if not _is(self._file, self.path):
            self._open_again()
        size = os.fstat(self._file).st_size
        if size and size + len(line) > self._config.max_bytes:
            self._rotate()
        while line:  # all at once, unless the disk is nearly full
            line = line[os.write(self._file, line) :]

    def _rotate(self) -> None:
        """Put the file aside, unless another process has done it meanwhile, and begin a new one."""
        with _locked(self._file):
            if _is(self._file, self.path):
                kept = [self.path, *(aside(self.path, number) for number in range(1, self._config.keep + 1))]
                kept[-1].unlink(missing_ok=True)
                for older, newer in zip(kept[:0:-1], kept[-2::-1], strict=True):
                    with contextlib.suppress(FileNotFoundError):
                        newer.replace(older)
        self._open_again()

    def _open_again(self) -> None:
        # The new one first: where it cannot be opened, what is held stays a file of this log and of nobody else.
        opened = _opened(self.path)
        os.close(self._file)
        self._file = opened


def record_of(prediction: Predicted, origin: Origin) -> dict[str, Any]:
    """The line of a prediction, as plain values."""
    market, account = prediction.observation["market"], prediction.observation["account"]
    # Nine digits are enough to tell any two numbers of single precision apart.
    features = [float(f"{value:.9g}") for value in market[-1].tolist()]
    return {
        "format": FORMAT,
        "logged": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "bar": prediction.time.isoformat().replace("+00:00", "Z"),
        "models": prediction.answer.models_used,
        "bundles": dict(origin.bundles),
        "latency_ms": round(1e3 * prediction.seconds, 3),
        "inputs_sha256": inputs_sha256(prediction.names, market, account),
        "account": [float(f"{value:.9g}") for value in account.tolist()],
        "features": dict(zip(prediction.names, features, strict=True)),
        "labels": origin.labels,
        "costs": dict(origin.costs),
        "interval": origin.interval,
        "answer": prediction.answer.to_mapping(),
    }


def inputs_sha256(names: tuple[str, ...], market: Any, account: Any) -> str:
    """A hash of all that models saw: the names of features, (window, features) float32, and (2,) float32."""
    seen = hashlib.sha256(json.dumps(names).encode())
    seen.update(market.tobytes())
    seen.update(account.tobytes())
    return seen.hexdigest()


def aside(path: Path, number: int) -> Path:
    """Where a full log is put: the newest is number 1."""
    return path.with_name(f"{path.name}.{number}")


def _opened(path: Path) -> int:
    """A file to append to; what a process that was killed left of a line is ended, so that it spoils no other."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    size = os.fstat(file).st_size
    if size:
        os.lseek(file, size - 1, os.SEEK_SET)
        if os.read(file, 1) != b"\n":
            os.write(file, b"\n")
    return file


def _is(file: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


@contextlib.contextmanager
def _locked(file: int) -> Any:
    """Hold a file against other processes that would rotate it; where the system has no such locks nothing is held."""
    try:
        locks: Any = import_module("fcntl")
        locks.flock(file, locks.LOCK_EX)
    except (ImportError, OSError):
        yield
        return
    try:
        yield
    finally:
        locks.flock(file, locks.LOCK_UN)
