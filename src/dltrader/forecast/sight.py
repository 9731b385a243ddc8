"""Sight: a snapshot as the observation that the same bars and the same account give in an environment, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from dltrader.data.bars import Bars, median_gap, times_of
from dltrader.envs.contract import ACCOUNT_BOUND, UNSCALED_BOUND, EnvConfig, FloatArray, Observation
from dltrader.envs.records import account_of
from dltrader.errors import SnapshotError
from dltrader.features import FittedPipeline
from dltrader.features.context import Context
from dltrader.forecast.snapshot import Snapshot, frame_of
from dltrader.registry import did_you_mean

TOLERANCE = 1.5
"""By such a factor the median time between bars may differ from that of training: months are not equally long."""


class Seeing(Protocol):
    """What an observation is made for.

    Attributes:
        env_config: The environment, which says how many rows are seen and how an account is told.
        pipeline: Computes the features.
        interval: Median time between the bars of training; None where nothing is known of it.
    """

    @property
    def env_config(self) -> EnvConfig: ...  # noqa: D102
    @property
    def pipeline(self) -> FittedPipeline: ...  # noqa: D102
    @property
    def interval(self) -> pd.Timedelta | None: ...  # noqa: D102


def observation_of(snapshot: Snapshot, seeing: Seeing) -> Observation:
    """What an environment shows at the close of the newest bar: its market (window, features) and its account (2,).

    Features of this library depend on their own windows only, so that bars give the same rows to the bit however much
    history stands before them; some indicators of other libraries do not.

    Raises:
        SnapshotError: Bars are too few, too late or of another interval; features are missing, unknown, not scaled, or
            in rows of another number or length; the account cannot be.
        BarsError: Bars break their rules.
        FeatureError: A feature cannot be computed.
    """
    market = _from_bars(snapshot, seeing) if snapshot.features is None else _from_features(snapshot, seeing)
    return {"market": market, "account": account(snapshot, seeing.env_config)}


def account(snapshot: Snapshot, config: EnvConfig) -> FloatArray:
    """The account as an agent sees it: exposure, and the open trade's unrealised return, (2,) float32.

    The entry price follows from what the open trade has made: position x (close - entry).

    Raises:
        SnapshotError: There is no money, no price for the position, a gain without a position, or one beyond a price
            of 0.
    """
    position, made, close = snapshot.position, snapshot.unrealized_pnl, snapshot.price
    equity = (config.cash if snapshot.balance is None else snapshot.balance) + made
    if not equity > 0.0:
        raise SnapshotError(f"balance and unrealized_pnl come to {equity:g}; an account without money cannot trade")
    if position == 0.0:
        if made != 0.0:
            raise SnapshotError(
                f"unrealized_pnl is {made:g} and position 0; what a closed trade made belongs to balance"
            )
        return np.zeros(2, np.float32)
    if close is None:
        raise SnapshotError(f"close is missing: a position of {position:g} is worth nothing known; add it to features")
    entry = close - made / position
    if not entry > 0.0:
        raise SnapshotError(
            f"unrealized_pnl of {made:g} on a position of {position:g} at {close:g} would mean that it was opened at "
            f"{entry:g}; prices are above 0"
        )
    told = account_of([position], [entry], [close], equity, bound=ACCOUNT_BOUND * config.leverage)
    return np.array(told, np.float32)


def market_of(bars: Bars, seeing: Seeing, context: Context | None = None) -> FloatArray:
    """The window that the features of bars fill, (window, features) float32.

    Args:
        bars: Of one instrument, the newest last.
        seeing: What it is made for.
        context: Markets that features look at.

    Raises:
        SnapshotError: Bars are too few, or of another interval.
        BarsError: A feature of a higher interval or of another market finds too few bars.
        FeatureError: A feature cannot be computed.
    """
    pipeline, window = seeing.pipeline, seeing.env_config.window_bars
    # Whatever looks elsewhere takes more than this of some bars, and says so itself.
    least = pipeline.warmup_bars + window
    if len(bars) < least:
        raise SnapshotError(
            f"{len(bars)} bars are too few, and {least} are needed: {pipeline.warmup_bars} warm the features up and "
            f"the window takes {window}; send more bars"
        )
    _require_interval(bars, seeing.interval)
    matrix = pipeline.matrix(bars, context=context)
    if len(matrix) < window:
        raise SnapshotError(
            f"{len(bars)} bars are too few, and at least {len(bars) + window - len(matrix)} are needed: "
            f"{len(bars) - len(matrix)} of these warm the features up and the window takes {window}; send more bars"
        )
    return _bounded(matrix[-window:], pipeline)


def _from_bars(snapshot: Snapshot, seeing: Seeing) -> FloatArray:
    assert snapshot.bars is not None
    names = seeing.pipeline.context
    missing = next((name for name in names if name not in snapshot.context), None)
    if missing is not None:
        raise SnapshotError(
            f"context lacks {missing!r}: features look at that market too; add its bars, or send features"
        )
    strange = next((name for name in snapshot.context if name not in names), None)
    if strange is not None:
        raise SnapshotError(f"context has {strange!r}, and no feature looks there; leave it out")
    bars = frame_of(snapshot.bars)
    context = {name: frame_of(each, f"bars of {name}") for name, each in snapshot.context.items()}
    for each in (bars, *context.values()):
        if times_of(each)[-1] > snapshot.time:
            raise SnapshotError(
                f"bars run to {times_of(each)[-1].isoformat()}, after the timestamp {snapshot.timestamp}; "
                "leave out what was not known then"
            )
    return market_of(bars, seeing, context)


def _require_interval(bars: Bars, interval: pd.Timedelta | None) -> None:
    if interval is None or len(bars) < 2:
        return
    found = median_gap(times_of(bars))
    if not 1 / TOLERANCE < found / interval < TOLERANCE:
        raise SnapshotError(
            f"bars come every {_told(found)}, and the ensemble was trained on bars of {_told(interval)}; "
            "send bars of that interval"
        )


def _told(interval: pd.Timedelta) -> str:
    """An interval in words, such as "1 day" or "15 minutes"."""
    for unit in ("day", "hour", "minute", "second"):
        number = interval / pd.Timedelta(1, unit=unit)
        if number >= 1:
            return f"{number:g} {unit}{'' if number == 1 else 's'}"
    return str(interval)


def _from_features(snapshot: Snapshot, seeing: Seeing) -> FloatArray:
    """The window that named values fill, put into the order of the pipeline."""
    features, names = snapshot.features, seeing.pipeline.names
    assert features is not None
    _require_names(features.keys(), names)
    newest = list(features.values())
    rows = _earlier(snapshot.sequence or [], newest, tuple(features), seeing.env_config.window_bars)
    given = np.array([*rows, newest], np.float64)  # (window, features), in the order of the snapshot
    places = {name: column for column, name in enumerate(features)}
    with np.errstate(over="ignore"):  # beyond single precision a value is infinite, and refused as too large
        market = np.ascontiguousarray(given[:, [places[name] for name in names]], np.float32)
    return _bounded(market, seeing.pipeline)


def _earlier(
    sequence: Sequence[Sequence[float]], newest: Sequence[float], names: Sequence[str], window: int
) -> Sequence[Sequence[float]]:
    """The rows before the newest."""
    long = next((row for row, values in enumerate(sequence) if len(values) != len(names)), None)
    if long is not None:
        raise SnapshotError(
            f"sequence row {long} has {len(sequence[long])} values, and features has {len(names)} keys; "
            "give every row a value for each of them, in their order"
        )
    if len(sequence) == window and list(sequence[-1]) == list(newest):
        return sequence[:-1]
    if len(sequence) == window:
        column = next(i for i, value in enumerate(newest) if value != sequence[-1][i])
        raise SnapshotError(
            f"sequence ends with {names[column]} = {sequence[-1][column]:g}, and features says {newest[column]:g}; its "
            "rows have the order of the keys of features, and the last is the newest bar or the one before"
        )
    if len(sequence) != window - 1:
        raise SnapshotError(
            f"sequence has {len(sequence)} rows, and {window - 1} are needed before the newest: the ensemble reads "
            f"{window} bars; send them in the order of the keys of features, oldest first"
        )
    return sequence


def _require_names(given: object, names: Sequence[str]) -> None:
    """Check that the features are those of the pipeline, by name.

    Raises:
        SnapshotError: Which are missing, which unknown, and what is expected.
    """
    found = set(given)  # type: ignore[call-overload]
    missing = [name for name in names if name not in found]
    strange = sorted(found.difference(names))
    if not missing and not strange:
        return
    said = [f"{' '.join(missing)} missing"] if missing else []
    if strange:
        hint = did_you_mean(strange[0], missing) if missing else ""
        said.append(f"{' '.join(strange)} unknown{hint if 'did you mean' in hint else ''}")
    raise SnapshotError(f"features: {', '.join(said)}; expected are {len(names)}: {' '.join(names)}")


def _bounded(market: FloatArray, pipeline: FittedPipeline) -> FloatArray:
    """A window whose values lie within the observation space, as scaled ones do."""
    bound = UNSCALED_BOUND if pipeline.clip is None else pipeline.clip
    sizes = np.abs(market).max(axis=0)  # (features,)
    column = int(sizes.argmax())
    if not sizes[column] <= bound:
        raise SnapshotError(
            f"the feature {pipeline.names[column]} reaches {sizes[column]:.4g}, and observations end at {bound:.4g}; "
            "send features as the ensemble's own pipeline scales them, or send bars"
        )
    return market
