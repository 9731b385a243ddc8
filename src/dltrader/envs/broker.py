"""The broker of the contract: a plain backtrader one, set up as the configuration says.

Costs that backtrader does not know, a fee on every unit and the price that an order itself moves, are added to it.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt

from dltrader.envs.contract import EnvConfig
from dltrader.envs.sizing import moved_price


def make_cerebro(config: EnvConfig, **options: Any) -> bt.Cerebro:
    """A Cerebro that trades by the contract of a step; add data, a strategy and what else you like.

    Args:
        config: Gives cash, costs, leverage and whether orders may be sized at the open.
        **options: Further arguments of `bt.Cerebro`.
    """
    settings = {"stdstats": False, "cheat_on_open": config.sizing == "at_open"} | options
    cerebro = bt.Cerebro(**settings)
    if config.costs.impact > 0.0:
        cerebro.broker = ImpactBroker(config.costs.impact)
        cerebro.broker.set_coo(cerebro.p.cheat_on_open)
    configure_broker(cerebro.broker, config)
    return cerebro


def configure_broker(broker: bt.brokers.BackBroker, config: EnvConfig) -> None:
    """Give a broker the configuration's cash, fees, leverage and slippage; impact takes an `ImpactBroker`."""
    broker.setcash(config.cash)
    commission, per_unit = config.costs.commission, config.costs.per_unit
    if per_unit > 0.0:
        broker.addcommissioninfo(
            UnitFee(commission=commission, percabs=True, leverage=config.leverage, per_unit=per_unit)
        )
    else:
        broker.setcommission(commission=commission, leverage=config.leverage)
    # slip_open: fills at the open slip too; slip_match: a slipped price stays within its bar.
    broker.set_slippage_perc(config.costs.slippage, slip_open=True, slip_limit=True, slip_match=True, slip_out=False)


class UnitFee(bt.CommInfoBase):
    """Commission as a fraction of the value, and a fee on every unit.

    Params:
        per_unit: Money.
    """

    params = (("per_unit", 0.0),)

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        share: float = super()._getcommission(size, price, pseudoexec)
        return share + abs(size) * float(self.p.per_unit)


class ImpactBroker(bt.brokers.BackBroker):
    """A broker whose market orders move the price that they fill at, in proportion to their size.

    Args:
        impact: Money per unit, for every unit of the order.
    """

    def __init__(self, impact: float) -> None:
        super().__init__()
        self._impact = impact

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        # Without `ago` the broker only asks whether there would be enough cash, at the price before any slippage.
        if ago is not None and price is not None:
            price = moved_price(price, order.executed.remsize, self._impact)
        return super()._execute(order, ago=ago, price=price, cash=cash, position=position, dtcoc=dtcoc)
