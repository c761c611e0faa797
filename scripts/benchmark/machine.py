"""The machine that figures come from, in words."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")


def describe(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Return the processors, the Python build, and the versions of these packages where they are there."""
    return {
        "cpu_count": os.cpu_count(),
        "usable_cpus": os.process_cpu_count(),
        "cpu": _cpu(),
        "platform": platform.platform(),
        "python": sys.version,
        "free_threaded": is_free_threaded(),
        "gil": sys._is_gil_enabled(),  # noqa: SLF001  there is no public name for it
        "load_average": os.getloadavg(),
        "packages": {name: version for name in packages if (version := _version(name))},
    }


def is_free_threaded() -> bool:
    """Say whether this build can run without the GIL."""
    return "free-threading" in sys.version


def words(machine: dict[str, Any]) -> str:
    """Say the most important of it in one line."""
    gil = "on" if machine["gil"] else "off"
    cpus = f"{machine['usable_cpus']} of {machine['cpu_count']} processors"
    version = machine["python"].partition(" ")[0]
    build = " free-threading" if machine["free_threaded"] else ""
    return f"CPython {version}{build}, GIL {gil}, {cpus}, {machine['cpu'] or platform.machine()}"


def _cpu() -> str:
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
