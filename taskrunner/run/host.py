"""What a run runs on: interpreter, system, memory. Asked of ``sys`` and ``os``: ``platform`` reads files."""

import os
import resource
import sys

from taskrunner.tasks import gil

_NAMES = {"cpython": "CPython", "pypy": "PyPy"}


def python_build() -> str:
    """Name the interpreter, as ``CPython 3.13.15 free-threading``."""
    name = _NAMES.get(sys.implementation.name, sys.implementation.name)
    version = sys.version.partition(" ")[0]
    return f"{name} {version}" + (" free-threading" if gil.IS_FREE_THREADED else "")


def system() -> str:
    """Name the operating system, its release and the processor's kind."""
    names = os.uname()
    return f"{names.sysname}-{names.release}-{names.machine}"


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024
