"""Files of a run: its directory, journal, stored graph and summary, and the reading of earlier runs."""
