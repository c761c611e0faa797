"""Test imports in child processes, and the cache of their outcomes."""
