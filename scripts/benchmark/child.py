"""Child processes: how long one took from start to exit, and how much memory it held at most."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TASKRUNNER = (sys.executable, "-m", "taskrunner")
KIB = 1 if sys.platform == "darwin" else 1024  # in what ru_maxrss counts


@dataclass(frozen=True)
class Ended:
    """What a child took, its own children included. Its memory counts from this process's own size: keep that small."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    errors: str


class ChildFailedError(Exception):
    """A child ended with an error."""


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without what would keep Python from caching its bytecode."""
    return {name: value for name, value in given.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str], folder: Path, variables: Mapping[str, str] = os.environ) -> Ended:
    """Run a command in a folder with these environment variables, and wait for its end.

    Raises:
        ChildFailedError: it ended with an error.

    """
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(variables), stdout=subprocess.DEVNULL, stderr=errors
        )  # its own wait() would not tell the memory
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if process.returncode:
        raise ChildFailedError(f"{' '.join(command)}: exit code {process.returncode}\n{text[-2000:]}")
    return Ended(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB, text)
