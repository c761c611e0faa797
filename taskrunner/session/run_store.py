"""What a run keeps on disk while it runs, and what a resumed run finds there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taskrunner.errors import GraphError, TaskrunnerError, UsageError
from taskrunner.events.types import RunResumed
from taskrunner.graph.graph import Graph
from taskrunner.plan.ordering import ranks
from taskrunner.plan.plan import Plan
from taskrunner.plan.resume import Resumption, resume
from taskrunner.safe.reprs import to_json
from taskrunner.storage.journal import Journal, lock_file, read, tombstone
from taskrunner.storage.redaction import redact, restore_secrets
from taskrunner.storage.run_directory import RunDirectory, find_run, new_run_id, read_graph
from taskrunner.storage.timings import durations, selected


class RunStore:
    """The folder and the journal of a run, a new one or (with ``resumed``) one that goes on.

    Raises:
        TaskrunnerError: the folder cannot be written, or another process runs in it.
        UsageError: there is no such run.

    """

    def __init__(self, runs: Path, resumed: str, *, journaled: bool, fsync: bool) -> None:
        if resumed and not journaled:
            raise UsageError("a run cannot be resumed without a journal")
        self.is_resumed = bool(resumed)
        self.directory = RunDirectory(runs, find_run(runs, resumed) if resumed else new_run_id())
        self._held = lock_file(self.directory.events)  # whether the run goes on can be told without a journal as well
        if resumed:
            _cut_torn_line(self.directory.events, self._held)
        try:
            self.journal = Journal(self.directory.journal, fsync=fsync) if journaled else None
        except TaskrunnerError:
            os.close(self._held)
            raise
        # The seconds that an earlier run's nodes took, of those that are to run.
        self.expected: dict[str, float] = {}

    def store_graph(self, graph: Graph, params: Mapping[str, Any], plan: Plan) -> list[RunResumed]:
        """Write the graph; in a resumed run take what has finished as finished, and say so.

        If an earlier run has told how long the nodes take, those on the critical path go first.

        Raises:
            TaskrunnerError: the earlier graph cannot be read.

        """
        text = graph.json_text or to_json(graph.file)  # what was made in Python becomes its repr
        told = []
        if self.is_resumed:
            found = self._resume(graph, text, params, plan)
            told.append(RunResumed(plan.restored, found.changed, found.unstored))
        self.directory.write_graph(redact(text, params, plan.dag))
        if seconds := durations(self.directory.path.parent, graph.name):
            plan.apply_ranks(ranks(plan.dag, seconds))
            self.expected = selected(seconds, {task.id for task in plan.tasks})
        return told

    def close(self) -> None:
        """Close the journal, and let others have the folder."""
        if self.journal:
            self.journal.close()
        os.close(self._held)

    def _resume(self, graph: Graph, text: bytes, params: Mapping[str, Any], plan: Plan) -> Resumption:
        try:
            kept = restore_secrets(read_graph(self.directory.path), text, {**plan.dag.file.params, **params})
            earlier = Graph.decode(kept.graph, "json", "the earlier graph").link(kept.params)
        except GraphError as error:
            told = "; ".join(str(error).split("\n"))
            raise UsageError(f"run {self.directory.id} cannot be resumed: {told}") from None
        dag = plan.dag if graph.json_text else Graph.decode(text, "json").link(params)
        found = resume(dag, earlier, read(self.directory.journal), plan.outputs)
        if self.journal and found.changed:
            self.journal.append([tombstone(node) for node in found.changed])
        plan.restore(found.results, found.children)
        return found


def _cut_torn_line(path: Path, file: int) -> None:
    """Cut off a last line that a killed process has not finished: the next event would be taken for its end."""
    os.ftruncate(file, path.read_bytes().rfind(b"\n") + 1)
