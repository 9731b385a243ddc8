from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.forecast.vote import Vote
from dltrader.forecast.vote_table import read_votes, vote_table, votes_of, written_votes


def test_votes_come_back_from_a_file_to_the_bit():
    generator = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=50, freq="min", tz="UTC")
    votes = {
        "lstm": Vote(
            generator.dirichlet(np.ones(3), 50), 5, movement=generator.normal(0, 1e-9, 50), risk=np.full(50, 1 / 3)
        ),
        "lgb_5m": Vote(generator.dirichlet(np.ones(3), 50), 5, win=generator.random(50)),
        "ppo": Vote(generator.dirichlet(np.ones(3), 50), value=generator.normal(0, 1e300, 50)),
    }
    table = read_votes(written_votes(vote_table(votes, times).assign(part="test")))
    assert list(table["time"]) == list(times)
    assert set(table["part"]) == {"test"}
    found = votes_of(table)
    assert list(found) == list(votes)
    for model, vote in votes.items():
        for name, said in vars(vote).items():
            again = getattr(found[model], name)
            assert (said is None) == (again is None)
            assert said is None or np.array_equal(said, again)


def test_no_bars_are_no_rows():
    times = pd.DatetimeIndex([], tz="UTC")
    found = votes_of(vote_table({"ppo": Vote(np.empty((0, 3)))}, times))
    assert found["ppo"].probabilities.shape == (0, 3)
