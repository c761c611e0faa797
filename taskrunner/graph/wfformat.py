"""Import of WfCommons WfFormat 1.5: recorded runs of scientific workflows.

Format: https://github.com/wfcommons/WfFormat. Each recorded task becomes a node that spends the
recorded seconds, scaled, in real CPU work. Files between tasks are not moved: the recorded edges
are what is kept of them.
"""

from typing import Any

import msgspec

from taskrunner.errors import GraphError, Problem
from taskrunner.graph.spec import FORMAT_VERSION, GraphFile, Node

WORK = "workloads.spin:spend"


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
    """Say whether a JSON text is a WfFormat file rather than a graph file."""
    try:
        top: dict[str, Any] = _PROBE.decode(data)
    except (ValueError, RecursionError):
        return False
    return "workflow" in top and "taskrunner" not in top


def convert(data: bytes, scale: float, source: str = "") -> GraphFile:
    """Return the recorded workflow as a graph; node seconds are recorded seconds times ``scale``.

    Raises:
        GraphError: it is not WfFormat 1.5.

    """
    try:
        version = _VERSION.decode(data).schema_version
        if version != "1.5":
            raise GraphError([Problem(("schemaVersion",), f'"{version}" is not 1.5')], source)
        instance = _DECODER.decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise GraphError([Problem((), f"not WfFormat 1.5: {error}")], source) from None
    workflow = instance.workflow
    seconds = {task.id: task.runtime_in_seconds for task in workflow.execution.tasks}
    needs = _needs(workflow.specification.tasks)
    if unknown := needs.keys() - {task.id for task in workflow.specification.tasks}:
        problems = [
            Problem(("workflow", "specification"), f'a task has the unknown child "{n}"') for n in sorted(unknown)
        ]
        raise GraphError(problems, source)
    nodes = tuple(
        Node(id=task.id, call=WORK, args=(round(seconds.get(task.id, 0.0) * scale, 9),), needs=needs[task.id])
        for task in workflow.specification.tasks
    )
    doc = f"{instance.description} (recorded seconds times {scale:g})".strip()
    return GraphFile(taskrunner=FORMAT_VERSION, name=instance.name, doc=doc, nodes=nodes)


def _needs(tasks: tuple[_Task, ...]) -> dict[str, tuple[str, ...]]:
    """Join the edges that parents tell with those that children tell, each once, in file order."""
    needs: dict[str, dict[str, None]] = {task.id: dict.fromkeys(task.parents) for task in tasks}
    for task in tasks:
        for child in task.children:
            needs.setdefault(child, {})[task.id] = None
    return {name: tuple(parents) for name, parents in needs.items()}
