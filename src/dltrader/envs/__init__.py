"""The market as a decision process: one contract, and two engines that keep it alike.

    cerebro: `TradingEnv`, backtrader itself, stepped one bar at a time: backtests, and whoever hooks into the broker
    vector: `TradingVectorEnv`, many lanes as arithmetic, equal to Cerebro on every bar: training

Importing this room registers the Gymnasium ids.
"""

from __future__ import annotations

from dltrader.envs.registration import ENV_ID, register

__all__ = ["ENV_ID", "register"]

register()
