"""Plot a run: its backtest and its learning curves."""

from __future__ import annotations

from pathlib import Path

from dltrader.plotting import plot_training, save_figure
from dltrader.runs import Run
from dltrader.workflows.backtest import backtest_run


def plot_run(run: Run, out: str | Path | None = None, *, suffix: str = "png") -> list[Path]:
    """Draw the backtest on the test bars and the training curve.

    Args:
        run: The run.
        out: A folder for the pictures; by default `plots/` in the run.
        suffix: png, svg or pdf.

    Returns:
        The files, backtest first.

    Raises:
        RunError: The run has no policy yet.
        ConfigError: The suffix is none that can be drawn.
    """
    folder = Path(out) if out is not None else run.path / "plots"
    figures = {"backtest": backtest_run(run).plot(), "training": plot_training(run)}
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{name}.{suffix}")
        save_figure(figure, files[-1])
    return files
