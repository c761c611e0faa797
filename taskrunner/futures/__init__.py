"""Futures."""
