"""One run of a graph: its plan, what runs a node, its records, events and result."""
