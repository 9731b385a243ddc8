"""Everything that decides: learners from typed configurations, trained policies, baselines."""

from __future__ import annotations

from dltrader.agents.baselines import BASELINES
from dltrader.agents.config import AGENTS, AgentConfig
from dltrader.agents.policy import Policy

__all__ = ["AGENTS", "BASELINES", "AgentConfig", "Policy"]
