"""The Gymnasium ids. A change of reward, observation or timing brings a new version."""

from __future__ import annotations

import gymnasium

ENV_ID = "dltrader/Trading-v0"


def register() -> None:
    """Register the environments with Gymnasium, once."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(
            ENV_ID,
            entry_point="dltrader.envs.cerebro:TradingEnv",
            vector_entry_point="dltrader.envs.vector:TradingVectorEnv",
        )
