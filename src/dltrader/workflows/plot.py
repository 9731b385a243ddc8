"""Plot a run: its backtest, its learning curves, and what forecasters look at that can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrader.errors import ConfigError
from dltrader.forecast.members import ForecasterMember
from dltrader.plotting import plot_importances, plot_learning, plot_training, save_figure
from dltrader.runs import Run
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.workflows.backtest import backtest_markets, backtest_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = ("png", "svg", "pdf")


def plot_run(run: Run, out: str | Path | None = None, *, suffix: str = "png", **tested: Any) -> list[Path]:
    """Draw a backtest, by default on the test bars, the training curve or those of all members, and what trees look at.

    Args:
        run: The run.
        out: A folder for the pictures; by default `plots/` in the run.
        suffix: png, svg or pdf.
        **tested: What is backtested, as for `backtest_run`: bars, market, start, end, which. Of a run on several
            markets every one is drawn, unless bars or a market are named.

    Returns:
        The files, backtest first.

    Raises:
        RunError: The run has no policy yet.
        ConfigError: The suffix is none that can be drawn, or the folder cannot be made.
    """
    if suffix not in SUFFIXES:  # before the bars are traded for nothing
        raise ConfigError(f"the format of a picture must be {', '.join(SUFFIXES)}, was {suffix!r}")
    folder = Path(out) if out is not None else run.path / "plots"
    figures = _backtests(run, tested) | _trainings(run) | _importances(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from None
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{name}.{suffix}")
        save_figure(figure, files[-1])
    return files


def _backtests(run: Run, tested: dict[str, Any]) -> dict[str, Figure]:
    """The pictures of what is backtested, by file name."""
    if run.config.data.apart and tested.get("bars") is None and tested.get("market") is None:
        times = {name: value for name, value in tested.items() if name not in {"bars", "market"}}
        results = backtest_markets(run, **times, keep=False)
        return {f"backtest-{name}": result.plot() for name, result in results.items()}
    return {"backtest": backtest_run(run, **tested, keep=False).plot()}


def _trainings(run: Run) -> dict[str, Figure]:
    """How the policy, or each member of an ensemble that was trained for it, learned, by file name."""
    if not isinstance(run, EnsembleRun):
        return {"training": plot_training(run)}
    figures = {}
    for name in run.members:
        curve, trained = run.member_curve(name), run.member_run(name)
        if trained is not None:
            figures[f"training-{name}"] = plot_training(trained, title=f"How {name} learned")
        elif len(curve):
            figures[f"training-{name}"] = plot_learning(curve, title=f"How {name} learned")
    return figures


def _importances(run: Run) -> dict[str, Figure]:
    """What those of an ensemble's forecasters look at that can tell, by file name."""
    if not isinstance(run, EnsembleRun):
        return {}
    forecasters = [member for member in run.policy().members if isinstance(member, ForecasterMember)]
    tables = {member.name: member.trained.forecaster.importances() for member in forecasters}
    return {
        f"importances-{name}": plot_importances(table, title=f"What {name} looks at")
        for name, table in tables.items()
        if table is not None
    }
