"""The broker of the contract: a plain backtrader one, set up as the configuration says."""

from __future__ import annotations

from typing import Any

import backtrader as bt

from dltrader.envs.contract import EnvConfig


def make_cerebro(config: EnvConfig, **options: Any) -> bt.Cerebro:
    """A Cerebro that trades by the contract of a step; add data, a strategy and what else you like.

    Args:
        config: Gives cash, costs, leverage and whether orders may be sized at the open.
        **options: Further arguments of `bt.Cerebro`.
    """
    settings = {"stdstats": False, "cheat_on_open": config.sizing == "at_open"} | options
    cerebro = bt.Cerebro(**settings)
    configure_broker(cerebro.broker, config)
    return cerebro


def configure_broker(broker: bt.brokers.BackBroker, config: EnvConfig) -> None:
    """Give a broker the configuration's cash, commission, leverage and slippage."""
    broker.setcash(config.cash)
    broker.setcommission(commission=config.costs.commission, leverage=config.leverage)
    # slip_open: fills at the open slip too; slip_match: a slipped price stays within its bar.
    broker.set_slippage_perc(config.costs.slippage, slip_open=True, slip_limit=True, slip_match=True, slip_out=False)
