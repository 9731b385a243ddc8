"""How long an answer takes with the models loaded, how long the first one, and how memory grows."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import psutil

from dltrader.agents.threads import torch_threads
from dltrader.benchmarks.predictions.snapshots import FORMS, Form, Snapshots
from dltrader.errors import BundleError
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.runs import Run
from dltrader.workflows.predict import EnsemblePredictor, Prediction

MOST_SECONDS, MOST_COLD_SECONDS, MOST_GROWTH = 0.005, 4.0, 0.05
"""What is asked: a median answer to features, a first answer, and how much memory may grow while it goes on.

Of bars the features have to be computed first, which takes as long as there are many of them: it is measured beside.
"""

TIMES = 10
"""So many times is the memory looked at, first when a tenth of the snapshots has been answered."""

MIXED: tuple[Form, ...] = (*FORMS[1:], *FORMS[:1] * 19)
"""The forms by turns that one process answers for the memory: bars take longer, and would hide nothing."""


@dataclass(frozen=True)
class Latency:
    """How long answers took, seconds.

    Attributes:
        median: Of half of them no longer.
        most: Of 95 % of them no longer.
        processor: Median of the time that a processor worked on them: what other programs take is not in it.
    """

    median: float
    most: float
    processor: float


@dataclass(frozen=True)
class Predictions:
    """What answers cost.

    Attributes:
        machine: Cores and versions.
        models: Who votes.
        answers: How many snapshots of each form were answered for the latencies.
        latency: Form -> how long an answer takes in this process, from JSON to JSON.
        members: Member -> median seconds of its vote.
        cold_start: Median seconds from the start of a process to its first answer.
        memory: Snapshots answered by one process -> bytes that it held then.
    """

    machine: Mapping[str, str]
    models: tuple[str, ...]
    answers: int
    latency: Mapping[str, Latency]
    members: Mapping[str, float]
    cold_start: float
    memory: Mapping[int, int]

    @cached_property
    def growth(self) -> float:
        """How much more memory there was at the end than after the first tenth of the snapshots, as a fraction."""
        sizes = list(self.memory.values())
        return sizes[-1] / sizes[0] - 1.0

    @property
    def as_asked(self) -> dict[str, bool]:
        """What is asked -> whether it is so on this machine, as busy as it was."""
        return {
            "features": self.latency["features"].median <= MOST_SECONDS,
            "cold_start": self.cold_start <= MOST_COLD_SECONDS,
            "memory": self.growth <= MOST_GROWTH,
        }

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self) | {"growth": self.growth, "as_asked": self.as_asked}


def measure_predictions(
    run: Run,
    *,
    answers: int = 300,
    snapshots: int = 10_000,
    starts: int = 3,
    watch: Callable[[str], Any] = lambda _: None,
) -> Predictions:
    """Measure it all on one thread; about two minutes with the usual ensemble.

    Args:
        run: Of an ensemble, or of a policy.
        answers: Snapshots of each form for the latencies, at least 2.
        snapshots: How many one process answers for the memory, every twentieth by bars and all others by features.
        starts: Processes that are started for the cold start.
        watch: Called with what is measured next.

    Raises:
        BundleError: A process that was started could not answer.
    """
    watch("latency")
    ensemble = EnsemblePredictor.open(run).ensemble
    asked = Snapshots(ensemble, run)
    with torch_threads(1):
        latency: dict[str, Latency] = {
            form: _latency(EnsemblePredictor(ensemble), [*asked.lines(answers + 1, form)]) for form in FORMS
        }
        members = _members(ensemble, next(asked.lines(1, "features")))
    watch("cold start")
    cold = [_cold_start(run.path, next(asked.lines(1, "bars"))) for _ in range(starts)]
    watch("memory")
    memory = _memory(run.path, asked.lines(snapshots, *MIXED), snapshots)
    return Predictions(
        machine={
            "processor": platform.processor() or platform.machine(),
            "cores": str(os.cpu_count()),
            "python": platform.python_version(),
        },
        models=ensemble.models,
        answers=answers,
        latency=latency,
        members=members,
        cold_start=median(cold),
        memory=memory,
    )


def _latency(predictor: EnsemblePredictor, lines: list[bytes]) -> Latency:
    """The first answer is not counted: it finds nothing in the processor's caches."""
    predictor.predict(lines[0])
    took, worked = [], []
    for line in lines[1:]:
        started, began = time.perf_counter(), time.process_time()
        predictor.predict(line).to_json()
        took.append(time.perf_counter() - started)
        worked.append(time.process_time() - began)
    return Latency(median(took), quantiles(took, n=20)[-1], median(worked))


def _members(ensemble: EnsemblePolicy, line: bytes, repeats: int = 50) -> dict[str, float]:
    """Member -> median seconds of its vote on a snapshot."""
    seen: list[Prediction] = []
    EnsemblePredictor(ensemble, watch=seen.append).predict(line)
    market, account = (seen[0].observation[key][np.newaxis] for key in ("market", "account"))
    found = {}
    for member in ensemble.members:
        took = []
        for _ in range(repeats):
            started = time.perf_counter()
            member.votes(market, account)
            took.append(time.perf_counter() - started)
        found[member.name] = median(took)
    return found


def _cold_start(run: Path, line: bytes) -> float:
    """Seconds from the start of `dltrader predict` to its first answer."""
    started = time.perf_counter()
    with _process(run) as process:
        _ask(process, line)
        took = time.perf_counter() - started
        _end(process)
    return took


def _memory(run: Path, lines: Iterable[bytes], count: int) -> dict[int, int]:
    """Snapshots that one `dltrader predict` has answered -> bytes that it held then, at every tenth of them."""
    memory = {}
    with _process(run) as process:
        sizes = psutil.Process(process.pid)
        for number, line in enumerate(lines, start=1):
            _ask(process, line)
            if number % max(count // TIMES, 1) == 0:
                memory[number] = int(sizes.memory_info().rss)
        _end(process)
    return memory


def _process(run: Path) -> subprocess.Popen[bytes]:
    """`dltrader predict` on a run, by one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "dltrader", "predict", str(run), "--no-log"]
    return subprocess.Popen(  # noqa: S603 - this very library, in this very interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | one
    )


def _ask(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Send a snapshot and wait for its answer.

    Raises:
        BundleError: There is none, or it is an error.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended, and said why on standard error
        process.stdin.write(line)
        process.stdin.flush()
    answer = process.stdout.readline()
    if b'"ensemble_recommendation"' not in answer:
        process.kill()
        said = answer.decode(errors="replace").strip() or "nothing"
        raise BundleError(f"a process that predicts with the run answered {said}; try: dltrader predict RUN")


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
