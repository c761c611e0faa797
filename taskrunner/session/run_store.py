"""Run store: the directory and the journal of a run, new or resumed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from taskrunner.errors import GraphError, TaskrunnerError, UsageError
from taskrunner.events.types import RunResumed
from taskrunner.graph.dag import Dag
from taskrunner.graph.graph import Graph, is_importable
from taskrunner.plan.ordering import ranks
from taskrunner.plan.plan import Plan
from taskrunner.plan.resume import EarlierRun, Resumption, resume, unchanged_nodes
from taskrunner.reuse import constants
from taskrunner.reuse.constants import ConstantDigests, constant_digests, is_json, read_constants
from taskrunner.safe.reprs import to_json
from taskrunner.session.options import RunOptions
from taskrunner.storage import origin
from taskrunner.storage.journal import Entry, Journal, check_unlocked, lock_file, read_contents, tombstone
from taskrunner.storage.origin import Origin
from taskrunner.storage.redaction import redact, restore_secrets
from taskrunner.storage.run_directory import (
    RunDirectory,
    check_writable,
    events_of,
    journal_of,
    new_run_id,
    read_graph,
)
from taskrunner.storage.timings import durations, selected


@contextmanager
def open_run_store(graph: Graph, options: RunOptions, plan: Plan) -> "Iterator[RunStore | None]":
    """Yield the store of a run, with the graph written and earlier results restored; None without ``run_dir``.

    Raises:
        TaskrunnerError: the directory cannot be written.
        UsageError: there is no such run, it cannot be resumed, or another process runs in it.

    """
    if options.run_dir is None:
        yield None
        return
    runs = Path(options.run_dir)
    own_origin = origin.origin_of(graph.name, graph.source, runs)
    run_id = _find_resumed(runs, options.resume, own_origin, plan) if options.resume else new_run_id()
    directory = RunDirectory(runs, run_id)
    store = RunStore(directory, own_origin, is_resumed=bool(options.resume), options=options)
    try:
        store.store_graph(graph, options.params or {}, plan)
        yield store
    finally:
        store.close()


def read_resumption(graph: Graph, options: RunOptions, plan: Plan) -> Resumption | None:
    """Return the part of an earlier run that a run with these options restores, if they name one; write nothing.

    Raises:
        TaskrunnerError: the directory of runs cannot be written.
        UsageError: there is no such run, it cannot be resumed, or another process runs in it.

    """
    if options.run_dir is None:
        return None
    runs = Path(options.run_dir)
    if not options.resume:
        check_writable(runs)
        return None
    own_origin = origin.origin_of(graph.name, graph.source, runs)
    directory = runs / _find_resumed(runs, options.resume, own_origin, plan)
    check_writable(directory)
    for file in (events_of(directory), journal_of(directory)):
        check_unlocked(file)
    return _Resume(directory, own_origin, graph, options.params or {}, plan).resumption()


def _find_resumed(runs: Path, name: str, own_origin: Origin, plan: Plan) -> str:
    """Return the id of the run to resume, which is a run of the same graph."""
    run_id = origin.find_run_of(runs, name, own_origin, plan.dag.index)
    origin.check_run(runs / run_id, own_origin, plan.dag.index)
    return run_id


class RunStore:
    """The directory and the journal of a run, a new or a resumed one.

    ``first_events`` report the resume, if there is one. ``expected`` are the durations in seconds, by node, that
    an earlier run of the graph recorded.

    Raises:
        TaskrunnerError: the directory cannot be written.
        UsageError: another process runs in it.

    """

    def __init__(self, directory: RunDirectory, origin: Origin, *, is_resumed: bool, options: RunOptions) -> None:
        self.is_resumed = is_resumed
        self.directory = directory
        self.first_events: list[RunResumed] = []
        self.expected: dict[str, float] = {}
        self._origin = origin
        self._lock = lock_file(self.directory.events)  # shows that the run is active, also without a journal
        if is_resumed:
            _cut_torn_line(self.directory.events, self._lock)
        try:
            self.journal = Journal(self.directory.journal, fsync=options.fsync) if options.journal else None
        except TaskrunnerError:
            os.close(self._lock)
            raise

    def store_graph(self, graph: Graph, params: Mapping[str, Any], plan: Plan) -> None:
        """Write the graph. In a resumed run, restore the results of finished nodes first.

        With durations from an earlier run, the nodes of the critical path start first.

        Raises:
            UsageError: the earlier graph cannot be read.

        """
        earlier = _Resume(self.directory.path, self._origin, graph, params, plan)
        text, digests = earlier.text, earlier.digests
        if self.is_resumed:
            resumption = earlier.resumption()
            if self.journal and resumption.dropped:
                # On disk before the new graph, which the dropped results would otherwise seem to belong to.
                self.journal.append_synced([tombstone(node) for node in resumption.dropped])
            plan.restore(resumption.results, resumption.children)
            self.first_events.append(RunResumed(plan.restored, resumption.changed, resumption.unstored))
        self.directory.write_json(constants.FILE_NAME, digests if digests.nodes else None)
        self.directory.write_json(origin.FILE_NAME, self._origin)
        self.directory.write_graph(redact(text, params, plan.dag))
        if seconds := durations(self.directory.path.parent, graph.name):
            plan.apply_ranks(ranks(plan.dag, seconds))
            self.expected = selected(seconds, {task.id for task in plan.tasks})

    def close(self) -> None:
        """Close the journal and unlock the directory."""
        if self.journal:
            self.journal.close()
        os.close(self._lock)


class _Resume:
    """The graph of a plan beside the run in a run directory, which the plan may resume. It writes nothing.

    ``text`` is the graph as JSON, in which a value built in Python is its repr. ``digests`` are those of the constants
    that this form cannot express.
    """

    def __init__(
        self, directory: Path, own_origin: Origin, graph: Graph, params: Mapping[str, Any], plan: Plan
    ) -> None:
        self.text = graph.json_text or to_json(graph.file)
        self.digests = _digests(graph, params, plan.dag, directory)
        self._directory = directory
        self._origin = own_origin
        self._graph = graph
        self._params = params
        self._plan = plan

    def resumption(self) -> Resumption:
        """Return the part of the run in the directory that a run of the plan restores.

        Raises:
            UsageError: the earlier graph cannot be read.

        """
        plan = self._plan
        earlier = EarlierRun(read_contents(journal_of(self._directory)), self._unchanged(), _is_current)
        return resume(plan.dag, earlier, plan.outputs, {task.vertex.index for task in plan.tasks})

    def _unchanged(self) -> set[int]:
        """Return the indexes of the nodes that the earlier run defined in the same way."""
        directory, params, dag, text = self._directory, self._params, self._plan.dag, self.text
        if not origin.is_same_directory(directory.parent, origin.read_origin(directory), self._origin):
            return set()
        # Both graphs are compared in the form of JSON; the digests compare what that form cannot express.
        values = msgspec.json.decode(to_json(params), type=dict[str, Any])
        has_text = self._graph.json_text and is_json(params.values())
        try:
            stored = restore_secrets(read_graph(directory), text, {**Graph.decode(text, "json").head.params, **values})
            earlier = Graph.decode(stored.graph, "json", "the earlier graph").link(stored.params)
            current = dag if has_text else Graph.decode(text, "json").link(values)
        except GraphError as error:
            problems = "; ".join(str(error).split("\n"))
            raise UsageError(f"run {directory.name} cannot be resumed: {problems}") from None
        changed = self.digests.changed(read_constants(directory))
        return {index for index in unchanged_nodes(current, earlier) if dag.vertices[index].id not in changed}


def _digests(graph: Graph, params: Mapping[str, Any], dag: Dag, directory: Path) -> ConstantDigests:
    """Return the digests of the constants that the stored graph cannot express."""
    salt = read_constants(directory).salt
    if graph.json_text and is_json(params.values()):
        return ConstantDigests(salt)
    return constant_digests(dag, _local_functions(graph, dag), salt)


def _local_functions(graph: Graph, dag: Dag) -> dict[str, str]:
    """Return the nodes whose functions no import finds, each with the fingerprint of its function, or ""."""
    known: dict[tuple[str, int], str | None] = {}
    local: dict[str, str] = {}
    for node, function in graph.functions.items():
        call = dag.vertices[dag.index[node]].call
        key = call, id(function)
        if key not in known:
            known[key] = None if is_importable(call, function) else _fingerprint(function)
        if (fingerprint := known[key]) is not None:
            local[node] = fingerprint
    return local


def _fingerprint(function: Any) -> str:
    from taskrunner.reuse.code_reader import UnknownCodeError  # needed by such graphs alone
    from taskrunner.reuse.fingerprint import fingerprint

    try:
        return fingerprint(function)
    except UnknownCodeError:
        return ""


def _is_current(stored: Entry) -> bool:
    from taskrunner.reuse.declared_files import is_current  # needed by nodes with files alone
    from taskrunner.storage.journal import files_of

    return is_current(files_of(stored))


def _cut_torn_line(path: Path, file: int) -> None:
    """Cut off a last line that a killed process left unfinished, so that the next event starts a line."""
    os.ftruncate(file, path.read_bytes().rfind(b"\n") + 1)
