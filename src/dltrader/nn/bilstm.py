"""A bidirectional LSTM whose states are pooled by additive attention."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from dltrader.nn.extractors import ExtractorConfig
from dltrader.nn.market import MarketEncoder, begin_recurrent, linear
from dltrader.nn.recurrent import check_dropout_between_layers


class BiLSTMAttentionConfig(ExtractorConfig):
    """Both directions run inside the window, so no state sees a bar later than the newest."""

    name: Literal["bilstm_attention"] = "bilstm_attention"
    hidden: int = Field(32, ge=1, le=2048, description="Width of the hidden state in each direction, 1 to 2048.")
    layers: int = Field(1, ge=1, le=8, description="LSTM layers stacked on each other, 1 to 8.")
    score_dim: int = Field(32, ge=1, le=2048, description="Width of the attention's score network, 1 to 2048.")
    features_dim: int = Field(64, ge=1, le=4096, description="Numbers in the encoding, 1 to 4096.")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of units silenced in training between stacked layers, in [0, 1).",
    )

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> Self:
        check_dropout_between_layers(self.name, self.dropout, self.layers)
        return self

    def make(self, window_bars: int, n_features: int) -> MarketEncoder:  # noqa: ARG002
        """The network, see `ExtractorConfig.build`."""
        return BiLSTMAttention(n_features, self)


class BiLSTMAttention(MarketEncoder):
    """Bidirectional LSTM pooled by additive attention.

    Shapes: (batch, window, features) -> (batch, features_dim).
    Source: Bahdanau, Cho and Bengio 2015, arXiv 1409.0473 (additive score). Here nothing is
    decoded, so the score has no decoder state: e_t = v . tanh(W h_t + b).
    """

    def __init__(self, n_features: int, config: BiLSTMAttentionConfig) -> None:
        """Lay out the network.

        Args:
            n_features: Features of a bar.
            config: Sizes.
        """
        super().__init__(features_dim=config.features_dim)
        self.lstm = nn.LSTM(
            n_features,
            config.hidden,
            config.layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout,
        )
        begin_recurrent(self.lstm)
        # A bias on v would shift every score alike, which the softmax does not see.
        self.score = nn.Sequential(
            linear(2 * config.hidden, config.score_dim),
            nn.Tanh(),
            linear(config.score_dim, 1, bias=False),
        )
        self.project = nn.Sequential(linear(2 * config.hidden, config.features_dim), nn.Tanh())

    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""
        states: Tensor = self.lstm(market)[0]  # (batch, window, 2 * hidden)
        weights = self.attention(states)  # (batch, window, 1)
        encoded: Tensor = self.project((weights * states).sum(dim=1))  # (batch, features_dim)
        return encoded

    def attention(self, states: Tensor) -> Tensor:
        """Weight of each bar: (batch, window, 2 * hidden) -> (batch, window, 1), summing to 1."""
        scores: Tensor = self.score(states)  # (batch, window, 1)
        return scores.softmax(dim=1)
