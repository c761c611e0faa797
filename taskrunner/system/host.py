"""What a run runs on: interpreter, system, memory. Asked of ``sys`` and ``os``: ``platform`` reads files."""

import contextlib
import os
import resource
import sys

from taskrunner.system import gil

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


def processors() -> int:
    """Return how many processors this process may use."""
    return os.process_cpu_count() or 1


def versions() -> dict[str, str]:
    """Return the versions of the distributions whose own name has been imported, by name.

    They are read from the names of the folders that installers leave behind: ``importlib.metadata`` reads files.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder or "."):  # noqa: PTH208  without its objects
                name, _, version = entry.removesuffix(".dist-info").partition("-")
                if version and entry.endswith(".dist-info") and name.lower() in sys.modules:
                    found.setdefault(name.lower(), version)
    return dict(sorted(found.items()))
