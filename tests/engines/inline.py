"""An engine in one file, on threads of this process: what another engine than Dask has to be, and no more."""

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from taskrunner.engines.engine import WorkerProcess
from taskrunner.engines.messages import ResultRef, from_bytes, to_bytes
from taskrunner.engines.worker import async_steps as waiting
from taskrunner.engines.worker import steps as site
from taskrunner.engines.worker.probe import probe
from taskrunner.engines.worker.step_inputs import check_whole
from taskrunner.engines.worker.worker_run import drop_run, worker_run


class InlineEngine:
    """Runs works on a few threads. Works are sent in an order in which each comes after what it takes.

    ``threads=0``: on the thread that submits them, before ``submit`` returns.
    """

    name = "inline"

    def __init__(self, threads=2, *, fuses=True):
        self.fuses = fuses
        self.threads = threads
        self.works = []
        self._stack = contextlib.ExitStack()

    def start(self, setup, tell):
        self._run = setup.run
        self._calls = setup.calls
        self._tell = tell
        self._scratch = Path(self._stack.enter_context(TemporaryDirectory()))
        self._pool = self._stack.enter_context(ThreadPoolExecutor(self.threads)) if self.threads else None
        return [self.describe("here")]

    def describe(self, address):
        found = probe(self._calls)
        return WorkerProcess(
            address, self.threads or 1, found.python, found.free_threaded, found.gil, found.host, found.pid, {},
            found.problems,
        )  # fmt: skip

    def submit(self, works):
        return [ResultRef(self._begin(work, [remote.handle for remote in remotes])) for work, remotes in works]

    def _begin(self, work, handles):
        self.works.append(work)
        if not self._pool:
            done = Future()
            done.set_result(self._result(work, handles))
            return done
        # What waits takes no thread; but what it waits for may have to come first.
        return self._pool.submit(self._start if work.is_async else self._result, work, handles)

    def _start(self, work, handles):
        results = [_value(handle) for handle in handles]
        return waiting.start_work(work, results, "here", self._send, self._scratch)

    def _result(self, work, handles):
        if work.is_async:
            return self._start(work, handles).result()
        return site.run_work(work, [_value(handle) for handle in handles], "here", self._send)

    def _send(self, reports):
        self._tell(from_bytes(to_bytes(reports)))

    def failed(self, results):
        handles = {key: remote.handle for key, remote in results.items()}
        return {key: h.exception() for key, h in handles.items() if h.done() and h.exception() is not None}

    def fetch(self, results):
        values = [_value(remote.handle) for remote in results]
        for value in values:
            check_whole(value)
        return values

    def read_file(self, _address, path, start, size):
        file = os.open(path, os.O_RDONLY)
        try:
            return os.pread(file, size, start)
        finally:
            os.close(file)

    def stop_steps(self, *, cancel):
        worker_run(self._run).stop(cancel=cancel)

    def close(self):
        self._stack.close()
        drop_run(self._run)


def _value(handle):
    """Return a result, once it is there; what waits has a future of its own."""
    found = handle.result()
    return found.result() if isinstance(found, Future) else found
