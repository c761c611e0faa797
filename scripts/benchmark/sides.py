"""The sides: ways to run the same graph of functions with so many workers.

A side prepares a job once, runs it many times, and reads what a run gave. Only the run is timed.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any

import taskrunner
from benchmark.job import Job, noting
from benchmark.shapes import Needs


class WrongResultError(Exception):
    """A side did not run every node once, with the right inputs, or gave a wrong result."""


@dataclass(frozen=True)
class Read:
    """What a run gave: the results of the sinks, and the seconds of the run proper where they are known."""

    values: list[Any]
    run_s: float | None = None


@dataclass(frozen=True)
class Prepared:
    """A job that is ready to be run: only ``run`` is timed."""

    run: Callable[[], Any]
    read: Callable[[Any], Read]


@dataclass(frozen=True)
class Kind:
    """A way to run graphs, and where it makes sense."""

    prepare: Callable[[Job, int], Prepared]
    threaded: bool = True
    needs_module: str = ""
    shapes: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()
    hands_on: bool = True
    most_nodes: int = 1_000_000

    @property
    def is_there(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs_module or find_spec(self.needs_module) is not None


@dataclass(frozen=True)
class Side:
    """A kind with a number of workers."""

    kind: str
    workers: int

    @property
    def name(self) -> str:
        """``serial``, or a kind and its workers."""
        return f"{self.kind} {self.workers}" if KINDS[self.kind].threaded else self.kind

    @property
    def most_nodes(self) -> int:
        """How many nodes it can run in a time that one can wait for."""
        return KINDS[self.kind].most_nodes

    def suits(self, shape: str, body: str) -> bool:
        """Say whether it can run this shape, and whether that would tell anything with this body."""
        kind = KINDS[self.kind]
        return (not kind.shapes or shape in kind.shapes) and (not kind.bodies or body in kind.bodies)

    def prepare(self, job: Job) -> Prepared:
        """Do what has to be done once for a job."""
        return KINDS[self.kind].prepare(job, self.workers)

    def check(self, needs: Needs) -> int:
        """Run a graph that notes what ran; return how many nodes did.

        Raises:
            WrongResultError: not every node ran once, with the results of those that it needs.

        """
        job, log = noting(needs)
        prepared = self.prepare(job)
        values = prepared.read(prepared.run()).values
        hands_on = KINDS[self.kind].hands_on
        expected = [(node, tuple(needed) if hands_on else ()) for node, needed in enumerate(needs)]
        if sorted(log) != expected or values != job.sinks:
            raise WrongResultError(f"{self.name} did not run every node once with the results that it needs")
        return len(log)


def serial(job: Job, _workers: int) -> Prepared:
    """Prepare a plain loop in an order in which the nodes can run."""

    def run() -> list[Any]:
        values: list[Any] = []
        for function, needed in zip(job.functions, job.needs, strict=True):
            values.append(function(*[values[i] for i in needed]))
        return values

    return Prepared(run, _sinks_of(job))


def bare(job: Job, workers: int) -> Prepared:
    """Bare threads, the calls split by hand, nothing handed on: as much as the machine can do."""
    values: list[Any] = [None] * len(job.functions)

    def work(nodes: range) -> None:
        for node in nodes:
            values[node] = job.functions[node]()

    def run() -> list[Any]:
        nodes = range(len(job.functions))
        team = [threading.Thread(target=work, args=(nodes[i::workers],)) for i in range(workers)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
        return values

    return Prepared(run, _sinks_of(job))


def runner(job: Job, workers: int) -> Prepared:
    """``taskrunner.run`` on a graph that is loaded."""
    graph = job.graph()
    return Prepared(lambda: taskrunner.run(graph, workers=workers), _reader(job, workers))


def again(job: Job, workers: int) -> Prepared:
    """Prepare the same in a directory where it ran before: with events, journal, and the critical path first."""
    graph = job.graph()
    folder = tempfile.TemporaryDirectory()
    return Prepared(lambda: taskrunner.run(graph, workers=workers, run_dir=folder.name), _reader(job, workers))


def _reader(job: Job, workers: int) -> Callable[[taskrunner.RunResult], Read]:
    names = [job.names[i] for i in job.sinks]

    def read(result: taskrunner.RunResult) -> Read:
        if not result.ok or result.summary.done != len(job.names):
            raise WrongResultError(f"taskrunner {workers}: {result.failures or result.summary}")
        return Read([result.outputs[name] for name in names], result.summary.wall_s)

    return read


def graphlib(job: Job, workers: int) -> Prepared:
    """Prepare the sorter and the thread pool of the standard library, joined by hand.

    Of three ways to write it this was the fastest: the workers queue the numbers of the nodes that are
    done. Callbacks of futures, or ``wait(FIRST_COMPLETED)``, cost more on wide graphs. A sorter serves
    once, so making it is part of every run.
    """

    def run() -> list[Any]:
        values: list[Any] = [None] * len(job.functions)
        done: SimpleQueue[int] = SimpleQueue()

        def work(node: int) -> None:
            try:
                values[node] = job.functions[node](*[values[i] for i in job.needs[node]])
            finally:
                done.put(node)

        sorter = TopologicalSorter(dict(enumerate(job.needs)))
        sorter.prepare()
        with ThreadPoolExecutor(workers) as pool:
            while sorter.is_active():
                for node in sorter.get_ready():
                    pool.submit(work, node)
                sorter.done(done.get())
        return values

    return Prepared(run, _sinks_of(job))


def dask(job: Job, workers: int) -> Prepared:
    """Dask's threaded scheduler on a plain dict; it keeps its threads from run to run."""
    get = import_module("dask.threaded").get
    columns = zip(job.names, job.functions, job.needs, strict=True)
    graph = {name: (function, *[job.names[i] for i in needed]) for name, function, needed in columns}
    keys = [job.names[i] for i in job.sinks]
    return Prepared(lambda: get(graph, keys, num_workers=workers), lambda values: Read(list(values)))


def joblib(job: Job, workers: int) -> Prepared:
    """Joblib's threads: no dependencies, so for independent nodes only."""
    peer = import_module("joblib")

    def run() -> Any:
        return peer.Parallel(n_jobs=workers, prefer="threads")(peer.delayed(f)() for f in job.functions)

    return Prepared(run, Read)


def _sinks_of(job: Job) -> Callable[[list[Any]], Read]:
    return lambda values: Read([values[i] for i in job.sinks])


KINDS = {
    "serial": Kind(serial, threaded=False),
    "bare": Kind(bare, shapes=("wide", "layered"), bodies=("fib10", "fib20", "fib35"), hands_on=False),
    "taskrunner": Kind(runner),
    "again": Kind(again, shapes=("recorded",)),
    "graphlib": Kind(graphlib),
    "dask": Kind(dask, needs_module="dask", most_nodes=500),
    "joblib": Kind(joblib, needs_module="joblib", shapes=("wide",)),
}


def sides(kinds: Sequence[str], workers: Sequence[int]) -> list[Side]:
    """Return the sides of these kinds that are installed, each with every number of workers."""
    there = [name for name in kinds if KINDS[name].is_there]
    return [Side(name, k) for name in there for k in (workers if KINDS[name].threaded else (1,))]


def missing(kinds: Sequence[str]) -> list[str]:
    """Return the kinds that need something that is not installed."""
    return [name for name in kinds if not KINDS[name].is_there]
