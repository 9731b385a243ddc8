import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.data import fingerprint, load_bars, periods_per_year, validate_bars
from dltrader.data.synthetic import PROCESSES, OuConfig, make_bars
from dltrader.errors import BarsError, ConfigError, UnknownNameError


def log_returns(uri: str) -> pd.Series:
    return np.log(load_bars(uri)["close"]).diff().dropna()


@pytest.mark.parametrize("name", PROCESSES)
class TestEveryProcess:
    def test_equal_uris_give_equal_bars_and_seeds_differ(self, name):
        uri = f"synthetic:{name}?n=300&seed=5"
        assert fingerprint(load_bars(uri)) == fingerprint(load_bars(uri))
        assert fingerprint(load_bars(uri)) != fingerprint(load_bars(uri.replace("5", "6")))

    def test_a_longer_series_begins_with_the_shorter_one(self, name):
        short, long = (load_bars(f"synthetic:{name}?n={n}&gap=0.01") for n in (100, 250))
        pd.testing.assert_frame_equal(long.iloc[:100], short, check_freq=False)

    def test_without_a_gap_a_bar_opens_at_the_close_before(self, name):
        bars = load_bars(f"synthetic:{name}?n=200&price=50")
        assert bars["open"].iloc[0] == pytest.approx(50.0)
        np.testing.assert_allclose(bars["open"].iloc[1:], bars["close"].iloc[:-1], rtol=1e-14)

    def test_without_wicks_high_and_low_are_the_body(self, name):
        bars = load_bars(f"synthetic:{name}?n=200&wick=0")
        np.testing.assert_array_equal(bars["high"], bars[["open", "close"]].max(axis=1))
        np.testing.assert_array_equal(bars["low"], bars[["open", "close"]].min(axis=1))

    def test_volume_is_positive_around_its_median(self, name):
        volume = load_bars(f"synthetic:{name}?n=2000&volume=500")["volume"]
        assert volume.min() > 0
        assert volume.median() == pytest.approx(500, rel=0.05)

    def test_an_unknown_parameter_is_answered_with_a_hint(self, name):
        with pytest.raises(ConfigError, match=f"synthetic:{name}: unknown key 'sed'; did you mean 'seed'"):
            load_bars(f"synthetic:{name}?sed=1")

    def test_every_parameter_is_described(self, name):
        assert all(field.description for field in PROCESSES[name].model_fields.values())

    @given(seed=st.integers(0, 2**32), n=st.integers(1, 60), gap=st.floats(0, 0.5))
    def test_bars_are_valid_whatever_the_seed(self, name, seed, n, gap):
        bars = make_bars(PROCESSES[name](seed=seed, n=n, gap=gap))
        assert len(bars) == n
        pd.testing.assert_frame_equal(validate_bars(bars), bars, check_freq=False)


def test_gbm_has_its_drift_and_volatility():
    returns = log_returns("synthetic:gbm?n=100000&mu=0.1&sigma=0.3&interval=1h")
    years = len(returns) / (252 * 24)
    assert returns.std() * np.sqrt(252 * 24) == pytest.approx(0.3, rel=0.02)
    assert returns.mean() * 252 * 24 == pytest.approx(0.1 - 0.045, abs=3 * 0.3 / np.sqrt(years))
    assert abs(returns.autocorr()) < 0.02


def test_gbm_without_volatility_grows_by_mu_a_year():
    close = load_bars("synthetic:gbm?n=252&mu=0.1&sigma=0")["close"]
    assert close.iloc[-1] == pytest.approx(100 * np.exp(0.1))


def test_ou_has_its_spread_and_half_life():
    deviation = np.log(load_bars("synthetic:ou?n=50000&half_life=10&sigma=0.05")["close"] / 100)
    assert deviation.std() == pytest.approx(0.05, rel=0.05)
    assert deviation.mean() == pytest.approx(0, abs=0.005)
    assert deviation.autocorr(10) == pytest.approx(0.5, abs=0.03)


def test_ou_is_the_autoregression_of_its_formula():
    config = OuConfig(n=50, seed=3, half_life=4, sigma=0.1)
    decay = 2 ** (-1 / 4)
    noise = np.random.default_rng(3).spawn(4)[0].standard_normal(50)
    expected = [0.1 * np.sqrt(1 - decay**2) * noise[0]]
    for shock in noise[1:]:
        expected.append(decay * expected[-1] + 0.1 * np.sqrt(1 - decay**2) * shock)
    np.testing.assert_allclose(np.log(make_bars(config)["close"] / 100), expected, atol=1e-13)


def test_sine_without_noise_is_the_cycle():
    close = load_bars("synthetic:sine?n=40&noise=0&amplitude=0.1&period=8")["close"]
    t = np.arange(1, 41)
    np.testing.assert_allclose(close, 100 * np.exp(0.1 * np.sin(2 * np.pi * t / 8)), rtol=1e-13)


def test_sine_pays_whoever_knows_the_cycle_and_nobody_who_holds():
    returns = log_returns("synthetic:sine?n=2001")
    steps = np.arange(2, 2002)
    known = np.sign(np.cos(2 * np.pi * (steps - 0.5) / 20))
    changes = np.abs(np.diff(known, prepend=0.0))
    net = (known * returns - 0.0015 * changes).mean()
    assert net == pytest.approx(0.0097, abs=5e-4)
    assert returns.sum() == pytest.approx(0, abs=0.01)


def test_regimes_last_as_long_as_said_and_differ_in_drift():
    returns = log_returns("synthetic:regime?n=50000&sigma=0&duration=40&mu_bull=0.5&mu_bear=-0.25")
    bull = returns > 0
    assert returns[bull].mean() * 252 == pytest.approx(0.5)
    assert returns[~bull].mean() * 252 == pytest.approx(-0.25)
    assert bull.mean() == pytest.approx(0.5, abs=0.05)
    assert len(returns) / (bull != bull.shift()).sum() == pytest.approx(40, rel=0.1)


@pytest.mark.parametrize(
    ("parameters", "first", "second", "a_year"),
    [
        ("", "2000-01-03", "2000-01-04", 252),
        ("&calendar=continuous&start=2000-01-01", "2000-01-01", "2000-01-02", 365),
        ("&start=2000-01-01", "2000-01-03", "2000-01-04", 252),
        ("&interval=1h", "2000-01-03 01:00", "2000-01-03 02:00", 24 * 252),
        ("&interval=15min&calendar=continuous", "2000-01-03 00:15", "2000-01-03 00:30", 96 * 365),
    ],
)
def test_bars_stand_at_their_close(parameters, first, second, a_year):
    bars = load_bars(f"synthetic:gbm?n=1500{parameters}")
    assert bars.index[0] == pd.Timestamp(first, tz="UTC")
    assert bars.index[1] == pd.Timestamp(second, tz="UTC")
    assert periods_per_year(bars) == a_year


def test_business_days_have_no_weekend():
    assert load_bars("synthetic:gbm?n=500").index.day_of_week.max() == 4


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("n=0", "n must be greater than or equal to 1, was '0'"),
        ("n=many", "n must be an integer"),
        ("sigma=-1", "sigma must be greater than or equal to 0"),
        ("sigma=nan", "sigma must be a finite number"),
        ("interval=7h", "interval: must be a day or an even part of one"),
        ("interval=2D", "interval: must be a day or an even part of one"),
        ("interval=nat", "interval: must be a day or an even part of one"),
        ("calendar=lunar", "calendar must be 'business' or 'continuous'"),
        ("n=400000", "400000 bars of 1D from 2000-01-03 end after 2262"),
    ],
)
def test_a_parameter_out_of_range_is_named(query, message):
    with pytest.raises(ConfigError, match=message):
        load_bars(f"synthetic:gbm?{query}")


def test_an_unknown_process_is_answered_with_a_hint():
    with pytest.raises(UnknownNameError, match="unknown synthetic process 'gmb'; did you mean 'gbm'"):
        load_bars("synthetic:gmb")


def test_a_price_beyond_all_numbers_is_an_error():
    with pytest.raises(BarsError, match="is not finite"):
        load_bars("synthetic:gbm?n=40000&mu=10&sigma=0&interval=1D&start=1900-01-01")
