"""Run a graph from Python."""

from typing import Unpack

import msgspec

from taskrunner.graph.graph import Graph
from taskrunner.session.options import RunKeywords, RunOptions
from taskrunner.session.result import RunResult
from taskrunner.session.session import Session


def run(graph: Graph, options: RunOptions | None = None, **changes: Unpack[RunKeywords]) -> RunResult:
    """Run a graph and wait until it ends.

    Args:
        graph: the graph to run.
        options: the options of the run; the keyword arguments replace some of them.
        changes: fields of ``RunOptions``, each with its default:

    Options:
        targets: run only these nodes and their dependencies; the results of the targets are the outputs.
        params: values of the graph's parameters.
        allow: patterns, in the syntax of ``fnmatch``, of each ``package.module:name`` that the graph's file may
            call; without patterns, any. Functions passed to ``Graph.call`` are always allowed.
        commands: whether the graph may run commands.
        require_nogil: refuse to run while the GIL is on.
        workers: the number of threads; by default the number of processors that this process may use.
        engine: an engine that runs the nodes, such as ``taskrunner.DaskEngine``; by default, threads of this
            process run them.
        shuffle: a seed that determines which ready node starts first and, with several workers, which nodes can be
            stolen, the order of the victims, and which idle worker wakes up first. With one worker, equal seeds
            give equal runs.
        replay: the run in ``run_dir`` whose start order to repeat, as far as the dependencies allow.
        stop_after: stop after this number of failures; 0: never. Nodes that depend on a failed one are skipped.
        timeout: stop the run after this number of seconds.
        on_interrupt: called by the signal handler when SIGINT or SIGTERM stops the run.
        run_dir: the parent of the run directory that the run creates; by default it creates none.
        journal: store the results of finished nodes in the run's directory.
        fsync: sync each batch of the journal to disk before writing the next one.
        resume: the run in ``run_dir`` to resume: an id, a unique prefix of one, ``last``, or ``last~1``.
        cache_dir: the directory that stores the results of nodes with ``cache``; by default there is no cache.
        force: use no cached result, and rerun up-to-date commands.
        observers: receivers of the run's events, called by one thread at a time.
        log_level: the lowest level of the events that the run's ``events.jsonl`` contains.
        cpu_time: measure the CPU time of each synchronous call, which distinguishes waiting from work.
        adapt: called with the plan before it runs, for tools that change a run.

    Raises:
        GraphError: the graph is invalid, names something that is not allowed, or names a callable that cannot be
            imported or does not accept its arguments.
        UsageError: a target or a parameter does not exist, an option is out of its range, or two options exclude
            each other.
        GilEnabledError: the GIL is on and ``require_nogil`` is set.
        KeyboardInterrupt: SIGINT stopped the run and there is no ``on_interrupt``. (SIGTERM then terminates the
            process, as it would without the run.)

    """
    with Session(graph, msgspec.structs.replace(options or RunOptions(), **changes)) as session:
        result = session.execute()
    session.reraise_signal()
    return result
