"""Interface to the interpreter and the operating system: garbage collector, GIL, host, process groups."""
