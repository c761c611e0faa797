"""Executor in the style of ``concurrent.futures``, and its futures, on a work-stealing pool."""
