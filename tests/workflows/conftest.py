"""One small training for all tests that only read it."""

from __future__ import annotations

import shutil

import pytest

from dltrader.runs import Run
from dltrader.workflows.train import train
from small_runs import experiment


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(experiment(), out=tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it to write into."""
    return Run.open(shutil.copytree(trained.path, tmp_path / "run"))
