"""Recorded run: the ordered events of a run, together with the graph that was run.

Displays, traces and comparisons use no other source. All times are seconds from the start of the run. A run that was
resumed has several parts; they are laid end to end, without the time between them.
"""

import functools
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from taskrunner.analysis.attempts import (
    ALLOWED,
    ASYNC,
    CACHED,
    COMMAND,
    DONE,
    FAILED,
    OFFLOADED,
    RETRIED,
    WORKER,
    Attempt,
    is_offloaded,
)
from taskrunner.errors import GraphError, TaskrunnerError
from taskrunner.events.reader import read_events
from taskrunner.events.types import (
    EVENT_LOOP,
    AttemptEvent,
    Event,
    GilSwitchedOn,
    NodeDone,
    NodeFailed,
    NodeRetry,
    NodeSkipped,
    NodeTimeout,
    RunDone,
    RunStart,
    RunWarning,
)
from taskrunner.graph.dag import Dag, Vertex
from taskrunner.graph.graph import Graph
from taskrunner.storage.history import PastRun, past_run
from taskrunner.storage.run_directory import find_run, read_graph


class RecordedRun:
    """One run.

    - ``attempts``: all attempts, in the order of their starts.
    - ``dag``: the linked graph, or None if the graph cannot be linked.
    - ``state``: one of the states in ``storage.history``.
    - ``start``: the start event of the last part; ``done``: the end event of that part, or None if it has no end.
    - ``parts``: the times at which the run began and was resumed; ``wall_s``: the time at which it ended.
    - ``alerts``: the warnings. These events have no time, so each is paired with the latest end of an earlier attempt.
    - ``gil_module``: the module that switched the GIL on; "" if the GIL was on from the start or the module is unknown;
      None if no event reported it. ``gil_node``: the node that imported the module, or "".
    """

    def __init__(self, past: PastRun, events: Iterable[Event], dag: Dag | None, directory: Path | None = None) -> None:
        self.id = past.run
        self.state = past.state
        self.past = past
        self.directory = directory
        self.dag = dag
        self.skipped: dict[str, NodeSkipped] = {}
        self.warnings: list[str] = []
        self.alerts: list[tuple[float, RunWarning | GilSwitchedOn]] = []
        self.gil_module: str | None = None
        self.gil_node = ""
        self.starts: list[RunStart] = []
        self.done: RunDone | None = None
        self.parts: list[float] = []
        self.wall_s = 0.0
        self.attempts: list[Attempt] = []
        self._timeout: NodeTimeout | None = None
        for event in events:
            self._add_event(event)
        self.attempts.sort(key=lambda attempt: (attempt.started, attempt.ended, attempt.node))

    @property
    def start(self) -> RunStart:
        """The start event of the run, or of its last part."""
        return self.starts[-1]

    @property
    def name(self) -> str:
        """The name of the graph."""
        return self.start.graph

    @functools.cached_property
    def last(self) -> dict[str, Attempt]:
        """The final attempt of each executed node; a node that was interrupted before its final attempt has none."""
        return {a.node: a for a in self.attempts if a.state != RETRIED}

    @property
    def has_gil(self) -> bool:
        """Whether the GIL was on, from the start or later."""
        return self.start.gil or self.gil_module is not None or (self.done is not None and self.done.gil)

    @functools.cached_property
    def workers(self) -> int:
        """The maximum number of workers at any time; the parts of a resumed run may have different numbers."""
        return max([*[start.workers for start in self.starts], *[a.worker + 1 for a in self.attempts]], default=0)

    @functools.cached_property
    def by_node(self) -> dict[str, list[Attempt]]:
        """All attempts of each executed node."""
        attempts: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            attempts.setdefault(attempt.node, []).append(attempt)
        return attempts

    @functools.cached_property
    def spent(self) -> dict[str, float]:
        """The total seconds of all attempts of each executed node."""
        return {node: sum([attempt.ran_s for attempt in attempts]) for node, attempts in self.by_node.items()}

    @functools.cached_property
    def children(self) -> dict[str, list[str]]:
        """The executed children of each mapped node, by their numbers."""
        numbered: dict[str, list[tuple[int, str]]] = {}
        for attempt in self.last.values():
            if attempt.child >= 0:
                numbered.setdefault(attempt.node.rpartition("[")[0], []).append((attempt.child, attempt.node))
        return {mapped: [node for _, node in sorted(pairs)] for mapped, pairs in numbered.items()}

    def vertex(self, attempt: Attempt) -> Vertex | None:
        """Return the vertex of an attempt's node; that of a child is the vertex of its mapped node."""
        return self.dag.vertices[attempt.vertex] if self.dag is not None and attempt.vertex >= 0 else None

    def state_of(self, node: str) -> str:
        """Return the final state of a node: the state of an attempt, ``skipped``, or "" if it did not end."""
        if node in self.last:
            return self.last[node].state
        return "skipped" if node in self.skipped else ""

    def needs(self, node: str) -> Sequence[str]:
        """Return the dependencies of a node; the end of a mapped node depends on its children."""
        if self.dag is None:
            return ()
        if node in self.children:
            return self.children[node]
        index = self.dag.index.get(node)
        if index is None:
            index = self.dag.index.get(node.rpartition("[")[0])
        return () if index is None else [self.dag.vertices[i].id for i in self.dag.vertices[index].predecessors]

    def released_by(self, attempt: Attempt) -> Attempt | None:
        """Return the attempt that made an attempt's node ready: the dependency that ended last.

        Return None for a node without dependencies, and for a retry, which becomes ready after a delay.
        """
        if attempt.event.attempt > 1:
            return None
        return max(self.awaited(attempt), key=lambda a: (a.ended, a.node), default=None)

    def awaited(self, attempt: Attempt) -> list[Attempt]:
        """Return the final attempts of the dependencies of an attempt's node, as of the end of that attempt."""
        attempts = []
        for dependency in self.needs(attempt.node):
            last = self.last.get(dependency)
            if last is not None and last.ended > attempt.ended:  # a resumed run reran the dependency later
                last = self._last_before(dependency, attempt.ended)
            if last is not None:
                attempts.append(last)
        return attempts

    def _last_before(self, node: str, time: float) -> Attempt | None:
        """Return the last final attempt of a node that had ended at a time."""
        ends = [end for end in self.by_node[node] if end.state != RETRIED and end.ended <= time]
        return ends[-1] if ends else None

    def stolen_from(self, attempt: Attempt) -> int | None:
        """Return the worker that had made the node of a stolen attempt ready.

        Return None if that worker is unknown, or if the node was stolen back by it.
        """
        if attempt.child >= 0:
            source = self._expanders.get(attempt.vertex)
        else:
            released = self.released_by(attempt)
            source = None if released is None or released.worker == EVENT_LOOP else released.worker
        return None if source == attempt.worker else source

    @functools.cached_property
    def _expanders(self) -> dict[int, int]:
        """The worker that expanded each mapped vertex: children that were not stolen ran on that worker."""
        return {
            attempt.vertex: attempt.worker
            for attempt in self.attempts
            if attempt.child >= 0 and not attempt.event.stolen and attempt.worker != EVENT_LOOP
        }

    @functools.cached_property
    def critical_path(self) -> tuple[float, tuple[str, ...]]:
        """The seconds and the nodes of the longest chain; it also contains the slowest child of each mapped node.

        The duration of a retried node is the time from its first start to its last end, as in the summary of a run.
        """
        if self.dag is None:
            return 0.0, ()
        slowest = {m: max(kids, key=lambda kid: self._elapsed[kid]) for m, kids in self.children.items()}
        weights = [
            self._elapsed.get(v.id, 0.0) + self._elapsed.get(slowest.get(v.id, ""), 0.0) for v in self.dag.vertices
        ]
        length, path = self.dag.critical_path(weights)
        pairs = itertools.chain.from_iterable((slowest.get(v.id, ""), v.id) for v in path)
        return length, tuple([node for node in pairs if node in self.spent])

    @functools.cached_property
    def _elapsed(self) -> dict[str, float]:
        """The seconds of all attempts of each executed node, with the delays between them."""
        elapsed = dict(self.spent)
        for node, attempts in self.by_node.items():
            for earlier, later in itertools.pairwise(attempts):
                if earlier.state == RETRIED and later.event.attempt > 1:  # not the first attempt of a later part
                    elapsed[node] += later.started - earlier.ended
        return elapsed

    def _add_event(self, event: Event) -> None:
        """Add an event; each part begins at the end of the previous part."""
        if isinstance(event, RunStart):
            self.starts.append(event)
            self.parts.append(self.wall_s)
            self.done = None
        elif isinstance(event, RunDone):
            self.done = event
            self.wall_s = max(self.wall_s, self.parts[-1] + event.wall_s)
        elif isinstance(event, AttemptEvent):
            self._add_attempt(event)
        elif isinstance(event, NodeSkipped):
            self.skipped[event.node] = event
        elif isinstance(event, NodeTimeout):
            self._timeout = event
        elif isinstance(event, GilSwitchedOn):
            self.gil_module, self.gil_node = event.module, event.node
            self.alerts.append((self.wall_s, event))
        elif isinstance(event, RunWarning):
            self.warnings.append(event.message)
            self.alerts.append((self.wall_s, event))

    def _add_attempt(self, event: AttemptEvent) -> None:
        started = self.parts[-1] + event.started_at
        ended = started + event.ran_s
        vertex, child = self._locate(event.node)
        latest, self._timeout = self._timeout, None
        timeout = latest if latest is not None and latest.node == event.node else None
        ready = started - event.queued_s
        attempt = Attempt(event.node, vertex, child, event.worker, ready, started, ended, _state(event), event, timeout)
        self.attempts.append(attempt)
        self.skipped.pop(event.node, None)  # a resumed run executed the node later
        self.wall_s = max(self.wall_s, ended)

    def _locate(self, node: str) -> tuple[int, int]:
        """Return the index of a node's vertex and the number of the node as a child; each is -1 if there is none."""
        index = self.dag.index if self.dag is not None else {}
        if node in index:
            return index[node], -1
        mapped, _, number = node.rpartition("[")
        digits = number.removesuffix("]")
        return index.get(mapped, -1), int(digits) if mapped and digits.isdecimal() else -1


def load_run(runs: Path, name: str) -> RecordedRun:
    """Read a run of a directory by its id, a unique prefix of the id, ``last``, or ``last~1``.

    Raises:
        UsageError: there is no such run, or more than one.
        TaskrunnerError: the files of the run cannot be read, or do not record a run.

    """
    directory = runs / find_run(runs, name)
    events = read_events(directory / "events.jsonl")
    if not events or not isinstance(events[0], RunStart):
        raise TaskrunnerError(f"{directory / 'events.jsonl'} does not record a run: was its log level above info?")
    return RecordedRun(past_run(directory), events, _link_graph(directory), directory)


def kind_of(run: RecordedRun, attempt: Attempt) -> str:
    """Return the kind of an attempt: WORKER for a call on a worker, else ASYNC, COMMAND or OFFLOADED."""
    if not is_offloaded(attempt):
        return WORKER
    vertex = run.vertex(attempt)
    if vertex is None:
        return OFFLOADED
    return ASYNC if vertex.call else COMMAND


def _link_graph(directory: Path) -> Dag | None:
    """Link the graph that was run; return None if that is impossible."""
    try:
        stored = read_graph(directory)
        return Graph.decode(stored.graph, "json", "graph.json").link(stored.params, complete=False)
    except (GraphError, TaskrunnerError):
        return None


def _state(event: AttemptEvent) -> str:
    if isinstance(event, NodeDone):
        return CACHED if event.cached else DONE
    if isinstance(event, NodeRetry):
        return RETRIED
    return ALLOWED if isinstance(event, NodeFailed) and event.allowed else FAILED
