"""A policy that has not been trained: what it sees and may do is that of a trained one."""

from __future__ import annotations

import torch

from dltrader.agents.trained import TrainedPolicy
from dltrader.features import FittedPipeline
from dltrader.runs import ExperimentConfig


def untrained_policy(experiment: ExperimentConfig, pipeline: FittedPipeline) -> TrainedPolicy:
    """A policy with the weights that a training would begin with, or others as random."""
    bars = experiment.data.uris()
    instruments = tuple(bars)[:1] if experiment.data.apart else tuple(bars)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.seed)
        network = TrainedPolicy.network_for(experiment.agent, experiment.env, pipeline, len(instruments))
    network.set_training_mode(False)
    return TrainedPolicy(experiment.agent, experiment.env, pipeline, instruments, network)
