"""Extractors: which networks can read the market, by name.

Every entry is a configuration whose `build` makes the network. Listing the names imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from dltrader.config import NamedConfig
from dltrader.errors import ConfigError
from dltrader.registry import Registry

if TYPE_CHECKING:
    from dltrader.nn.market import MarketEncoder


class ExtractorConfig(NamedConfig, ABC):
    """What every extractor's configuration offers: `build`."""

    def build(self, window_bars: int, n_features: int) -> MarketEncoder:
        """The network, freshly initialised from torch's global generator.

        Args:
            window_bars: Bars in a window, >= 1.
            n_features: Features of a bar, >= 1.

        Raises:
            ConfigError: A size is below 1, or the configuration does not fit the window.
        """
        for name, size in {"window_bars": window_bars, "n_features": n_features}.items():
            if size < 1:
                raise ConfigError(f"{name} must be >= 1, was {size}; an extractor needs something to read")
        return self.make(window_bars, n_features)

    @abstractmethod
    def make(self, window_bars: int, n_features: int) -> MarketEncoder:
        """The network for sizes that are known to be >= 1."""


EXTRACTORS: Registry[type[ExtractorConfig]] = Registry(
    "extractor",
    {
        "mlp": "dltrader.nn.mlp:MLPConfig",
        "lstm": "dltrader.nn.recurrent:LSTMConfig",
        "gru": "dltrader.nn.recurrent:GRUConfig",
        "bilstm_attention": "dltrader.nn.bilstm:BiLSTMAttentionConfig",
        "attention": "dltrader.nn.attention:AttentionConfig",
        "cnn": "dltrader.nn.cnn:CNNConfig",
        "cnn_lstm": "dltrader.nn.cnn_lstm:CNNLSTMConfig",
    },
)
