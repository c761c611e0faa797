"""Report page of a recorded run."""
