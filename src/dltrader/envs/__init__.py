"""The market as a decision process: one contract, and Cerebro as its engine.

Importing this room registers the Gymnasium ids.
"""

from __future__ import annotations

from dltrader.envs.registration import ENV_ID, register

__all__ = ["ENV_ID", "register"]

register()
