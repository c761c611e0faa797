"""Local backend: a work-stealing pool of threads in this process, and its signal handlers."""
