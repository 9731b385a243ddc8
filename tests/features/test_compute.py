"""The columns of features without tables of them."""

from __future__ import annotations

import numpy as np
import pytest

from dltrader.features.compute import compute, own_columns, plain_bars, settled_from
from dltrader.features.spec import DEFAULT_FEATURES, FeatureSpec
from market_bars import random_walk

BARS = plain_bars(random_walk(300, 4))


@pytest.mark.parametrize("spec", DEFAULT_FEATURES, ids=lambda spec: spec.label)
def test_own_columns_are_those_of_the_table_to_the_bit(spec):
    first = settled_from(spec, BARS)
    columns = own_columns(spec, BARS, first)
    table = compute(spec, BARS).iloc[first:]
    assert len(columns) == table.shape[1]
    for column, name in zip(columns, table, strict=True):
        assert column.tobytes() == table[name].to_numpy().tobytes()


def test_where_there_is_more_to_do_or_to_say_there_are_none():
    assert own_columns(FeatureSpec.of("log_return"), BARS, 0) is None  # the first return is not there
    assert own_columns(FeatureSpec.of("log_return", interval="1W"), BARS, 100) is None
    assert own_columns(FeatureSpec.of("ta", indicator="RSIIndicator"), BARS, 100) is None
    still = BARS.copy()
    still.iloc[150] = np.nan
    assert own_columns(FeatureSpec.of("range"), still, 0) is None
