"""Encoders of what the agent sees: tensors only, they know nothing of markets.

- *market*: the window of feature rows an agent sees, oldest first, (batch, window, features).
- *account*: the agent's own state, (batch, account).
- *encoder*: a network that turns the market into one vector, (batch, features_dim).
- *extractor*: an encoder chosen by name, `EXTRACTORS["attention"]`, with its configuration.

This module loads no torch; `dltrader.nn.observation` holds the network an agent begins with.
"""

from __future__ import annotations

from dltrader.nn.extractors import EXTRACTORS, ExtractorConfig

__all__ = ["EXTRACTORS", "ExtractorConfig"]
