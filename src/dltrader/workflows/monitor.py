"""Monitor: what became of logged predictions, and whether their features still look like those of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.data import load_bars
from dltrader.data.bars import Bars, median_gap, times_of
from dltrader.envs.contract import Costs
from dltrader.envs.market import instrument_of
from dltrader.errors import BarsError, ConfigError, RunError
from dltrader.evaluation.monitoring.monitoring import WINDOW, Monitoring, monitored
from dltrader.evaluation.monitoring.outcomes import UNMATCHED
from dltrader.files import write_json, write_text
from dltrader.forecast.horizons import horizon_bars, horizon_name
from dltrader.forecast.labels import LabelsConfig
from dltrader.forecast.sight import TOLERANCE
from dltrader.forecast.vote import SIDES
from dltrader.plotting import plot_monitoring, save_figure
from dltrader.registry import did_you_mean
from dltrader.runs import Run
from dltrader.runs.ensemble_bundle import load_reference
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.logged_predictions import LoggedPredictions, read_predictions
from dltrader.runs.run import POLICY
from dltrader.workflows.predict_log import log_file

NUMBERS, TABLE, PICTURE = "monitoring.json", "predictions.csv", "monitoring.png"


def monitor(
    log: str | Path,
    bars: Bars | str,
    *,
    run: str | Path | Run | None = None,
    symbol: str | None = None,
    horizon: int | None = None,
    window: int = WINDOW,
    out: str | Path | None = None,
) -> Monitoring:
    """Join logged predictions with what happened.

    Args:
        log: A prediction log, or a run folder that has one.
        bars: Of one instrument, or a source URI.
        run: The run that has predicted: it says how features were spread over the bars of training. Of a run folder
            that was given as the log, that one.
        symbol: Which instrument's predictions; by default those of the bars', or of the only one in the log.
        horizon: Bars ahead that recommendations are judged by; by default as many as the models learned to look, and 5
            of policies, which look at none.
        window: Predictions that the rolling numbers look back on.
        out: A folder for `monitoring.json`, `predictions.csv` and `monitoring.png`; None: nothing is written.

    Raises:
        RunError: There is no log, no prediction in it, no such run, or no folder to write to can be made.
        SourceError: The bars cannot be had.
        BarsError: They break the rules of bars, are of another interval, or are not those that were predicted.
        ConfigError: The log has no predictions on that instrument, or a number is out of range.
        BundleError: The reference of training is damaged.
    """
    if window < 1 or (horizon is not None and horizon < 1):
        raise ConfigError(f"window and horizon count from 1 on, were {window} and {horizon}")
    path, opened = _where(Path(log), run)
    logged = read_predictions(path)
    frame = load_bars(bars) if isinstance(bars, str) else bars
    interval = _interval(logged.origin)
    _require_interval(frame, interval)
    chosen = (logged.table["symbol"] == _symbol(logged, bars, symbol)).to_numpy()
    table = logged.table[chosen].reset_index(drop=True)
    labels, costs = _asked(logged.origin, opened, horizon)
    found = monitored(
        table,
        logged.features[chosen].reset_index(drop=True),
        frame,
        labels=labels,
        costs=costs,
        wins=_wins(table, interval),
        models=_models(table),
        reference=load_reference(opened.path / POLICY) if isinstance(opened, EnsembleRun) else None,
        window=window,
        missing=logged.missing,
        unreadable=logged.unreadable,
    )
    if found.counts[UNMATCHED] == len(found.predictions):
        first, last = (times_of(frame)[row].isoformat() for row in (0, -1))
        raise BarsError(
            f"none of the {len(found.predictions)} predictions on {found.symbol} was made at one of these bars, from "
            f"{first} to {last}; give the bars that were predicted, at the same interval and with the same times"
        )
    if out is not None:
        write_monitoring(found, out)
    return found


def write_monitoring(monitoring: Monitoring, folder: str | Path) -> list[Path]:
    """Write the numbers, the predictions with what became of them, and the picture.

    Returns:
        The files.

    Raises:
        RunError: The folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from None
    write_json(folder / NUMBERS, monitoring.to_mapping())
    write_text(folder / TABLE, monitoring.predictions.to_csv(index=False, lineterminator="\n"))
    save_figure(plot_monitoring(monitoring), folder / PICTURE)
    return [folder / name for name in (NUMBERS, TABLE, PICTURE)]


def beside(log: str | Path) -> Path:
    """The folder beside a log, or beside that of a run, that what came of it is written to by default.

    Raises:
        RunError: There is no such run, or it keeps no log.
    """
    path, _ = _where(Path(log), None)
    return path.with_name("monitoring")


def _where(log: Path, run: str | Path | Run | None) -> tuple[Path, Run | None]:
    """The log, and the run that has written it if that is known."""
    opened = Run.open(run) if isinstance(run, str | Path) else run
    if not log.is_dir():
        return log, opened
    written = Run.open(log)
    path = log_file(written)
    if path is None:
        raise RunError(f"{log} keeps no prediction log, as predictions.path says; name the file")
    return path, opened or written


def _symbol(logged: LoggedPredictions, bars: Bars | str, symbol: str | None) -> str:
    """Whose predictions are meant."""
    known = list(dict.fromkeys(logged.table["symbol"]))
    if symbol is not None:
        if symbol not in known:
            raise ConfigError(f"the log has no prediction on {symbol!r}{did_you_mean(symbol, known)}")
        return symbol
    name = instrument_of(bars)
    if name in known:
        return name
    if len(known) == 1:
        return str(known[0])
    raise ConfigError(
        f"the log has predictions on {', '.join(known)}, and the bars are of {name}; choose with --symbol"
    )


def _asked(origin: Mapping[str, Any], run: Run | None, horizon: int | None) -> tuple[LabelsConfig, Costs]:
    """Labels and costs that predictions are judged by: those of the run, else those of the log."""
    if isinstance(run, EnsembleRun):
        labels, costs = run.config.labels, run.config.env.costs
    else:
        labels = LabelsConfig.from_mapping(origin.get("labels") or {})
        costs = Costs.from_mapping(origin.get("costs") or {})
    return (labels if horizon is None else labels.model_copy(update={"horizon_bars": horizon})), costs


def _interval(origin: Mapping[str, Any]) -> pd.Timedelta | None:
    """From one bar to the next, of those that the models learned from; None where the log does not know."""
    interval = origin.get("interval")
    try:
        return None if interval is None else pd.Timedelta(interval)
    except ValueError:
        raise RunError(f"the interval of the log is {interval!r}, and ISO 8601 is read; name another log") from None


def _require_interval(bars: Bars, interval: pd.Timedelta | None) -> None:
    """See that bars are those of predictions: five others may be a week where five minutes were foretold."""
    if interval is None or len(bars) < 2:
        return
    found = median_gap(times_of(bars))
    if not 1 / TOLERANCE < found / interval < TOLERANCE:
        told, expected = horizon_name(1, found), horizon_name(1, interval)
        raise BarsError(f"bars come every {told}, and predictions were made on bars of {expected}; give bars of those")


def _wins(table: pd.DataFrame, interval: pd.Timedelta | None) -> dict[str, int]:
    """Name -> horizon in bars, of the probabilities of wins in a log: "win_5d" of the column win_5d_prob."""
    if interval is None:
        return {}
    names = [column.removesuffix("_prob") for column in table.columns if column.startswith("win_")]
    found = {name: horizon_bars(name.removeprefix("win_"), interval) for name in names}
    return {name: bars for name, bars in found.items() if bars is not None}


def _models(table: pd.DataFrame) -> Sequence[str]:
    """Models whose probabilities of all sides stand in a log."""
    each = dict.fromkeys(name for names in table["models"] for name in names.split())
    return [name for name in each if all(f"{name}_{side}_prob" in table for side in SIDES)]
