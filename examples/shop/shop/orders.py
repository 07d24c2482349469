"""Products, stock and orders, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


class OutOfStock(Exception):
    """More is wanted than there is."""

    def __init__(self, sku: str, wanted: int, available: int) -> None:
        super().__init__(sku, wanted, available)
        self.sku = sku
        self.wanted = wanted
        self.available = available

    def __str__(self) -> str:
        return f"{self.wanted} of {self.sku} are wanted, {self.available} are left"


@dataclass
class Product:
    sku: str
    price: Decimal
    stock: int


@dataclass(frozen=True)
class Line:
    sku: str
    quantity: int


@dataclass(frozen=True)
class Order:
    id: str
    customer: str
    day: date
    lines: tuple[Line, ...]


class Products:
    """The catalogue."""

    def __init__(self) -> None:
        self._products: dict[str, Product] = {}

    def add(self, product: Product) -> None:
        self._products[product.sku] = product

    def get(self, sku: str) -> Product:
        return self._products[sku]

    def take(self, lines: tuple[Line, ...]) -> None:
        """Take all lines from stock, or none."""
        for line in lines:
            available = self.get(line.sku).stock
            if line.quantity > available:
                raise OutOfStock(line.sku, line.quantity, available)
        for line in lines:
            self.get(line.sku).stock -= line.quantity

    def __len__(self) -> int:
        return len(self._products)

    def clear(self) -> None:
        self._products.clear()


class Orders:
    """Every order placed."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}

    def add(self, order: Order) -> Order:
        self._orders[order.id] = order
        return order

    def get(self, order_id: str) -> Order:
        return self._orders[order_id]

    def on(self, day: date) -> list[Order]:
        return [order for order in self._orders.values() if order.day == day]

    def clear(self) -> None:
        self._orders.clear()


products = Products()
orders = Orders()


def total(order: Order) -> Decimal:
    """What an order costs."""
    return sum((products.get(line.sku).price * line.quantity for line in order.lines), Decimal("0.00"))
