"""Real work to run: graph files, and the functions that they name."""
