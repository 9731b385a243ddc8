"""Trading: how an opinion becomes a position."""

from __future__ import annotations

from dltrader.config import Config


class TradingConfig(Config):
    """When the ensemble enters, how much it takes, and when it stays out."""
