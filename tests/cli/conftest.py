"""A command line to be tested from outside: each call is a process of its own in a folder of its own."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from taskrunner.cli.main import cli as main

ROOT = Path(__file__).parents[2]
BOUND = 60.0

FUNCTIONS = """
    import asyncio, os, time
    from pathlib import Path

    def give(value=1): return value
    def add(a, b): return a + b
    def fail(): raise ValueError("no luck")
    def touch(name): Path(name).touch()

    def poll(name):
        end = time.monotonic() + 50
        while not os.path.exists(name):
            if time.monotonic() > end: raise TimeoutError(name)
            time.sleep(0.005)

    def start_and_poll(started, name):
        touch(started)
        poll(name)

    async def start_and_sleep(started):
        touch(started)
        await asyncio.sleep(50)
"""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended. ``raw`` is its standard output as bytes, ``out`` and ``err`` are texts."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class CommandLine:
    """Runs ``python -m taskrunner`` in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(
        self, *words: Any, stdin: bytes = b"", env: dict[str, str] | None = None, python: tuple[str, ...] = ()
    ) -> Ended:
        process = self.start(*words, env=env, python=python)
        return self.end(process, stdin)

    def start(
        self, *words: Any, env: dict[str, str] | None = None, python: tuple[str, ...] = (), **files: Any
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *python, "-m", "taskrunner", *map(str, words)],
            cwd=self.folder,
            env={**_environment(), **(env or {})},
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **files},
        )
        self.started.append(process)
        return process

    @staticmethod
    def end(process: subprocess.Popen[bytes], stdin: bytes = b"") -> Ended:
        out, err = process.communicate(stdin, timeout=BOUND)
        return Ended(process.returncode, out or b"", (err or b"").decode())

    def stop_all(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate(timeout=BOUND)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    def graph(self, *nodes: dict[str, Any], file: str = "graph.json", **fields: Any) -> str:
        """Write a graph file; return its name."""
        self.write(file, json.dumps({"taskrunner": 1, **fields, "nodes": nodes}))
        return file

    def last_run(self, runs: str = ".taskrunner/runs") -> Path:
        """Return the folder of the one run there was."""
        (run,) = (self.folder / runs).iterdir()
        return run

    def wait_for(self, name: str, process: subprocess.Popen[bytes]) -> Path:
        """Wait until a file is there, as long as the process that is to make it lives."""
        path, end = self.folder / name, time.monotonic() + BOUND
        while not path.exists():
            assert process.poll() is None, self.end(process)
            assert time.monotonic() < end, f"{name} was never made"
            time.sleep(0.005)
        return path


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TASKRUNNER_", "PYTHON_GIL", "PYTHONSAFEPATH"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def cli(tmp_path):
    """Return a command line in an empty folder that has a module ``functions``."""
    command_line = CommandLine(tmp_path)
    command_line.write("functions.py", FUNCTIONS)
    yield command_line
    command_line.stop_all()


@pytest.fixture
def inside(cli, monkeypatch, capfdbinary):
    """Return what runs a command line as ``cli`` does, but inside this process: for long tables of cases."""

    def call(*words: Any) -> Ended:
        code = 0
        try:
            with contextlib.redirect_stdout(sys.stdout):  # the program leaves it changed, for the rest of its process
                main(args=[str(word) for word in words], prog_name="taskrunner")
        except SystemExit as error:
            code = error.code
        captured = capfdbinary.readouterr()
        return Ended(code, captured.out, captured.err.decode())

    monkeypatch.chdir(cli.folder)
    known = set(sys.modules)
    yield call
    for name in set(sys.modules) - known:
        if str(cli.folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def is_free_threaded():
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.fixture
def workloads():
    """Return the folder of the graphs that come with the project."""
    return ROOT / "workloads"
