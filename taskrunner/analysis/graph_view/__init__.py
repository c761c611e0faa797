"""A graph drawn, with or without what became of it in a run."""
