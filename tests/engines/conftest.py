"""Real clusters: a scheduler and workers that are processes of their own, on loopback, started by the tests."""

import functools
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from taskrunner.engines.dask.engine import DaskEngine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Seconds: a cluster takes long to start on a busy machine, which is not a failure.
BOUND = 300.0
# Seconds after which a scheduler that has nothing to do ends, and a worker without a scheduler.
ALONE = 600
IS_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

if str(HERE) not in sys.path:  # the graphs of these tests call what is in nodes.py; inline.py is an engine
    sys.path.append(str(HERE))


class Cluster:
    """A scheduler and its workers. ``folder`` holds what they write: their address, their output, their scratch."""

    def __init__(self, folder, path=(HERE, ROOT), **settings):
        self.folder = folder
        self._settings = settings
        self.processes = {}
        self._path = os.pathsep.join(map(str, path))
        self._threads = {}
        self._file = folder / "scheduler.json"
        # Should nobody be there to end it, it ends by itself.
        self.start("scheduler", "scheduler", "--port", 0, "--idle-timeout", ALONE, "--scheduler-file", self._file)

    @functools.cached_property
    def address(self):
        self.wait_until(lambda: self._file.exists() and self._file.read_bytes().rstrip().endswith(b"}"))
        return json.loads(self._file.read_text())["address"]

    def start(self, name, kind, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                list(map(str, [*command, "--host", "127.0.0.1", "--no-dashboard"])),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _environment(self):
        own = ("TASKRUNNER_", "DASK_", "PYTHON_GIL", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        profile = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"} if IS_FREE_THREADED else {}
        # One that a busy machine holds up is not dead.
        patience = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "60s"}
        return {**kept, **profile, **patience, "PYTHONPATH": self._path, **self._settings}

    def add(self, name, threads=1):
        """Start a worker."""
        scratch = self.folder / f"{name}-scratch"
        options = (
            self.address,
            "--no-nanny",
            "--death-timeout",
            ALONE,
            "--nthreads",
            threads,
            "--name",
            name,
            "--local-directory",
            scratch,
        )
        self.start(name, "worker", *options)
        self._threads[name] = threads

    def is_up(self):
        return all("Starting established connection" in self.log(name) for name in self._threads)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_until(self, is_so):
        """Wait for something that other processes do, as long as they live."""
        end = time.monotonic() + BOUND
        while not is_so():
            for name, process in self.processes.items():
                assert process.poll() is None, self.log(name)
            assert time.monotonic() < end, {name: self.log(name) for name in self.processes}
            time.sleep(0.01)

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(BOUND)
        self._threads.pop(name, None)

    def pids(self):
        return {process.pid: name for name, process in self.processes.items()}

    def stop(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(BOUND)

    def engine(self, **options):
        return DaskEngine(self.address, **options)


def started(folder, threads, **settings):
    cluster = Cluster(folder, **settings)
    try:
        for number, count in enumerate(threads):
            cluster.add(f"worker-{number}", count)
        cluster.wait_until(cluster.is_up)
    except BaseException:
        cluster.stop()
        raise
    return cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Return a cluster of two workers with one thread each; nobody may harm it."""
    found = started(tmp_path_factory.mktemp("cluster"), (1, 1))
    yield found
    found.stop()


@pytest.fixture
def new_cluster(tmp_path):
    """Return what makes a cluster whose workers have so many threads, for a test that kills some of it."""
    found = []

    def make(*threads, **settings):
        folder = tmp_path / f"cluster-{len(found)}"
        folder.mkdir()
        found.append(started(folder, threads, **settings))
        return found[-1]

    yield make
    for cluster in found:
        cluster.stop()


@pytest.fixture
def check_case(tmp_path):
    """Return what runs a case on threads and on an engine, and compares all that is told of both."""
    import told  # noqa: PLC0415  it is on the path by now

    return lambda case, engine: told.check_case(case, tmp_path, engine)
