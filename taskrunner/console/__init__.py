"""Console output of a run: progress, warnings, command output, log lines and the summary."""
