"""Realistic workloads: graph files, and the functions that they call."""
