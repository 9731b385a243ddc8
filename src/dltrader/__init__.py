"""dltrader: deep-reinforcement-learning traders on backtrader.

    bars = dltrader.load_bars("sample:AAPL")
    run = dltrader.train("ppo_attention")
    result = dltrader.backtest(run.policy(), bars, config=run.config)
    result.plot()

The public names load on first use: `import dltrader` alone loads no torch, no backtrader and no matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dltrader.envs import register as _register_environments

if TYPE_CHECKING:
    from dltrader.agents import AGENTS, BASELINES
    from dltrader.data import SOURCES, check_bars, fingerprint, load_bars, split_bars, validate_bars
    from dltrader.envs.actions import ACTIONS
    from dltrader.envs.broker import make_cerebro
    from dltrader.envs.cerebro import TradingEnv
    from dltrader.envs.contract import Costs, EnvConfig
    from dltrader.envs.markets import Markets
    from dltrader.envs.rewards import REWARDS
    from dltrader.envs.strategy import PolicyStrategy
    from dltrader.envs.vector import TradingVectorEnv
    from dltrader.evaluation.backtest import backtest
    from dltrader.evaluation.evaluation import Evaluation
    from dltrader.evaluation.result import BacktestResult
    from dltrader.features import FEATURES, Pipeline
    from dltrader.forecast.forecasters import FORECASTERS
    from dltrader.nn import EXTRACTORS
    from dltrader.plotting import plot_training
    from dltrader.runs import ExperimentConfig, Run
    from dltrader.runs.ensemble import EnsembleConfig
    from dltrader.runs.ensemble_run import EnsembleRun
    from dltrader.workflows.check import check_leaks
    from dltrader.workflows.evaluate import evaluate
    from dltrader.workflows.many import train_many
    from dltrader.workflows.monitor import monitor
    from dltrader.workflows.predict import EnsemblePredictor
    from dltrader.workflows.report import compare, report
    from dltrader.workflows.resume import resume
    from dltrader.workflows.train import train
    from dltrader.workflows.tune import tune
    from dltrader.workflows.walk_forward import WalkForward, walk_forward

__version__ = "0.1.0"

_HOMES = {
    "ACTIONS": "envs.actions",
    "AGENTS": "agents",
    "BASELINES": "agents",
    "EXTRACTORS": "nn",
    "FEATURES": "features",
    "FORECASTERS": "forecast.forecasters",
    "REWARDS": "envs.rewards",
    "SOURCES": "data",
    "BacktestResult": "evaluation.result",
    "Costs": "envs.contract",
    "EnsembleConfig": "runs.ensemble",
    "EnsemblePredictor": "workflows.predict",
    "EnsembleRun": "runs.ensemble_run",
    "EnvConfig": "envs.contract",
    "Evaluation": "evaluation.evaluation",
    "ExperimentConfig": "runs",
    "Markets": "envs.markets",
    "Pipeline": "features",
    "PolicyStrategy": "envs.strategy",
    "Run": "runs",
    "TradingEnv": "envs.cerebro",
    "TradingVectorEnv": "envs.vector",
    "WalkForward": "workflows.walk_forward",
    "backtest": "evaluation.backtest",
    "check_bars": "data",
    "check_leaks": "workflows.check",
    "compare": "workflows.report",
    "evaluate": "workflows.evaluate",
    "fingerprint": "data",
    "load_bars": "data",
    "make_cerebro": "envs.broker",
    "monitor": "workflows.monitor",
    "plot_training": "plotting",
    "report": "workflows.report",
    "resume": "workflows.resume",
    "split_bars": "data",
    "train": "workflows.train",
    "train_many": "workflows.many",
    "tune": "workflows.tune",
    "validate_bars": "data",
    "walk_forward": "workflows.walk_forward",
}

__all__ = [
    "ACTIONS",
    "AGENTS",
    "BASELINES",
    "EXTRACTORS",
    "FEATURES",
    "FORECASTERS",
    "REWARDS",
    "SOURCES",
    "BacktestResult",
    "Costs",
    "EnsembleConfig",
    "EnsemblePredictor",
    "EnsembleRun",
    "EnvConfig",
    "Evaluation",
    "ExperimentConfig",
    "Markets",
    "Pipeline",
    "PolicyStrategy",
    "Run",
    "TradingEnv",
    "TradingVectorEnv",
    "WalkForward",
    "__version__",
    "backtest",
    "check_bars",
    "check_leaks",
    "compare",
    "evaluate",
    "fingerprint",
    "load_bars",
    "make_cerebro",
    "monitor",
    "plot_training",
    "report",
    "resume",
    "split_bars",
    "train",
    "train_many",
    "tune",
    "validate_bars",
    "walk_forward",
]

_register_environments()


def __getattr__(name: str) -> Any:
    """A public name, loaded on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dltrader' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names, loaded or not."""
    return __all__
