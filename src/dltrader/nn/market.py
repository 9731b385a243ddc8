"""What every encoder of the market is, and how its layers begin."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

RELU_GAIN = math.sqrt(2.0)


class MarketEncoder(nn.Module, ABC):
    """A network that turns a window of bars into one vector.

    A row of a batch never depends on the other rows: a bar may be encoded alone or with others.

    Attributes:
        features_dim: Numbers in the vector.
    """

    def __init__(self, features_dim: int) -> None:
        """Say how many numbers the vector has."""
        super().__init__()
        self.features_dim = features_dim

    @abstractmethod
    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""


def linear(inputs: int, outputs: int, *, gain: float = 1.0, bias: bool = True) -> nn.Linear:
    """A linear layer with an orthogonal weight and a zero bias.

    Orthogonal weights keep the length of a signal through many layers.
    Source: Saxe, McClelland and Ganguli 2014, arXiv 1312.6120.

    Args:
        inputs: Numbers in.
        outputs: Numbers out.
        gain: Factor on the weight; sqrt(2) before a ReLU keeps the variance.
        bias: Whether there is a bias.
    """
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.orthogonal_(layer.weight, gain)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def begin_recurrent(network: nn.RNNBase) -> None:
    """Initialise a recurrent network in place: orthogonal gates, zero biases, forget gates open.

    An LSTM's forget gate that begins open (bias 1) lets gradients reach old bars from the first
    update on.
    Source: Gers, Schmidhuber and Cummins 2000; Jozefowicz, Zaremba and Sutskever 2015.
    """
    hidden = network.hidden_size
    for name, parameter in network.named_parameters():
        if name.startswith("weight"):
            # The gates are maps of their own, stacked in one matrix: (gates, hidden, inputs).
            for gate in parameter.data.view(-1, hidden, parameter.shape[1]):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(parameter)
            if isinstance(network, nn.LSTM) and name.startswith("bias_ih"):
                nn.init.ones_(parameter.data[hidden : 2 * hidden])  # torch's order is i, f, g, o
