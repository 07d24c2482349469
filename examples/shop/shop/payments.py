"""The payment provider's side, kept in memory; the real one is spoken to over HTTP."""

from __future__ import annotations

from decimal import Decimal


class GatewayBusy(Exception):
    """The provider asks to be called again later."""


class PaymentDeclined(Exception):
    """The customer's bank says no."""


class Gateway:
    """Charges and refunds customers."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.balance: dict[str, Decimal] = {}
        self.declined: set[str] = set()
        self.busy_for = 0

    def charge(self, customer: str, amount: Decimal) -> None:
        self._answer()
        if customer in self.declined:
            raise PaymentDeclined(f"{customer}'s card was declined")
        self.balance[customer] = self.balance.get(customer, Decimal("0.00")) + amount

    def refund(self, customer: str, amount: Decimal) -> None:
        self._answer()
        self.balance[customer] -= amount

    def _answer(self) -> None:
        if self.busy_for:
            self.busy_for -= 1
            raise GatewayBusy("the payment provider is busy")


gateway = Gateway()
