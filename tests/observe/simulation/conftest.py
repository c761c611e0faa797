"""Recorded runs and workloads that are written by hand, in whole seconds."""

import json

import msgspec
import pytest

from taskrunner.graph.graph import Graph
from taskrunner.observe.recorded import RecordedRun
from taskrunner.observe.simulation.overhead import Overhead
from taskrunner.observe.simulation.workload import Job, Workload
from taskrunner.run.events import NodeDone, NodeRetry, RunDone, RunStart
from taskrunner.run.history import PastRun


class Hand:
    """What tests write runs and workloads with."""

    start = RunStart("r", "g", 1, 2, "CPython 3.13", True, False, "linux", 1.0, processors=2)  # noqa: FBT003

    @staticmethod
    def done(node, worker=0, started=0.0, ran=1.0, queued=0.0, attempt=1, **fields):
        return NodeDone(node, worker, attempt, queued, ran, False, started, **fields)  # noqa: FBT003

    @staticmethod
    def retry(node, worker=0, started=0.0, ran=1.0, wait=0.0, attempt=1):
        return NodeRetry(node, worker, attempt, 0.0, ran, False, started, "no luck", "", "()", wait_s=wait)  # noqa: FBT003

    @staticmethod
    def end(wall, **fields):
        numbers = {"done": 1, "failed": 0, "skipped": 0, "steals": 0, "critical_path_s": 1.0, "parallelism": 1.0}
        fields = {
            "ok": True,
            "busy": (),
            "critical_path": (),
            "gil": False,
            "peak_memory_bytes": 0,
            **numbers,
            **fields,
        }
        return RunDone(wall_s=wall, **fields)

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
        jobs, after = [], [[] for _ in described]
        for index, (what, *needs) in enumerate(described):
            fields = dict(what) if isinstance(what, dict) else {"seconds": what}
            seconds = fields.pop("seconds")
            seconds = seconds if isinstance(seconds, tuple) else (float(seconds),)
            name = "abcdefgh"[index] if index < len("abcdefgh") else str(index)
            jobs.append(Job(name, index, index, seconds, needs=len(needs), **fields))
            for need in needs:
                after[need].append(index)
        linked = [msgspec.structs.replace(job, after=tuple(ahead)) for job, ahead in zip(jobs, after, strict=True)]
        return Workload(tuple(linked), pools or {}, Overhead(**overhead), ranked)


@pytest.fixture
def hand():
    return Hand()
