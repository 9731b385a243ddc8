from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError
from dltrader.evaluation.monitoring.drift import feature_reference
from dltrader.evaluation.monitoring.monitoring import monitored
from dltrader.forecast.labels import LabelsConfig
from dltrader.plotting import plot_monitoring, save_figure
from dltrader.plotting.style import BLUE, VERMILLION
from market_bars import random_walk

BARS = random_walk(400, 5)
NAMES = [f"x{number}" for number in range(20)]


def made(count=300, *, drifted=3, reference=True):
    """Predictions drawn by lot, of which some features have drifted."""
    random = np.random.default_rng(0)
    sure = random.uniform(0.3, 0.9, count)
    predictions = pd.DataFrame(
        {
            "symbol": "asset",
            "bar": BARS.index[:count],
            "recommendation": random.choice(["BUY", "SELL", "HOLD"], count),
            "confidence_score": sure,
            "agreement_score": 1.0,
            "win_5d_prob": random.uniform(0.2, 0.8, count),
            "latency_ms": random.uniform(1, 3, count),
            "failed": "",
            "bundles": "run:a",
        }
    )
    train = random.normal(size=(2_000, len(NAMES))).astype(np.float32)
    features = pd.DataFrame(random.normal(size=(count, len(NAMES))), columns=NAMES)
    features[NAMES[:drifted]] += 2.0
    return monitored(
        predictions,
        features,
        BARS,
        labels=LabelsConfig(),
        costs=Costs(),
        wins={"win_5d": 5},
        models=[],
        reference=feature_reference(train, NAMES) if reference else None,
        window=50,
    )


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_four_panels_show_the_numbers():
    monitoring = made()
    hits, brier, calibration, drift = plot_monitoring(monitoring).axes
    lines = {tuple(np.round(line.get_ydata(), 12)) for line in hits.lines}
    assert {tuple(np.round(monitoring.rolling[name], 12)) for name in ("hit_rate", "said", "always")} == lines
    np.testing.assert_allclose(brier.lines[0].get_ydata(), monitoring.rolling["brier"])
    curve = monitoring.curves["ensemble", "recommendation"]
    np.testing.assert_allclose(calibration.lines[1].get_xdata(), curve.said[curve.counts > 0])
    np.testing.assert_allclose(calibration.lines[1].get_ydata(), curve.came[curve.counts > 0])
    assert len(calibration.lines) == 3
    widths = [bar.get_width() for bar in drift.patches]
    np.testing.assert_allclose(widths, monitoring.drift["psi"].head(15))
    assert [bar.get_facecolor() for bar in drift.patches] == [to_rgba(VERMILLION)] * 3 + [to_rgba(BLUE)] * 12
    assert {label.get_text() for label in drift.get_yticklabels()[:3]} == set(NAMES[:3])


def test_few_points_of_a_curve_are_hollow():
    monitoring = made(180)
    curve = monitoring.curves["ensemble", "recommendation"]
    assert (curve.counts[curve.counts > 0] < 30).any()
    [dots, _] = plot_monitoring(monitoring).axes[2].collections
    hollow = (dots.get_facecolor()[:, :3] == 1.0).all(axis=1)
    np.testing.assert_array_equal(hollow, curve.counts[curve.counts > 0] < 30)


def test_what_is_not_known_is_said():
    hits, brier, _, drift = plot_monitoring(made(8, reference=False)).axes
    assert words(hits) == words(brier) == ["too few predictions are known"]
    assert words(drift) == ["not known without the ensemble's run"]
    *_, few = plot_monitoring(made(20)).axes
    assert words(few) == ["too few predictions"]


@pytest.mark.parametrize("size", [(1_000, None), (2_000, 1_000)])
def test_it_is_drawn_at_other_sizes_and_equal_files_are_equal(size, tmp_path):
    width, height = size
    monitoring = made(100)
    files = [
        save_figure(plot_monitoring(monitoring, width_px=width, height_px=height), tmp_path / f"{name}.png")
        for name in "ab"
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ConfigError, match="cannot draw a dict"):
        plot_monitoring({})
    with pytest.raises(ConfigError, match="width_px must be in"):
        plot_monitoring(made(40), width_px=500)
