"""The first part of every agent's network: the market, encoded, next to the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dltrader.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dltrader.nn.extractors import ExtractorConfig


class ObservationEncoder(nn.Module):
    """Encodes `Dict(market: (window, features), account: (account,))` as one vector.

    The two halves are apart on purpose. Actions do not move the market, so many lanes and many
    passes look at the same windows: encode every distinct one once with `encode_market`, then
    `join` it with each lane's own account.

    Shapes: market (batch, window, features) and account (batch, account) -> (batch, features_dim).

    Attributes:
        market: The encoder of the market.
        features_dim: Numbers in the vector: the market's plus the account's.
    """

    def __init__(self, config: ExtractorConfig, window_bars: int, n_features: int, n_account: int) -> None:
        """Lay out the network.

        Args:
            config: The extractor that encodes the market.
            window_bars: Bars in a window, >= 1.
            n_features: Features of a bar, >= 1.
            n_account: Numbers that describe the account, >= 1.

        Raises:
            ConfigError: A size is below 1, or the extractor does not fit the window.
        """
        super().__init__()
        if n_account < 1:
            raise ConfigError(f"n_account must be >= 1, was {n_account}; it holds at least the position")
        self.market = config.build(window_bars, n_features)
        self.features_dim = self.market.features_dim + n_account

    def encode_market(self, market: Tensor) -> Tensor:
        """Encode windows alone: (batch, window, features) -> (batch, market.features_dim)."""
        encoded: Tensor = self.market(market)
        return encoded

    def join(self, encoded: Tensor, account: Tensor) -> Tensor:
        """Put encoded windows next to accounts.

        Shapes: (batch, market.features_dim) and (batch, account) -> (batch, features_dim).
        """
        return torch.cat([encoded, account], dim=-1)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode whole observations: their `market` and `account` -> (batch, features_dim)."""
        return self.join(self.encode_market(observations["market"]), observations["account"])
