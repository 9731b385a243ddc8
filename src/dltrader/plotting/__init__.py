"""Result in, figure out: nothing here computes a metric, opens a window or sets anything global."""

from __future__ import annotations

from dltrader.plotting.backtest import plot_backtest
from dltrader.plotting.importances import plot_importances
from dltrader.plotting.learning import plot_learning
from dltrader.plotting.monitoring import plot_monitoring
from dltrader.plotting.oracle import plot_oracle
from dltrader.plotting.speed import plot_speed
from dltrader.plotting.style import save_figure
from dltrader.plotting.training import plot_training

__all__ = [
    "plot_backtest",
    "plot_importances",
    "plot_learning",
    "plot_monitoring",
    "plot_oracle",
    "plot_speed",
    "plot_training",
    "save_figure",
]
