"""Preload module for the worker processes of a cluster that was created for one run; Dask imports and calls it.

A terminal sends its signals to all processes of a program. The client handles them and stops its nodes gracefully; the
worker processes are shut down with the client.
"""

import signal
from typing import Any


def dask_setup(worker: Any) -> None:  # noqa: ARG001  the signature that Dask requires
    """Leave the terminal's signals to the client process.

    The signals are handled rather than ignored: commands started by this process would inherit an ignored signal.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
