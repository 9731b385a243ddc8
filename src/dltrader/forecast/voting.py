"""Voting: how many votes become one opinion."""

from __future__ import annotations

from dltrader.config import Config


class VoteConfig(Config):
    """How much the vote of each model weighs."""
