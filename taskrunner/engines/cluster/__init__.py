"""Cluster backend: a client-side scheduler that sends work items to an engine."""
