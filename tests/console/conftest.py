"""What the tests of progress share: a clock that stands still, and events with what matters of them."""

import pytest

from taskrunner.events.types import NodeDone, NodeFailed, NodeRetry, NodeSkipped, RunStart


class Clock:
    """Gives ``now``, which a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Make:
    """Makes events."""

    @staticmethod
    def start(nodes, workers=2, run="r"):
        return RunStart(run, "g", nodes, workers, "CPython", free_threaded=True, gil=False, platform="Linux", at=0.0)

    @staticmethod
    def done(node, *, worker=0, cached=False):
        return NodeDone(node, worker, 1, 0.0, 1.0, stolen=False, started_at=0.0, cached=cached)

    @staticmethod
    def failed(node, *, worker=0, error="ValueError: no\nmore", allowed=False):
        timing = {"queued_s": 0.0, "ran_s": 1.0, "stolen": False, "started_at": 0.0}
        return NodeFailed(node, worker, 1, **timing, error=error, traceback="", arguments="", allowed=allowed)

    @staticmethod
    def retried(node, *, worker=0):
        timing = {"queued_s": 0.0, "ran_s": 1.0, "stolen": False, "started_at": 0.0}
        return NodeRetry(node, worker, 1, **timing, error="ValueError: no", traceback="", arguments="", wait_s=1.0)

    @staticmethod
    def skipped(node):
        return NodeSkipped(node, "needs", "a")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make():
    return Make
