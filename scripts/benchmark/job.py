"""One graph to run, in the form that every side can read."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import taskrunner
from benchmark import bodies, graphfile
from benchmark.bodies import Body
from benchmark.shapes import Needs, sinks

type Log = list[tuple[int, tuple[Any, ...]]]


@dataclass(frozen=True)
class Job:
    """The nodes' names, what each calls, and whose results it takes.

    ``file`` is the graph file that says the same; without it the graph is built in Python.
    """

    names: Sequence[str]
    functions: Sequence[Callable[..., Any]]
    needs: Needs
    file: bytes = b""

    @cached_property
    def sinks(self) -> list[int]:
        """The nodes that no other node needs: their results are the graph's."""
        return sinks(self.needs)

    def graph(self) -> taskrunner.Graph:
        """Load the file, or build the graph."""
        if not self.file:
            return self._build()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.json"
            path.write_bytes(self.file)
            return taskrunner.load(path)

    def _build(self) -> taskrunner.Graph:
        graph = taskrunner.Graph()
        handles: list[taskrunner.Handle] = []
        for name, function, needed in zip(self.names, self.functions, self.needs, strict=True):
            handles.append(graph.call(function, *[handles[i] for i in needed], id=name))
        return graph


def of_body(body: Body, needs: Needs) -> Job:
    """Return the job in which every node calls the same function."""
    file = "".join(graphfile.lines(needs, body.call)).encode()
    return Job(_names(needs), [body.function] * len(needs), needs, file)


def noting(needs: Needs) -> tuple[Job, Log]:
    """Return a job whose nodes note that they ran and with what, and the log in which they do."""
    log: Log = []
    return Job(_names(needs), [partial(bodies.note, log, node) for node in range(len(needs))], needs), log


def _names(needs: Needs) -> list[str]:
    return [f"n{node}" for node in range(len(needs))]
