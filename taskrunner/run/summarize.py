"""From a run's records to its summary."""

import platform
import resource
import sys
from collections.abc import Iterable, Sequence

from taskrunner.graph.dag import Dag, Vertex
from taskrunner.run.events import EVENT_LOOP
from taskrunner.run.outcome import DONE, FAILED, SKIPPED, Record
from taskrunner.run.result import SlowNode, Summary
from taskrunner.tasks import gil

SLOWEST = 5


def python_build() -> str:
    """Name the interpreter, as ``CPython 3.13.15 free-threading``."""
    kind = " free-threading" if gil.IS_FREE_THREADED else ""
    return f"{platform.python_implementation()} {platform.python_version()}{kind}"


def summarize(  # noqa: PLR0913  a summary is made of many things
    records: Sequence[Record],
    dag: Dag,
    async_nodes: set[str],
    *,
    run: str,
    graph: str,
    wall_s: float,
    workers: int,
    gil_module: str,
    signal: int,
) -> Summary:
    """Count, add up, and find the critical path of what happened."""
    states = [record.state for record in records]
    ran = {record.node: _seconds(record) for record in records if record.state != SKIPPED}
    work = sum(seconds for node, seconds in ran.items() if not {node, parent_of(node)} & async_nodes)
    critical_s, critical = _critical_path(dag, ran)
    return Summary(
        run=run,
        graph=graph,
        ok=not signal and FAILED not in states,
        wall_s=wall_s,
        workers=workers,
        nodes=len(records),
        done=states.count(DONE),
        failed=states.count(FAILED),
        skipped=states.count(SKIPPED),
        busy=_busy(records, workers, wall_s),
        steals=sum(record.stolen for record in records if record.state != SKIPPED),
        critical_path_s=critical_s,
        critical_path=critical,
        parallelism=work / wall_s if wall_s else 0.0,
        slowest=_slowest(ran),
        python=python_build(),
        free_threaded=gil.IS_FREE_THREADED,
        gil=gil.is_enabled(),
        gil_module=gil_module,
        peak_memory_bytes=peak_memory(),
        signal=signal,
    )


def parent_of(node: str) -> str:
    """Return the id of the mapped node whose child this may be: ``a`` for ``a[3]``, else nothing."""
    return node[: node.rindex("[")] if node.endswith("]") and "[" in node else ""


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def _seconds(record: Record) -> float:
    return (record.ended - record.started) / 1e9


def _busy(records: Iterable[Record], workers: int, wall_s: float) -> tuple[float, ...]:
    seconds = [0.0] * workers
    for record in records:
        if record.worker != EVENT_LOOP:
            seconds[record.worker] += _seconds(record)
    return tuple(s / wall_s if wall_s else 0.0 for s in seconds)


def _slowest(ran: dict[str, float]) -> tuple[SlowNode, ...]:
    nodes = sorted(ran, key=lambda node: -ran[node])[:SLOWEST]
    return tuple(SlowNode(node, ran[node]) for node in nodes)


def _critical_path(dag: Dag, ran: dict[str, float]) -> tuple[float, tuple[str, ...]]:
    """Find the longest chain of what ran; a mapped node weighs its slowest child as well."""
    slowest_child: dict[str, str] = {}
    for node, seconds in ran.items():
        parent = parent_of(node)
        if parent and seconds > ran.get(slowest_child.get(parent, ""), -1.0):
            slowest_child[parent] = node

    def weight(vertex: Vertex) -> float:
        return ran.get(vertex.id, 0.0) + ran.get(slowest_child.get(vertex.id, "") if vertex.is_mapped else "", 0.0)

    length, path = dag.critical_path(weight)
    ids: list[str] = []
    for vertex in path:
        if vertex.is_mapped and vertex.id in slowest_child:
            ids.append(slowest_child[vertex.id])
        if vertex.id in ran:
            ids.append(vertex.id)
    return length, tuple(ids)
