"""Analysis of runs, computed from their events or their summary; it starts no threads."""
