"""What each process of a cluster that is made for one run does first; Dask imports this module there and calls it.

A terminal sends its signals to all processes of a program. The run hears them and stops its nodes in good order; their
processes are ended with it.
"""

import signal
from typing import Any


def dask_setup(worker: Any) -> None:  # noqa: ARG001  the form that Dask asks for
    """Leave the terminal's signals to the process that runs the graph.

    They are heard and not ignored: what is ignored would be ignored by the commands that are started here as well.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
