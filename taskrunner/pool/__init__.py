"""Work-stealing thread pool: executes opaque items and is independent of graphs."""
