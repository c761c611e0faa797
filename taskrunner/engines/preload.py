"""What each process of a cluster that is made for one run does first; Dask imports this module there and calls it.

A terminal sends its signals to all processes of a program. The run hears them and stops its nodes in good order; their
processes are ended with it.
"""

import signal
from typing import Any


def dask_setup(worker: Any) -> None:  # noqa: ARG001  the form that Dask asks for
    """Leave the terminal's signals to the process that runs the graph."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
