"""Backends that execute the nodes of a run: threads of this process, or the worker processes of a cluster."""
