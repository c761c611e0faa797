"""Recorded runs and workloads that are written by hand, in whole seconds."""

import json

import msgspec
import pytest

from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.simulation.overhead import Overhead
from taskrunner.analysis.simulation.workload import Job, Workload
from taskrunner.events.types import RunStart
from taskrunner.graph.graph import Graph
from taskrunner.storage.history import PastRun


class Hand:
    """What tests write runs and workloads with."""

    def __init__(self, recording):
        self._recording = recording
        self.start = self._event("begin", graph="g")

    def _event(self, name, *args, **fields):
        return getattr(self._recording(), name)(*args, **fields).events[-1]

    def done(self, node, worker=0, started=0.0, ran=1.0, queued=0.0, **fields):
        return self._event("done", node, started, ran, worker=worker, queued_s=queued, **fields)

    def retry(self, node, worker=0, started=0.0, ran=1.0, wait=0.0, **fields):
        return self._event("retried", node, started, ran, worker=worker, wait_s=wait, **fields)

    def end(self, wall, **fields):
        return self._event("end", wall, **fields)

    @staticmethod
    def dag(*nodes, **fields):
        text = json.dumps({"taskrunner": 1, "nodes": nodes, **fields})
        return Graph.decode(text.encode(), "json", "graph.json").link({}, complete=False)

    def run(self, dag, *events):
        events = events if events and isinstance(events[0], RunStart) else (self.start, *events)
        return RecordedRun(PastRun(run="r", state="ok", started=""), events, dag)

    @staticmethod
    def call(node, **fields):
        return {"id": node, "call": "m:f", **fields}

    @staticmethod
    def workload(*described, pools=None, ranked=False, **overhead):
        """Make jobs of (seconds, what they need); seconds may be a Job's fields, whose ``seconds`` is a number."""
        jobs, successors = [], [[] for _ in described]
        for index, (what, *needs) in enumerate(described):
            fields = dict(what) if isinstance(what, dict) else {"seconds": what}
            seconds = fields.pop("seconds")
            seconds = seconds if isinstance(seconds, tuple) else (float(seconds),)
            name = "abcdefgh"[index] if index < len("abcdefgh") else str(index)
            jobs.append(Job(name, index, index, seconds, pending=len(needs), **fields))
            for need in needs:
                successors[need].append(index)
        pairs = zip(jobs, successors, strict=True)
        linked = [msgspec.structs.replace(job, successors=tuple(indexes)) for job, indexes in pairs]
        return Workload(tuple(linked), pools or {}, Overhead(**overhead), ranked)


@pytest.fixture
def hand(recording):
    return Hand(recording)
