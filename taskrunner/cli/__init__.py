"""The command line: click, and the only place that prints or exits."""
