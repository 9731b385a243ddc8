from __future__ import annotations

import pandas as pd
import pytest

from dltrader.evaluation.tables import table_of

COLUMNS = ["time", "instrument", "bars", "price"]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_a_table_has_the_same_types_with_rows_and_without(unit):
    times = pd.date_range("2001-01-01", periods=3, tz="UTC", unit=unit)
    some, none = table_of([(times[1], "a", 2, 3)], COLUMNS, times), table_of([], COLUMNS, times)
    assert (len(some), len(none)) == (1, 0)
    assert some.dtypes.to_dict() == none.dtypes.to_dict()
    assert [some.dtypes["time"], some.dtypes["bars"], some.dtypes["price"]] == [times.dtype, "int64", "float64"]
    assert some.iloc[0].to_dict() == {"time": times[1], "instrument": "a", "bars": 2, "price": 3.0}


def test_rows_may_be_mappings_in_any_order():
    times = pd.date_range("2001-01-01", periods=3, tz="UTC")
    row = {"price": 3, "bars": 2, "instrument": "a", "time": times[0]}
    assert table_of([row], COLUMNS, times).equals(table_of([(times[0], "a", 2, 3)], COLUMNS, times))
