from __future__ import annotations

import numpy as np
import pytest

from dltrader.benchmarks.statistics.paths import PATHS, autoregressive, garch


@pytest.mark.parametrize("name", PATHS)
def test_paths_have_mean_0_and_variance_1(name):
    drawn = PATHS[name](np.random.default_rng(0), 400, 500)
    assert drawn.shape == (400, 500)
    assert drawn.mean() == pytest.approx(0.0, abs=0.02)
    # Squares of Student t GARCH have a tail so heavy that their mean is known to a tenth only.
    assert drawn.var() == pytest.approx(1.0, abs=0.1)
    assert drawn[:, 0].var() == pytest.approx(1.0, abs=0.4)  # from the first bar on
    assert np.array_equal(drawn, PATHS[name](np.random.default_rng(0), 400, 500))


def test_an_autoregressive_path_remembers_its_last_bar():
    drawn = autoregressive(0.3)(np.random.default_rng(0), 200, 500)
    assert np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1] == pytest.approx(0.3, abs=0.01)


def test_a_garch_path_remembers_only_how_far_it_went():
    drawn = garch(0.1, 0.85)(np.random.default_rng(0), 200, 500)
    assert np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1] == pytest.approx(0.0, abs=0.015)
    squares = drawn**2
    # The first autocorrelation of squares is alpha (1 - alpha beta - beta^2) / (1 - 2 alpha beta - beta^2) = 0.1791.
    assert np.corrcoef(squares[:, 1:].ravel(), squares[:, :-1].ravel())[0, 1] == pytest.approx(0.179, abs=0.04)
