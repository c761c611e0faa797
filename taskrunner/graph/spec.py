"""The graph file as frozen Structs: one schema for JSON, MessagePack and TOML.

Unknown fields are refused. What a Struct cannot express (one of ``call`` and ``run``, known ids,
no cycles) is checked where the graph is linked, in ``dag``.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

FORMAT_VERSION: Literal[1] = 1

type Capture = Literal["text", "lines", "json", "bytes", "none"]

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """The base of everything in the file. ``gc=False``: a decoded file holds no cycles."""


class Retry(Strict, frozen=True):
    """How often, and when, a failed node is tried again. Times are seconds."""

    max: Annotated[Count, Meta(description="How many times a failed node is tried again.")]
    backoff: Annotated[NotNegative, Meta(description="Seconds before the first retry.")] = 0.0
    factor: Annotated[Positive, Meta(description="Each further wait is this many times longer.")] = 2.0
    jitter: Annotated[NotNegative, Meta(description="Up to so many seconds are added, at random.")] = 0.0
    on: Annotated[
        tuple[str | int, ...],
        Meta(description="Exception names or exit codes that are worth a retry; none: all."),
    ] = ()


class Defaults(Strict, frozen=True):
    """What a node gets that says nothing itself."""

    retries: Count | Retry | UnsetType = UNSET
    timeout: Positive | UnsetType = UNSET
    pool: str | tuple[str, ...] | UnsetType = UNSET


type Id = Annotated[str, Meta(min_length=1, description="Unique in the graph.")]


class Node(Strict, frozen=True):
    """One node: a Python call or a command, what it needs, and how it is to be run."""

    id: Id
    call: Annotated[
        str | UnsetType,
        Meta(description="The callable, as package.module:qualified.name. A plain or an async function."),
    ] = UNSET
    args: Annotated[tuple[Any, ...], Meta(description="Positional arguments; references at any depth.")] = ()
    kwargs: Annotated[dict[str, Any], Meta(description="Keyword arguments; references at any depth.")] = {}
    needs: Annotated[
        tuple[str, ...], Meta(description="Nodes that must finish first, beside those that are referred to.")
    ] = ()
    run: Annotated[
        str | tuple[Any, ...] | UnsetType,
        Meta(description="A command: a list is its argv (references allowed), a string goes to the shell."),
    ] = UNSET
    env: Annotated[dict[str, Any], Meta(description="Added to the command's environment.")] = {}
    cwd: Annotated[str | UnsetType, Meta(description="The command's working directory.")] = UNSET
    stdin: Annotated[
        Any, Meta(description="The command's input: text or bytes as they are, anything else as JSON.")
    ] = UNSET
    capture: Annotated[Capture, Meta(description="What becomes of the command's standard output.")] = "text"
    map: Annotated[Any, Meta(description="A list, or a reference that yields one: one child node for each item.")] = (
        UNSET
    )
    when: Annotated[Any, Meta(description="A value or a reference; falsy: the node is skipped.")] = UNSET
    always: Annotated[bool, Meta(description="Run whatever became of what this node needs.")] = False
    retries: Annotated[Count | Retry | UnsetType, Meta(description="How often a failure is tried again.")] = UNSET
    timeout: Annotated[Positive | UnsetType, Meta(description="Seconds for one attempt.")] = UNSET
    pool: Annotated[
        str | tuple[str, ...] | UnsetType, Meta(description="Named limits that this node counts against.")
    ] = UNSET
    priority: Annotated[int, Meta(description="Higher first among the nodes that are ready.")] = 0
    allow_failure: Annotated[
        bool, Meta(description="A failure here fails neither the run nor what needs this node.")
    ] = False
    cache: Annotated[bool, Meta(description="Take the call's result from the cache if it is there.")] = False
    files: Annotated[
        tuple[Any, ...], Meta(description="Paths and globs of what the node reads; references at any depth.")
    ] = ()
    creates: Annotated[
        tuple[Any, ...], Meta(description="Paths of what the command makes; it is not run while they are up to date.")
    ] = ()

    @property
    def pools(self) -> tuple[str, ...]:
        """The names of the pools that this node names itself, each once."""
        if self.pool is UNSET:
            return ()
        return (self.pool,) if isinstance(self.pool, str) else tuple(dict.fromkeys(self.pool))


class WholeResult(Strict, frozen=True):
    """A reference to the whole of a node's result, as it stands in the file."""

    node: str = msgspec.field(name="$ref")


class FlatNode(Strict, frozen=True):
    """The form of most nodes of a big graph: a call whose arguments are scalars and whole results.

    It takes a fraction of the time and the memory of a ``Node``, which every node fits as well.
    """

    id: Id
    call: str
    args: tuple[WholeResult | str | int | float | bool | None, ...] = ()

    def whole(self) -> Node:
        """Return the same as a ``Node``."""
        args = tuple([{"$ref": arg.node} if type(arg) is WholeResult else arg for arg in self.args])
        return Node(id=self.id, call=self.call, args=args)


class GraphFile(Strict, frozen=True):
    """A whole graph file."""

    taskrunner: Annotated[Literal[1], Meta(description="Version of the format.")]
    nodes: Annotated[tuple[Node, ...], Meta(description="The nodes, in any order.")]
    schema: Annotated[str, Meta(description="For editors; not read.")] = msgspec.field(name="$schema", default="")
    name: str = ""
    doc: str = ""
    params: Annotated[dict[str, Any], Meta(description="Parameters and their defaults; null: must be set.")] = {}
    pools: Annotated[dict[str, Annotated[int, Meta(ge=1)]], Meta(description="Named concurrency limits.")] = {}
    defaults: Defaults = Defaults()
    outputs: Annotated[
        tuple[str, ...] | UnsetType, Meta(description="Results to keep and report; default: the sinks.")
    ] = UNSET


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a graph file, for editors and other tools."""
    schema = msgspec.json.schema(GraphFile)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "taskrunner graph file",
        **schema,
    }
