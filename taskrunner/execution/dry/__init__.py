"""Dry runs: the decisions of a run, made by its code, without an execution."""
