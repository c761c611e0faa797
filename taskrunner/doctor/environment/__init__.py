"""Environment: interpreter, machine, project, and installed distributions."""
