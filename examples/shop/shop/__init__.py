"""A small shop: orders, payments, invoices, a catalogue, reports."""
