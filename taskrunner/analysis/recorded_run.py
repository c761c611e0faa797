"""A run as it was recorded: its events, put in order, beside the graph that was run.

Pictures, traces and comparisons are made from this and from nothing else. All times are seconds from the
start of the run. A run that was resumed has several parts; they are laid end to end, without the time between.
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
    """One run. ``attempts`` are in the order of their starts; ``dag`` is None where the graph cannot be linked.

    ``state`` is one of ``run.history``. ``start`` tells of the last part, whose numbers ``done`` has; it is None
    while there is no end. ``parts``: the moments at which the run began and was resumed; ``wall_s``: when it ended.
    ``alerts``: the warnings, each with the end of what had ended last before it: they tell no time themselves.
    """

    def __init__(self, past: PastRun, events: Iterable[Event], dag: Dag | None, folder: Path | None = None) -> None:
        self.id = past.run
        self.state = past.state
        self.past = past
        self.folder = folder
        self.dag = dag
        self.skipped: dict[str, NodeSkipped] = {}
        self.warnings: list[str] = []
        self.alerts: list[tuple[float, RunWarning | GilSwitchedOn]] = []
        self.gil_module: str | None = None  # "": it was on from the start, or nobody knows who did it
        self.gil_node = ""
        self.starts: list[RunStart] = []
        self.done: RunDone | None = None
        self.parts: list[float] = []
        self.wall_s = 0.0
        self.attempts: list[Attempt] = []
        self._timeout: NodeTimeout | None = None
        for event in events:
            self._take(event)
        self.attempts.sort(key=lambda attempt: (attempt.started, attempt.ended, attempt.node))

    @property
    def start(self) -> RunStart:
        """What was known when the run, or its last part, began."""
        return self.starts[-1]

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.start.graph

    @functools.cached_property
    def last(self) -> dict[str, Attempt]:
        """For each node that ran the attempt that it ended with; one that was interrupted before that has none."""
        return {a.node: a for a in self.attempts if a.state != RETRIED}

    @property
    def has_gil(self) -> bool:
        """Whether the GIL was on, from the start or later."""
        return self.start.gil or self.gil_module is not None or (self.done is not None and self.done.gil)

    @functools.cached_property
    def workers(self) -> int:
        """The most workers that there were at a time: a run that went on may have had another number."""
        return max([*[start.workers for start in self.starts], *[a.worker + 1 for a in self.attempts]], default=0)

    @functools.cached_property
    def by_node(self) -> dict[str, list[Attempt]]:
        """For each node that ran all its attempts."""
        found: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            found.setdefault(attempt.node, []).append(attempt)
        return found

    @functools.cached_property
    def spent(self) -> dict[str, float]:
        """For each node that ran the seconds of all its attempts."""
        return {node: sum([attempt.ran_s for attempt in attempts]) for node, attempts in self.by_node.items()}

    @functools.cached_property
    def children(self) -> dict[str, list[str]]:
        """For each mapped node its children that ran, by their numbers."""
        found: dict[str, list[tuple[int, str]]] = {}
        for attempt in self.last.values():
            if attempt.child >= 0:
                found.setdefault(attempt.node.rpartition("[")[0], []).append((attempt.child, attempt.node))
        return {mapped: [node for _, node in sorted(pairs)] for mapped, pairs in found.items()}

    def vertex(self, attempt: Attempt) -> Vertex | None:
        """Return the vertex of an attempt's node; that of a child is its mapped node's."""
        return self.dag.vertices[attempt.vertex] if self.dag is not None and attempt.vertex >= 0 else None

    def state_of(self, node: str) -> str:
        """Return how a node ended: a state of an attempt, ``skipped``, or "": it did not end."""
        if node in self.last:
            return self.last[node].state
        return "skipped" if node in self.skipped else ""

    def needs(self, node: str) -> Sequence[str]:
        """Return what had to end before a node began: of a mapped node's own end, its children."""
        if self.dag is None:
            return ()
        if node in self.children:
            return self.children[node]
        index = self.dag.index.get(node)
        if index is None:
            index = self.dag.index.get(node.rpartition("[")[0])
        return () if index is None else [self.dag.vertices[i].id for i in self.dag.vertices[index].predecessors]

    def released_by(self, attempt: Attempt) -> Attempt | None:
        """Return what ended last of all that an attempt's node needs: that made it ready.

        None for one that needs nothing, and for an attempt after the first, which the clock made ready.
        """
        if attempt.event.attempt > 1:
            return None
        return max(self.awaited(attempt), key=lambda a: (a.ended, a.node), default=None)

    def awaited(self, attempt: Attempt) -> list[Attempt]:
        """Return what an attempt's node had waited for: how each node that it needs had ended by then."""
        found = []
        for need in self.needs(attempt.node):
            last = self.last.get(need)
            if last is not None and last.ended > attempt.ended:  # a resumed run has run it again since
                last = self._last_before(need, attempt.ended)
            if last is not None:
                found.append(last)
        return found

    def _last_before(self, node: str, moment: float) -> Attempt | None:
        """Return the last attempt that a node had ended with by then."""
        ends = [end for end in self.by_node[node] if end.state != RETRIED and end.ended <= moment]
        return ends[-1] if ends else None

    def stolen_from(self, attempt: Attempt) -> int | None:
        """Return the worker that had made a stolen attempt's node ready; None: nobody knows, or it came back to it."""
        if attempt.child >= 0:
            source = self._makers.get(attempt.vertex)
        else:
            released = self.released_by(attempt)
            source = None if released is None or released.worker == EVENT_LOOP else released.worker
        return None if source == attempt.worker else source

    @functools.cached_property
    def _makers(self) -> dict[int, int]:
        """The worker that expanded each mapped vertex: those of its children that were not stolen ran there."""
        return {
            attempt.vertex: attempt.worker
            for attempt in self.attempts
            if attempt.child >= 0 and not attempt.event.stolen and attempt.worker != EVENT_LOOP
        }

    @functools.cached_property
    def critical_path(self) -> tuple[float, tuple[str, ...]]:
        """The seconds and the nodes of the longest chain by what they took; of a mapped node its slowest child too.

        A node that was tried again takes all from its first start to its last end, as in a run's summary.
        """
        if self.dag is None:
            return 0.0, ()
        slowest = {m: max(kids, key=lambda kid: self._took[kid]) for m, kids in self.children.items()}
        weights = [self._took.get(v.id, 0.0) + self._took.get(slowest.get(v.id, ""), 0.0) for v in self.dag.vertices]
        length, path = self.dag.critical_path(weights)
        pairs = itertools.chain.from_iterable((slowest.get(v.id, ""), v.id) for v in path)
        return length, tuple([node for node in pairs if node in self.spent])

    @functools.cached_property
    def _took(self) -> dict[str, float]:
        """For each node that ran the seconds of all its attempts, with the waits between them."""
        took = dict(self.spent)
        for node, attempts in self.by_node.items():
            for before, after in itertools.pairwise(attempts):
                if before.state == RETRIED and after.event.attempt > 1:  # not one of a later part
                    took[node] += after.started - before.ended
        return took

    def _take(self, event: Event) -> None:
        """Take one event; those of a later part begin where the part before it ended."""
        if isinstance(event, RunStart):
            self.starts.append(event)
            self.parts.append(self.wall_s)
            self.done = None
        elif isinstance(event, RunDone):
            self.done = event
            self.wall_s = max(self.wall_s, self.parts[-1] + event.wall_s)
        elif isinstance(event, AttemptEvent):
            self._take_attempt(event)
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

    def _take_attempt(self, event: AttemptEvent) -> None:
        started = self.parts[-1] + event.started_at
        ended = started + event.ran_s
        vertex, child = self._place(event.node)
        told, self._timeout = self._timeout, None
        timeout = told if told is not None and told.node == event.node else None
        ready = started - event.queued_s
        attempt = Attempt(event.node, vertex, child, event.worker, ready, started, ended, _state(event), event, timeout)
        self.attempts.append(attempt)
        self.skipped.pop(event.node, None)  # a resumed run has run it after all
        self.wall_s = max(self.wall_s, ended)

    def _place(self, node: str) -> tuple[int, int]:
        """Return the index of a node's vertex and the number that it has as a child; -1: none."""
        index = self.dag.index if self.dag is not None else {}
        if node in index:
            return index[node], -1
        mapped, _, number = node.rpartition("[")
        digits = number.removesuffix("]")
        return index.get(mapped, -1), int(digits) if mapped and digits.isdecimal() else -1


def load_run(runs: Path, name: str) -> RecordedRun:
    """Read a run of a directory: by its id, by a unique start of it, ``last``, or ``last~1``.

    Raises:
        UsageError: there is no such run, or more than one.
        TaskrunnerError: what it has left cannot be read, or tells nothing.

    """
    folder = runs / find_run(runs, name)
    events = read_events(folder / "events.jsonl")
    if not events or not isinstance(events[0], RunStart):
        raise TaskrunnerError(f"{folder / 'events.jsonl'} tells nothing of a run: was its log level above info?")
    return RecordedRun(past_run(folder), events, _dag(folder), folder)


def _dag(folder: Path) -> Dag | None:
    """Link the graph as it was run."""
    try:
        kept = read_graph(folder)
        return Graph.decode(kept.graph, "json", "graph.json").link(kept.params, complete=False)
    except (GraphError, TaskrunnerError):
        return None


def _state(event: AttemptEvent) -> str:
    if isinstance(event, NodeDone):
        return CACHED if event.cached else DONE
    if isinstance(event, NodeRetry):
        return RETRIED
    return ALLOWED if isinstance(event, NodeFailed) and event.allowed else FAILED


def kind_of(run: RecordedRun, attempt: Attempt) -> str:
    """Return the kind of an attempt: of a call WORKER, of what waits on the event loop one of the others."""
    if not is_offloaded(attempt):
        return WORKER
    vertex = run.vertex(attempt)
    if vertex is None:
        return OFFLOADED
    return ASYNC if vertex.call else COMMAND
