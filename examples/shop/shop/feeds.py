"""Suppliers' price lists, waiting to be imported."""

from __future__ import annotations

from collections.abc import Iterable

Row = tuple[str, str, int]

#: Rows of SKU, price and stock, by the supplier's name.
feeds: dict[str, Iterable[Row]] = {}
