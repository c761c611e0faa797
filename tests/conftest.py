import signal

import msgspec
import pytest

from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.events import types as events
from taskrunner.graph.graph import Graph
from taskrunner.storage.history import PastRun

# Fixtures that tests of several packages share: the modules are in tests/support.
pytest_plugins = ("cooperative",)


# The marker of each test that uses one of these fixtures.
MARKERS = {"cluster": "cluster", "new_cluster": "cluster", "browser": "browser"}


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items):
    for item in items:
        for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS[fixture])


@pytest.fixture(scope="session", autouse=True)
def _signals_are_not_ignored():
    """Let tests send signals: what a shell starts in the background, or nohup, ignores some, and so do its children."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    ignored = [number for number in usual if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


class Recording:
    """A run as it would have been recorded, written by hand. Times are seconds from the start of the run."""

    def __init__(self, *nodes, workers=2, name="demo", params=None, **start):
        self.nodes = nodes
        self.params = params or {}
        self.name = name
        self.events = []
        self.begin(workers=workers, **start)

    def begin(self, **start):
        usual = {
            "run": "r1", "graph": self.name, "nodes": len(self.nodes), "workers": 2, "python": "CPython 3.13.9",
            "free_threaded": True, "gil": False, "platform": "Linux", "at": 1_800_000_000.0, "processors": 2,
            "versions": {"msgspec": "0.22.0"},
        }  # fmt: skip
        return self.add(events.RunStart(**(usual | start)))

    def add(self, event):
        self.events.append(event)
        return self

    def attempt(self, form, node, at, ran, **fields):
        usual = {"worker": 0, "attempt": 1, "queued_s": 0.0, "stolen": False}
        return self.add(form(node=node, started_at=at, ran_s=ran, **(usual | fields)))

    def done(self, node, at, ran, **fields):
        return self.attempt(events.NodeDone, node, at, ran, **fields)

    def broken(self, form, node, at, ran, **fields):
        usual = {"error": "ValueError: no luck", "traceback": "Traceback:\n  no luck", "arguments": "(1)"}
        return self.attempt(form, node, at, ran, **(usual | fields))

    def failed(self, node, at, ran, **fields):
        return self.broken(events.NodeFailed, node, at, ran, **fields)

    def retried(self, node, at, ran, **fields):
        return self.broken(events.NodeRetry, node, at, ran, **({"wait_s": 0.5} | fields))

    def skipped(self, node, reason, because=""):
        return self.add(events.NodeSkipped(node=node, reason=reason, because=because))

    def end(self, wall, **numbers):
        usual = {
            "ok": True, "done": 0, "failed": 0, "skipped": 0, "busy": (0.0, 0.0), "steals": 0, "critical_path_s": 0.0,
            "critical_path": (), "parallelism": 0.0, "gil": False, "peak_memory_bytes": 20 * 2**20,
        }  # fmt: skip
        return self.add(events.RunDone(wall_s=wall, **(usual | numbers)))

    def run(self, *, state="ok", folder=None, has_graph=True):
        data = self.graph()
        dag = Graph.decode(data, "json").link(complete=False) if has_graph else None
        return RecordedRun(PastRun(run="r1", state=state, started=""), self.events, dag, folder)

    def graph(self):
        return msgspec.json.encode({"taskrunner": 1, "name": self.name, "params": self.params, "nodes": self.nodes})

    def write(self, folder):
        """Leave what such a run leaves, but for its summary."""
        folder.mkdir(parents=True)
        (folder / "graph.json").write_bytes(self.graph())
        (folder / "params.json").write_bytes(b"{}")
        (folder / "events.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(self.events))
        return folder


@pytest.fixture
def recording():
    """Return what begins a run that is recorded by hand: ``recording(node).done("a", 0.0, 1.0).end(1.0).run()``."""
    return Recording
