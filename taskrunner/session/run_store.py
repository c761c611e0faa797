"""Run store: the directory and the journal of a run, new or resumed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taskrunner.errors import GraphError, TaskrunnerError, UsageError
from taskrunner.events.types import RunResumed
from taskrunner.graph.graph import Graph
from taskrunner.plan.ordering import ranks
from taskrunner.plan.plan import Plan
from taskrunner.plan.resume import Resumption, resume
from taskrunner.safe.reprs import to_json
from taskrunner.session.options import RunOptions
from taskrunner.storage.journal import Journal, lock_file, read, tombstone
from taskrunner.storage.redaction import redact, restore_secrets
from taskrunner.storage.run_directory import RunDirectory, find_run, new_run_id, read_graph
from taskrunner.storage.timings import durations, selected


@contextmanager
def open_run_store(graph: Graph, options: RunOptions, plan: Plan) -> "Iterator[RunStore | None]":
    """Yield the store of a run, with the graph written and earlier results restored; None without ``run_dir``.

    Raises:
        TaskrunnerError: the directory cannot be written, or another process runs in it.
        UsageError: there is no such run, or it cannot be resumed.

    """
    if options.run_dir is None:
        yield None
        return
    store = RunStore(Path(options.run_dir), options.resume, journaled=options.journal, fsync=options.fsync)
    try:
        store.store_graph(graph, options.params or {}, plan)
        yield store
    finally:
        store.close()


class RunStore:
    """The directory and the journal of a run: a new one, or the one that ``resumed`` names.

    ``first_events`` report the resume, if there is one. ``expected`` are the durations in seconds, by node, that
    an earlier run of the graph recorded.

    Raises:
        TaskrunnerError: the directory cannot be written, or another process runs in it.
        UsageError: there is no such run.

    """

    def __init__(self, runs: Path, resumed: str, *, journaled: bool, fsync: bool) -> None:
        self.is_resumed = bool(resumed)
        self.directory = RunDirectory(runs, find_run(runs, resumed) if resumed else new_run_id())
        self.first_events: list[RunResumed] = []
        self.expected: dict[str, float] = {}
        self._lock = lock_file(self.directory.events)  # shows that the run is active, also without a journal
        if resumed:
            _cut_torn_line(self.directory.events, self._lock)
        try:
            self.journal = Journal(self.directory.journal, fsync=fsync) if journaled else None
        except TaskrunnerError:
            os.close(self._lock)
            raise

    def store_graph(self, graph: Graph, params: Mapping[str, Any], plan: Plan) -> None:
        """Write the graph. In a resumed run, restore the results of finished nodes first.

        With durations from an earlier run, the nodes of the critical path start first.

        Raises:
            UsageError: the earlier graph cannot be read.

        """
        text = graph.json_text or to_json(graph.file)  # a value built in Python becomes its repr
        if self.is_resumed:
            resumption = self._resume(graph, text, params, plan)
            self.first_events.append(RunResumed(plan.restored, resumption.changed, resumption.unstored))
        self.directory.write_graph(redact(text, params, plan.dag))
        if seconds := durations(self.directory.path.parent, graph.name):
            plan.apply_ranks(ranks(plan.dag, seconds))
            self.expected = selected(seconds, {task.id for task in plan.tasks})

    def close(self) -> None:
        """Close the journal and unlock the directory."""
        if self.journal:
            self.journal.close()
        os.close(self._lock)

    def _resume(self, graph: Graph, text: bytes, params: Mapping[str, Any], plan: Plan) -> Resumption:
        try:
            stored = restore_secrets(read_graph(self.directory.path), text, {**plan.dag.file.params, **params})
            earlier = Graph.decode(stored.graph, "json", "the earlier graph").link(stored.params)
        except GraphError as error:
            problems = "; ".join(str(error).split("\n"))
            raise UsageError(f"run {self.directory.id} cannot be resumed: {problems}") from None
        dag = plan.dag if graph.json_text else Graph.decode(text, "json").link(params)
        resumption = resume(dag, earlier, read(self.directory.journal), plan.outputs)
        if self.journal and resumption.changed:
            self.journal.append([tombstone(node) for node in resumption.changed])
        plan.restore(resumption.results, resumption.children)
        return resumption


def _cut_torn_line(path: Path, file: int) -> None:
    """Cut off a last line that a killed process left unfinished, so that the next event starts a line."""
    os.ftruncate(file, path.read_bytes().rfind(b"\n") + 1)
