"""How a network learns to look ahead: passes over shuffled samples, until it foretells later ones no better.

A pass draws from generators of its own, seeded with the seed and the number of the pass, so that one that goes on from
a saved state draws what it would have drawn without a break.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from dltrader.errors import RunError
from dltrader.forecast.forecasters import Epoch
from dltrader.forecast.multi_task import MultiTaskNetwork, Outlook, Units
from dltrader.forecast.samples import Samples

if TYPE_CHECKING:
    from dltrader.forecast.network import LSTMForecasterConfig

Weights = dict[str, Tensor]

VALIDATION_BATCH = 256
"""Samples that are foretold at a time: a matter of memory alone."""

ORDER, DROPOUT = range(2)
"""What a pass draws for, each from a generator of its own."""

LINE_STEPS = 200
"""Steps in which the line is fitted, at most; it takes some ten."""

LINE_PULL = 1.0
"""Pull of the line's weights towards zero: as much as a sample that says so, where features are about 1 in size."""

AVERAGED_FROM = 10
"""Steps by which averaging has set in halfway: at once, the average would hold on to weights that know nothing yet."""


@dataclass
class Learning:
    """A network on its way: what `Epoch.state` keeps, and what makes it go on.

    Attributes:
        config: How it learns.
        network: Its weights after the last step.
        units: What its targets are counted in.
        seed: Of the order of samples and of dropout.
        samples: How many it learns from.
        average: Running mean of the weights over the steps, which is what is validated and kept.
        best: The average after the best pass so far, or before the first.
        best_loss: What it came to on the validation samples.
        steps: Batches so far.
        passes: Over the samples, so far.
        worse: Passes since the best one.
    """

    config: LSTMForecasterConfig
    network: MultiTaskNetwork
    units: Units
    seed: int
    samples: int
    average: Weights
    best: Weights
    best_loss: float = math.inf
    steps: int = 0
    passes: int = 0
    worse: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an optimizer that remembers nothing, and a line that passes leave as it is."""
        # Its gradient, which no optimizer clears, would pile up from step to step and count where norms are clipped.
        self.network.line.requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(
            [*self.network.encoder.parameters(), *self.network.heads.parameters()],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )

    @classmethod
    def begin(
        cls, config: LSTMForecasterConfig, network: MultiTaskNetwork, units: Units, *, seed: int, samples: int
    ) -> Learning:
        """A network that has learned nothing yet."""
        weights = weights_of(network)
        return cls(config, network, units, seed, samples, average=weights, best=_copy(weights))

    @property
    def is_over(self) -> bool:
        """Whether another pass would be in vain, or one too many."""
        return self.passes >= self.config.epochs or self.worse >= self.config.patience

    def learn(
        self,
        train: Samples,
        validation: Samples,
        on_epoch: Callable[[Epoch], None],
        state: Mapping[str, Any] | None = None,
    ) -> MultiTaskNetwork:
        """Learn to the end and give back the network of the best pass.

        Raises:
            RunError: The state is that of another training.
        """
        if state is not None:
            self.restore(state)
        else:
            self.draw_line(train)
            self.best_loss = self.validate(validation)["validation"]
        while not self.is_over:
            losses = {"train": self.pass_over(train)}
            losses |= self.validate(validation)
            if losses["validation"] < self.best_loss:
                self.best, self.best_loss, self.worse = _copy(self.average), losses["validation"], 0
            else:
                self.worse += 1
            on_epoch(Epoch(self.passes, self.config.epochs, losses, state=self.state))
        self.network.load_state_dict(self.best)
        return self.network.eval()

    def pass_over(self, train: Samples) -> float:
        """See every sample once; the mean joint loss on the way."""
        order = np.random.default_rng([self.seed, self.passes, ORDER]).permutation(len(train))
        self.network.train()
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng([self.seed, self.passes, DROPOUT]).integers(2**63)))
            for which in _batches(order, self.config.batch_size):
                loss = self.step(train, which)
                total += loss * len(which)
        self.passes += 1
        return total / len(train)

    def step(self, train: Samples, which: npt.NDArray[np.int64]) -> float:
        """One step against the gradient of some samples; their joint loss."""
        losses = self.losses(train, which, weighted=True)
        joint = self.joint(losses)
        self.optimizer.zero_grad()
        joint.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_gradient_norm)
        self.optimizer.step()
        self.steps += 1
        share = max(1.0 - self.config.averaging, AVERAGED_FROM / (AVERAGED_FROM + self.steps))
        with torch.no_grad():
            for name, weight in self.network.state_dict().items():
                self.average[name].lerp_(weight, share)
        return float(joint.detach())

    def validate(self, samples: Samples) -> dict[str, float]:
        """Mean losses of the averaged weights on samples: the joint one as `validation`, and its parts.

        No class weighs more than another here: it is the log loss of the side that is to be small.
        """
        now = weights_of(self.network)
        self.network.load_state_dict(self.average)
        sums = torch.zeros(3, dtype=torch.float64)
        with torch.inference_mode():
            self.network.eval()
            for which in _batches(np.arange(len(samples)), VALIDATION_BATCH):
                sums += self.losses(samples, which, weighted=False).double() * len(which)
        self.network.load_state_dict(now)
        means = sums / len(samples)
        side, movement, risk = means.tolist()
        return {"validation": float(self.joint(means)), "side": side, "movement": movement, "risk": risk}

    def losses(self, samples: Samples, which: npt.NDArray[np.int64], *, weighted: bool) -> Tensor:
        """Mean loss of side, movement and risk over some samples: (3,)."""
        outlook = self.network(torch.from_numpy(samples.windows(self.config.window_bars, which)))
        return self.losses_of(outlook, samples, which, weighted=weighted)

    def losses_of(
        self, outlook: Outlook, samples: Samples, which: npt.NDArray[np.int64] | slice, *, weighted: bool
    ) -> Tensor:
        """Mean loss of what is said of some samples: of side, movement and risk, (3,)."""
        side = torch.from_numpy(samples.side[which])
        movement = torch.from_numpy(samples.movement[which] / self.units.movement).float()
        risk = torch.from_numpy(samples.risk[which] / self.units.risk).float()
        weights = torch.tensor(self.config.weights_of_classes(self.units.rates) if weighted else (1.0, 1.0, 1.0))
        # Weighing classes teaches w_k p_k; that is what is compared, so that the logits themselves stay those of p_k.
        by_sample = functional.cross_entropy(outlook.logits + weights.log(), side, reduction="none")
        return torch.stack(
            [
                (by_sample * weights[side]).mean(),
                (outlook.movement - movement).square().mean(),
                (outlook.risk - risk).square().mean(),
            ]
        )

    def draw_line(self, train: Samples) -> None:
        """Fit the line through the newest bar, alone, to its least loss; later passes leave it as it is."""
        line = self.network.line.requires_grad_(requires_grad=True)
        newest = torch.from_numpy(train.features[train.rows])  # (n, features)
        optimizer = torch.optim.LBFGS(
            line.parameters(), max_iter=LINE_STEPS, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            outlook = self.network.outlook(line(newest))
            joint = self.joint(self.losses_of(outlook, train, slice(None), weighted=True))
            pull = LINE_PULL * line.weight.square().sum() / len(train)
            (joint + pull).backward()  # type: ignore[no-untyped-call]
            return joint + pull

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        optimizer.zero_grad()
        line.requires_grad_(requires_grad=False)
        self.average = weights_of(self.network)
        self.best = weights_of(self.network)

    def joint(self, losses: Tensor) -> Tensor:
        """The weighted sum of the losses of side, movement and risk."""
        config = self.config
        weights = [config.side_weight, config.movement_weight, config.risk_weight]
        return losses @ torch.tensor(weights, dtype=losses.dtype)

    def state(self) -> dict[str, Any]:
        """Where it stands, as arrays and plain values of their own memory."""
        return {
            "seed": self.seed,
            "samples": self.samples,
            "passes": self.passes,
            "steps": self.steps,
            "worse": self.worse,
            "best_loss": self.best_loss,
            "weights": _arrays(weights_of(self.network)),
            "average": _arrays(self.average),
            "best": _arrays(self.best),
            "moments": {
                str(index): _arrays(moments) for index, moments in self.optimizer.state_dict()["state"].items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Stand where a state says.

        Raises:
            RunError: It is that of another training.
        """
        try:
            saved = [int(state["seed"]), int(state["samples"])]
            if saved != [self.seed, self.samples]:
                raise RunError(
                    f"the saved state is of a training with seed {saved[0]} and {saved[1]} samples, this one has seed "
                    f"{self.seed} and {self.samples} samples; resume with what it was saved with, or train anew"
                )
            self.average, self.best, weights = (_tensors(state[name]) for name in ("average", "best", "weights"))
            for each in (self.average, self.best, weights):  # all three for the check of names and shapes
                self.network.load_state_dict(each)
            moments = {int(index): _tensors(each) for index, each in state["moments"].items()}
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
            self.steps, self.passes, self.worse = (int(state[name]) for name in ("steps", "passes", "worse"))
            self.best_loss = float(state["best_loss"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            words = " ".join(str(error).split())
            raise RunError(
                f"the saved state does not fit this network ({type(error).__name__}: {words:.200}); "
                "resume with what it was saved with, or train anew"
            ) from None


def weights_of(network: torch.nn.Module) -> Weights:
    """A copy of a network's weights."""
    return _copy(network.state_dict())


def _copy(weights: Mapping[str, Tensor]) -> Weights:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
    return {name: tensor.detach().clone().numpy() for name, tensor in tensors.items()}


def _tensors(arrays: Mapping[str, Any]) -> Weights:
    return {name: torch.tensor(array) for name, array in arrays.items()}


def _batches(order: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]
