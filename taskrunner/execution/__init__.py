"""Execution of one run: runners and routers of tasks, the shared run state, event recorder and journal writer."""
