"""Properties of the host: interpreter, system, memory.

The functions use ``sys`` and ``os``, because ``platform`` reads files.
"""

import contextlib
import os
import resource
import sys

from taskrunner.system import gil

_NAMES = {"cpython": "CPython", "pypy": "PyPy"}


def python_build() -> str:
    """Return the name of the interpreter, as ``CPython 3.13.15 free-threading``."""
    name = _NAMES.get(sys.implementation.name, sys.implementation.name)
    version = sys.version.partition(" ")[0]
    return f"{name} {version}" + (" free-threading" if gil.IS_FREE_THREADED else "")


def system() -> str:
    """Return the name of the operating system, its release and the processor architecture."""
    names = os.uname()
    return f"{names.sysname}-{names.release}-{names.machine}"


def peak_memory() -> int:
    """Return the largest resident size of this program so far, in bytes.

    Linux resets ``VmHWM`` when a process executes another program. ``ru_maxrss`` survives that: it includes the memory
    of a launcher such as ``uv run``, and is used only where there is no ``/proc``.
    """
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as status:  # noqa: PTH123  a path object is slow
        for line in status:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def processors() -> int:
    """Return the number of processors that this process may use."""
    return os.process_cpu_count() or 1


def versions() -> dict[str, str]:
    """Return the versions of the distributions with an imported module of the same name, by name.

    The versions come from the names of the ``.dist-info`` directories. ``importlib.metadata`` would read files.
    """
    by_name: dict[str, str] = {}
    for directory in sys.path:
        with contextlib.suppress(OSError):
            for entry in os.listdir(directory or "."):  # noqa: PTH208  strings only, no path objects
                name, _, version = entry.removesuffix(".dist-info").partition("-")
                if version and entry.endswith(".dist-info") and name.lower() in sys.modules:
                    by_name.setdefault(name.lower(), version)
    return dict(sorted(by_name.items()))
