"""Our networks where Stable-Baselines3 expects its feature extractors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from dltrader.agents.bars import BarSpace, to_bars
from dltrader.agents.shared import BarEncoder
from dltrader.errors import ConfigError
from dltrader.nn import EXTRACTORS, ExtractorConfig
from dltrader.nn.observation import ObservationEncoder


class MarketExtractor(BaseFeaturesExtractor):
    """An extractor of `dltrader.nn` for any Stable-Baselines3 algorithm with a multi-input policy.

    To use it without the rest of this library:

        PPO("MultiInputPolicy", env, policy_kwargs={
            "features_extractor_class": MarketExtractor,
            "features_extractor_kwargs": {"extractor": "attention"},
        })

    Where `market` is a `BarSpace`, observations name bars, and equal bars are encoded once; names and shapes of the
    weights are the same.

    Shapes: market (batch, window, features) or (batch, 2), account (batch, n_account) -> (batch, features_dim).

    Args:
        observation_space: A Dict with `market` and `account`, as `TradingEnv` or `LanesVecEnv` has it.
        extractor: A name, a mapping with a name and parameters, or an extractor's configuration.

    Raises:
        ConfigError: The space is another one, or the extractor does not fit it.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        extractor: str | Mapping[str, Any] | ExtractorConfig = "mlp",
    ) -> None:
        if not isinstance(observation_space, spaces.Dict) or set(observation_space.spaces) != {"market", "account"}:
            raise ConfigError(
                f"the observation space must be a Dict with market and account, was {observation_space}; "
                "do not flatten the environment for this extractor"
            )
        market = observation_space["market"]
        window = (market.window if isinstance(market, BarSpace) else market).shape
        account = observation_space["account"].shape
        assert window is not None
        assert account is not None
        encoder = ObservationEncoder(_config(extractor), window[0], window[1], account[0])
        super().__init__(observation_space, features_dim=encoder.features_dim)
        self.encoder = encoder
        self.bars = BarEncoder(market) if isinstance(market, BarSpace) else None

    def forward(self, observations: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Market and account, encoded: (batch, features_dim)."""
        if self.bars is None:
            whole: torch.Tensor = self.encoder(observations)
            return whole
        encoded = self.bars(to_bars(observations["market"]), self.encoder.encode_market)
        return self.encoder.join(encoded, observations["account"])


def _config(extractor: str | Mapping[str, Any] | ExtractorConfig) -> ExtractorConfig:
    if isinstance(extractor, ExtractorConfig):
        return extractor
    values = {"name": extractor} if isinstance(extractor, str) else extractor
    return EXTRACTORS[str(values.get("name"))].from_mapping(values)
