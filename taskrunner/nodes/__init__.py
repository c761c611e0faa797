"""Execution of one node: callable resolution, argument binding, commands, and the shared event loop."""
