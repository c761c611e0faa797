"""A Dask cluster of separate processes on loopback: a scheduler and workers with one thread each."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.machine import is_free_threaded

BOUND = 120.0


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start a cluster and give its address; it is gone afterwards.

    Raises:
        RuntimeError: one of its processes ends by itself, or it does not answer in time.

    """
    with TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        file = folder / "scheduler.json"
        scheduler = _start(stack, folder, "scheduler", "--port", "0", "--scheduler-file", str(file))
        _wait(lambda: file.exists() and file.read_bytes().rstrip().endswith(b"}"), scheduler)
        address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            _start(stack, folder, "worker", address, "--no-nanny", "--nthreads", "1", "--local-directory", str(folder))
        yield address


def _start(stack: contextlib.ExitStack, folder: Path, kind: str, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options, "--host", "127.0.0.1", "--no-dashboard"]
    # The sampling profiler reads other threads' frames, which crashes workers of 3.13t.
    profile = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"} if is_free_threaded() else {}
    path = os.pathsep.join(part or str(Path.cwd()) for part in sys.path)
    environment = {**os.environ, **profile, "PYTHONPATH": path}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
    stack.callback(process.wait, BOUND)
    stack.callback(process.kill)
    return process


def _wait(is_so: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + BOUND
    while not is_so():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the scheduler does not start")
        time.sleep(0.05)
