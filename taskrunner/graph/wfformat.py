"""Importer for WfCommons WfFormat 1.5: recorded runs of scientific workflows.

Format: https://github.com/wfcommons/WfFormat. Each recorded task becomes a node that spends the recorded seconds,
times a scale, in real CPU work. Files between tasks are not moved: only the recorded edges remain.
"""

from typing import Any

import msgspec

from taskrunner.errors import GraphError, Problem
from taskrunner.graph.spec import FORMAT_VERSION, GraphFile, Node

SPIN_FUNCTION = "workloads.spin:spend"


class _Task(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


class _Specification(msgspec.Struct, frozen=True):
    tasks: tuple[_Task, ...]


class _Execution(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    runtime_in_seconds: float


class _Executions(msgspec.Struct, frozen=True):
    tasks: tuple[_Execution, ...]


class _Workflow(msgspec.Struct, frozen=True):
    specification: _Specification
    execution: _Executions


class _Instance(msgspec.Struct, frozen=True, rename="camel"):
    workflow: _Workflow
    schema_version: str
    name: str = ""
    description: str = ""


class _Versioned(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: str


_VERSION = msgspec.json.Decoder(_Versioned)
_DECODER = msgspec.json.Decoder(_Instance)
_PROBE = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_wfformat(data: bytes) -> bool:
    """Return whether a JSON document is a WfFormat file instead of a graph file."""
    try:
        top: dict[str, Any] = _PROBE.decode(data)
    except (ValueError, RecursionError):
        return False
    return "workflow" in top and "taskrunner" not in top


def convert(data: bytes, scale: float, source: str = "") -> GraphFile:
    """Return the recorded workflow as a graph. Node seconds are recorded seconds times ``scale``.

    Raises:
        GraphError: the document is not WfFormat 1.5.

    """
    try:
        version = _VERSION.decode(data).schema_version
        if version != "1.5":
            raise GraphError([Problem(("schemaVersion",), f'unsupported version "{version}", expected 1.5')], source)
        instance = _DECODER.decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise GraphError([Problem((), f"not WfFormat 1.5: {error}")], source) from None
    workflow = instance.workflow
    seconds = {task.id: task.runtime_in_seconds for task in workflow.execution.tasks}
    needs = _collect_needs(workflow.specification.tasks)
    if unknown := needs.keys() - {task.id for task in workflow.specification.tasks}:
        problems = [
            Problem(("workflow", "specification"), f'unknown child "{name}" of a task') for name in sorted(unknown)
        ]
        raise GraphError(problems, source)
    nodes = tuple(
        Node(id=task.id, call=SPIN_FUNCTION, args=(round(seconds.get(task.id, 0.0) * scale, 9),), needs=needs[task.id])
        for task in workflow.specification.tasks
    )
    doc = f"{instance.description} (recorded seconds times {scale:g})".strip()
    return GraphFile(taskrunner=FORMAT_VERSION, name=instance.name, doc=doc, nodes=nodes)


def _collect_needs(tasks: tuple[_Task, ...]) -> dict[str, tuple[str, ...]]:
    """Merge the edges listed by parents with the edges listed by children, each once, in file order."""
    needs: dict[str, dict[str, None]] = {task.id: dict.fromkeys(task.parents) for task in tasks}
    for task in tasks:
        for child in task.children:
            needs.setdefault(child, {})[task.id] = None
    return {name: tuple(parents) for name, parents in needs.items()}
