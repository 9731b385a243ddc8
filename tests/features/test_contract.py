"""What every registered feature has to keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.features import DEFAULT_FEATURES, FEATURES, Pipeline
from dltrader.features.compute import columns_of, compute, is_own, plain_bars, settled_from

from .samples import DEFAULTS, SESSIONS, VARIANTS, corrupted_after, frame, make_bars, same_bits

SPECS = [*DEFAULTS, *VARIANTS, *SESSIONS]
OWN = [spec for spec in SPECS if is_own(spec)]
DAILY, INTRADAY = make_bars(230), make_bars(230, freq="30min")

every_feature = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.label)
own_features = pytest.mark.parametrize("spec", OWN, ids=lambda spec: spec.label)


def bars_for(spec):
    return INTRADAY if spec in SESSIONS else DAILY


def test_every_registered_feature_is_put_through_this_contract():
    assert {spec.name for spec in SPECS} == set(FEATURES)
    assert {spec.name for spec in SPECS if not is_own(spec)} == {"ta", "bt"}


@every_feature
def test_row_is_unchanged_to_the_bit_when_all_later_bars_are_corrupted(spec):
    bars = bars_for(spec)
    whole = compute(spec, bars)
    for row in range(settled_from(spec, bars), len(bars) - 1):
        spoilt = compute(spec, corrupted_after(bars, row, seed=row))
        assert same_bits(spoilt.iloc[: row + 1], whole.iloc[: row + 1]), f"row {row} looks ahead"


@every_feature
def test_row_is_unchanged_to_the_bit_when_all_later_bars_are_missing(spec):
    bars = bars_for(spec)
    whole = compute(spec, bars)
    for row in range(settled_from(spec, bars), len(bars)):
        assert same_bits(compute(spec, bars.iloc[: row + 1]), whole.iloc[: row + 1]), f"row {row} looks ahead"


@own_features
def test_row_is_the_same_to_the_bit_however_much_history_stands_before_its_memory(spec):
    bars = bars_for(spec)
    whole = compute(spec, bars)
    for dropped in (1, 7, 50, len(bars) - settled_from(spec, bars) - 1 if spec not in SESSIONS else 131):
        later = bars.iloc[dropped:]
        first = settled_from(spec, later)
        assert same_bits(compute(spec, later).iloc[first:], whole.iloc[dropped + first :])


@every_feature
def test_only_the_warm_up_rows_are_nan_and_it_is_the_same_on_any_bars(spec):
    columns = columns_of(spec)
    others = make_bars(230, seed=5, freq="h", price=0.0001), make_bars(230, 6, freq="7min", price=60_000)
    for bars in (bars_for(spec), *others):
        table = compute(spec, bars)
        missing = table.isna().to_numpy()
        warmup = settled_from(spec, bars)
        assert warmup == columns.warmup_bars or spec in SESSIONS
        assert missing[:warmup].any(axis=1).all()
        assert np.isfinite(table.to_numpy()[warmup:]).all()
        assert (table.dtypes == np.float64).all()
        assert tuple(table.columns) == columns.names
        assert table.index.equals(bars.index)


@own_features
def test_flat_prices_without_volume_give_finite_rows_equal_to_each_other(spec):
    n_bars = columns_of(spec).warmup_bars + (120 if spec in SESSIONS else 20)
    price = [0.1] * n_bars
    freq = "30min" if spec in SESSIONS else "D"
    rows = compute(spec, frame(price, price, price, price, [0.0] * n_bars, freq=freq)).iloc[-20:]
    assert np.isfinite(rows.to_numpy()).all()
    if not spec.name.startswith("time_of"):
        assert (np.ptp(rows.to_numpy(), axis=0) == 0).all()


@own_features
def test_prices_that_stop_moving_after_wild_ones_stay_finite(spec):
    bars = make_bars(150, freq=bars_for(spec).index.freq)
    n_flat = 200
    price = [float(bars["close"].iloc[-1])] * n_flat
    still = frame(price, price, price, price, [0.0] * n_flat)
    still.index = pd.date_range(bars.index[-1], periods=n_flat + 1, freq=bars.index.freq, name="time")[1:]
    bars = pd.concat([bars, still])
    rows = compute(spec, bars).iloc[settled_from(spec, bars) :]
    assert np.isfinite(rows.to_numpy()).all()


@every_feature
def test_bars_are_left_as_they_are_and_attrs_do_not_matter(spec):
    bars = bars_for(spec).copy()
    before = bars.copy(deep=True)
    plain = Pipeline([spec], "none").fit(bars).transform(bars)
    bars.attrs["uri"] = "sample:AAPL"
    pd.testing.assert_frame_equal(Pipeline([spec], "none").fit(bars).transform(bars), plain)
    pd.testing.assert_frame_equal(bars, before)
    assert plain.attrs == {}


@own_features
def test_features_are_free_of_the_scale_of_price_and_volume(spec):
    bars = bars_for(spec)
    scaled = bars * [8.0, 8.0, 8.0, 8.0, 4.0]
    np.testing.assert_allclose(compute(spec, scaled), compute(spec, bars), rtol=1e-9, atol=1e-9)


def test_defaults_are_16_columns_with_a_known_warm_up():
    pipeline = Pipeline(DEFAULT_FEATURES)
    assert len(pipeline.names) == 16
    assert pipeline.warmup_bars == 139 + 127


def test_defaults_do_not_depend_on_where_history_begins():
    bars = make_bars(600, seed=3)
    fitted = Pipeline(DEFAULT_FEATURES).fit(bars)
    whole, later = fitted.transform(bars), fitted.transform(bars.iloc[133:])
    np.testing.assert_allclose(later, whole.iloc[133:], rtol=1e-6)
    assert same_bits(later, whole.iloc[133:])


def test_scaled_default_rows_are_unchanged_to_the_bit_by_corrupted_later_bars():
    bars = make_bars(330, seed=9)
    fitted = Pipeline(DEFAULT_FEATURES).fit(bars)
    whole = fitted.transform(bars)
    for row in range(fitted.warmup_bars, len(bars) - 1, 4):
        seen = fitted.transform(corrupted_after(bars, row)).iloc[: row + 1 - fitted.warmup_bars]
        assert same_bits(seen, whole.iloc[: len(seen)])


def test_plain_bars_share_no_memory_with_what_they_were_made_of():
    bars = make_bars(5)
    plain = plain_bars(bars)
    plain.iloc[0, 0] = -1.0
    assert bars.iloc[0, 0] > 0
