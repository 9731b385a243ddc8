"""A transformer encoder over the window, read by one learned query.

Source: Vaswani et al. 2017, arXiv 1706.03762 (attention, sinusoidal positions); the norms stand
before each part as in Xiong et al. 2020, arXiv 2002.04745, which trains without a warm-up.
"""

from __future__ import annotations

import math
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from dltrader.errors import ConfigError
from dltrader.nn.extractors import ExtractorConfig
from dltrader.nn.market import RELU_GAIN, MarketEncoder, linear


class AttentionConfig(ExtractorConfig):
    """A small transformer; `features_dim` is `width`."""

    name: Literal["attention"] = "attention"
    width: int = Field(
        32,
        ge=1,
        le=1024,
        description="Width of a bar inside the network, 1 to 1024, a multiple of heads.",
    )
    heads: int = Field(4, ge=1, le=64, description="Attention heads, 1 to 64; they share the width.")
    layers: int = Field(1, ge=1, le=12, description="Transformer blocks, 1 to 12.")
    feedforward: int = Field(64, ge=1, le=4096, description="Width inside a block's perceptron, 1 to 4096.")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of units silenced in training in every block, in [0, 1).",
    )

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ConfigError(
                f"attention.width {self.width} is not a multiple of attention.heads {self.heads}; "
                f"set width: {math.ceil(self.width / self.heads) * self.heads} or change heads"
            )
        return self

    def make(self, window_bars: int, n_features: int) -> MarketEncoder:
        """The network, see `ExtractorConfig.build`."""
        return Attention(window_bars, n_features, self)


class Attention(MarketEncoder):
    """Bars look at each other, then the newest bar and a learned query read what matters.

    Shapes: (batch, window, features) -> (batch, width).
    """

    positions: Tensor

    def __init__(self, window_bars: int, n_features: int, config: AttentionConfig) -> None:
        """Lay out the network.

        Args:
            window_bars: Bars in a window.
            n_features: Features of a bar.
            config: Sizes.
        """
        super().__init__(features_dim=config.width)
        self.embed = linear(n_features, config.width)
        # Counted back from the newest bar, so that a longer window leaves the meaning of a position
        # unchanged. It follows from the sizes and therefore is not saved.
        self.register_buffer("positions", sinusoidal_positions(window_bars, config.width).flip(0), persistent=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.readout = ReadOut(config)

    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""
        states: Tensor = self.embed(market) + self.positions  # (batch, window, width)
        for block in self.blocks:
            states = block(states)  # (batch, window, width)
        encoded: Tensor = self.readout(states)  # (batch, width)
        return encoded


class Block(nn.Module):
    """Self-attention and a perceptron, each normed before and added to what came in.

    Shapes: (batch, window, width) -> (batch, window, width).
    """

    def __init__(self, config: AttentionConfig) -> None:
        """Lay out the block.

        Args:
            config: Sizes.
        """
        super().__init__()
        self.heads, self.dropout_fraction = config.heads, config.dropout
        self.norm = nn.LayerNorm(config.width)
        # A bias on the keys would shift every score alike, which the softmax does not see.
        self.query_key_value = linear(config.width, 3 * config.width, bias=False)
        self.merge = linear(config.width, config.width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(config.width),
            linear(config.width, config.feedforward, gain=RELU_GAIN),
            nn.GELU(),
            linear(config.feedforward, config.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Mix the bars of a window: (batch, window, width) -> (batch, window, width)."""
        parts: Tensor = self.query_key_value(self.norm(states))  # (batch, window, 3 * width)
        query, key, value = (split_heads(part, self.heads) for part in parts.chunk(3, dim=-1))
        mixed = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout_fraction if self.training else 0.0
        )  # (batch, heads, window, width / heads)
        states = states + self.dropout(self.merge(join_heads(mixed)))
        output: Tensor = states + self.dropout(self.perceptron(states))
        return output


class ReadOut(nn.Module):
    """One vector for the window: a learned query, shifted by the newest bar, attends to all bars.

    What it finds is added to the newest bar: a plain average over the window would bury the bar
    that matters most under the others before anything is learned.

    Shapes: (batch, window, width) -> (batch, width).
    """

    def __init__(self, config: AttentionConfig) -> None:
        """Lay out the read-out.

        Args:
            config: Sizes.
        """
        super().__init__()
        self.heads = config.heads
        self.query = nn.Parameter(torch.randn(config.width) / math.sqrt(config.width))
        self.key_value = linear(config.width, 2 * config.width, bias=False)
        self.merge = linear(config.width, config.width)
        self.norm_in = nn.LayerNorm(config.width)
        self.norm_out = nn.LayerNorm(config.width)

    def forward(self, states: Tensor) -> Tensor:
        """Read a window: (batch, window, width) -> (batch, width)."""
        normed: Tensor = self.norm_in(states)
        parts: Tensor = self.key_value(normed)  # (batch, window, 2 * width)
        key, value = (split_heads(part, self.heads) for part in parts.chunk(2, dim=-1))
        query = split_heads(normed[:, -1:] + self.query, self.heads)
        # One query a window: (batch, heads, 1, width / heads).
        found = functional.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.norm_out(states[:, -1] + self.merge(join_heads(found))[:, 0])
        return output


def split_heads(states: Tensor, heads: int) -> Tensor:
    """Share the width: (batch, window, width) -> (batch, heads, window, width / heads)."""
    batch, window, width = states.shape
    return states.reshape(batch, window, heads, width // heads).transpose(1, 2)


def join_heads(states: Tensor) -> Tensor:
    """Undo `split_heads`: (batch, heads, window, width / heads) -> (batch, window, width)."""
    return states.transpose(1, 2).flatten(2)


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Sines and cosines of falling frequency, one row a position: (length, width).

    PE(p, 2i) = sin(p / 10000^(2i / width)), PE(p, 2i + 1) = cos(p / 10000^(2i / width)).
    Source: Vaswani et al. 2017, section 3.5. An odd width ends with a sine.
    """
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)  # (length, 1)
    exponent = torch.arange(0, width, 2) / width  # (ceil(width / 2),)
    frequency = torch.exp(-math.log(10_000.0) * exponent)
    positions = torch.empty(length, width)
    positions[:, 0::2] = torch.sin(position * frequency)
    positions[:, 1::2] = torch.cos(position * frequency[: width // 2])
    return positions
