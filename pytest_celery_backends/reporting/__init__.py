"""Outcomes per test and backend as a matrix, and the ways to show it: terminal, JSON, Markdown, HTML."""
