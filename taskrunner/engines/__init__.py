"""Where a graph runs. Each engine takes the same graph and tells the same events."""
