from __future__ import annotations

import pytest
import torch

from dltrader.errors import ConfigError
from dltrader.nn import EXTRACTORS
from dltrader.nn.observation import ObservationEncoder

WINDOW, FEATURES, ACCOUNT = 8, 4, 3
EVERY = pytest.mark.parametrize("name", list(EXTRACTORS))


def observations(batch):
    generator = torch.Generator().manual_seed(0)
    return {
        "market": torch.randn(batch, WINDOW, FEATURES, generator=generator),
        "account": torch.randn(batch, ACCOUNT, generator=generator),
    }


def build(name):
    torch.manual_seed(0)
    return ObservationEncoder(EXTRACTORS[name](), WINDOW, FEATURES, ACCOUNT).eval()


@EVERY
@pytest.mark.parametrize("batch", [1, 5])
def test_the_vector_is_the_encoded_market_then_the_account(name, batch):
    encoder, seen = build(name), observations(batch)
    encoded = encoder(seen)
    assert encoded.shape == (batch, encoder.features_dim)
    assert encoder.features_dim == encoder.market.features_dim + ACCOUNT
    assert torch.equal(encoded[:, -ACCOUNT:], seen["account"])
    assert torch.equal(encoded[:, :-ACCOUNT], encoder.market(seen["market"]))


@EVERY
def test_a_bar_encoded_once_joins_many_accounts(name):
    encoder, seen = build(name), observations(3)
    bars = torch.tensor([0, 2, 0, 1, 2, 2])
    account = torch.randn(6, ACCOUNT)
    shared = encoder.join(encoder.encode_market(seen["market"])[bars], account)
    each = encoder({"market": seen["market"][bars], "account": account})
    torch.testing.assert_close(shared, each, atol=1e-6, rtol=0)


def test_an_observation_without_an_account_is_refused():
    with pytest.raises(ConfigError, match="n_account must be >= 1, was 0"):
        ObservationEncoder(EXTRACTORS["mlp"](), WINDOW, FEATURES, 0)


def test_the_state_is_saved_under_the_market():
    assert {key.split(".")[0] for key in build("lstm").state_dict()} == {"market"}
