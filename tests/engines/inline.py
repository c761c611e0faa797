"""Minimal engine on threads of this process: the least that an engine must implement, in one file."""

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from taskrunner.engines.engine import WorkerProcess
from taskrunner.engines.messages import ResultRef, from_bytes, to_bytes
from taskrunner.engines.worker import async_steps, steps
from taskrunner.engines.worker.probe import probe
from taskrunner.engines.worker.step_inputs import check_result
from taskrunner.engines.worker.worker_run import drop_run, get_run


class InlineEngine:
    """Engine that runs work items on a few threads. Each item is submitted after the items whose results it uses.

    ``threads=0``: items run on the submitting thread, before ``submit`` returns.
    """

    name = "inline"

    def __init__(self, threads=2, *, fuses=True):
        self.fuses = fuses
        self.threads = threads
        self.items = []
        self._stack = contextlib.ExitStack()

    def start(self, setup, report_callback):
        self._run = setup.run
        self._calls = setup.calls
        self._report_callback = report_callback
        self._scratch = Path(self._stack.enter_context(TemporaryDirectory()))
        self._pool = self._stack.enter_context(ThreadPoolExecutor(self.threads)) if self.threads else None
        return [self.describe("here")]

    def describe(self, address):
        probed = probe(self._calls)
        return WorkerProcess(
            address, self.threads or 1, probed.python, probed.free_threaded, probed.gil, probed.host,
            probed.pid, {}, probed.problems,
        )  # fmt: skip

    def submit(self, items):
        return [ResultRef(self._begin(item, [ref.handle for ref in refs])) for item, refs in items]

    def _begin(self, item, handles):
        self.items.append(item)
        if not self._pool:
            done = Future()
            done.set_result(self._result(item, handles))
            return done
        # An asynchronous item occupies no thread while it runs; but its inputs may have to complete first.
        return self._pool.submit(self._start if item.is_async else self._result, item, handles)

    def _start(self, item, handles):
        results = [_value(handle) for handle in handles]
        return async_steps.start_item(item, results, "here", self._send, self._scratch)

    def _result(self, item, handles):
        if item.is_async:
            return self._start(item, handles).result()
        return steps.run_item(item, [_value(handle) for handle in handles], "here", self._send)

    def _send(self, reports):
        self._report_callback(from_bytes(to_bytes(reports)))

    def failed(self, results):
        handles = {key: ref.handle for key, ref in results.items()}
        return {key: h.exception() for key, h in handles.items() if h.done() and h.exception() is not None}

    def fetch(self, results):
        values = [_value(ref.handle) for ref in results]
        for value in values:
            check_result(value)
        return values

    def read_file(self, _address, path, start, size):
        file = os.open(path, os.O_RDONLY)
        try:
            return os.pread(file, size, start)
        finally:
            os.close(file)

    def stop_steps(self, *, cancel):
        get_run(self._run).stop(cancel=cancel)

    def close(self):
        self._stack.close()
        drop_run(self._run)


def _value(handle):
    """Wait for a result and return it; an asynchronous item has a separate future."""
    value = handle.result()
    return value.result() if isinstance(value, Future) else value
