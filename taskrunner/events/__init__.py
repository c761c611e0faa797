"""Events of a run: their types, the observer protocol, and a log file that is written and read back."""
