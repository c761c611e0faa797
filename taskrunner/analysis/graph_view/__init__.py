"""Drawings of a graph, optionally with the status of its nodes in a run."""
