"""Execution of work items in a worker process."""
