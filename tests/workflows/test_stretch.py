from __future__ import annotations

import pandas as pd
import pytest

from dltrader.data import fingerprint, load_bars
from dltrader.errors import BarsError, ConfigError
from dltrader.runs import ExperimentConfig
from dltrader.workflows.stretch import stretch_of
from market_bars import random_walk
from small_runs import EXPERIMENT, experiment

URI = EXPERIMENT["data"]["bars"]
APART = {"data.bars": [URI, "synthetic:ou?n=300"]}


def loaded(changes=None):
    return ExperimentConfig.load(experiment(changes))


def test_by_default_it_is_the_test():
    config = loaded()
    found = stretch_of(config)
    frames, start = config.data.cut(config.data.load()).test
    assert found.start == start
    assert found.frames["gbm"].equals(frames["gbm"])
    assert (found.uris, found.own, dict(found.context)) == ({"gbm": URI}, True, {})
    assert found.sha256 == fingerprint(config.data.load())


def test_it_may_begin_later_and_end_earlier():
    found = stretch_of(loaded(), start="2001-01-05", end="2001-01-20")
    assert found.start == pd.Timestamp("2001-01-05", tz="UTC")
    assert found.frames["gbm"].index[-1] <= pd.Timestamp("2001-01-21", tz="UTC")
    with pytest.raises(BarsError) as caught:
        stretch_of(loaded(), end="2000-02-01")
    assert "gbm has no two bars from 2000-12-25 on, it ends at 2000-02-01; choose an earlier --start" in str(
        caught.value
    )


def test_other_bars_are_a_source_or_frames():
    found = stretch_of(loaded(), bars="synthetic:ou?n=50")
    assert (found.uris, found.start, found.own) == ({"ou": "synthetic:ou?n=50"}, None, False)
    assert found.sha256 == fingerprint({"ou": load_bars("synthetic:ou?n=50")})
    frame = random_walk(50, 1)
    given = stretch_of(loaded(), bars={"mine": frame})
    assert given.uris == {"mine": "memory:mine"}
    assert given.frames["mine"].equals(frame)


def test_of_markets_apart_one_is_named():
    found = stretch_of(loaded(APART), market="ou")
    assert list(found.frames) == ["ou"]
    assert found.sha256 == fingerprint(loaded(APART).data.load())  # of all, as the training has it
    with pytest.raises(ConfigError, match="trades gbm, ou, one at a time; name one by --market"):
        stretch_of(loaded(APART))
    with pytest.raises(ConfigError, match="is for configurations with several markets"):
        stretch_of(loaded(), market="gbm")
    with pytest.raises(ConfigError, match="leave it out beside --bars"):
        stretch_of(loaded(APART), market="ou", bars="synthetic:ou?n=50")
