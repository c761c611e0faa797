"""Plan of one run: tasks, their order, their outcomes, and the resumption of earlier runs."""
