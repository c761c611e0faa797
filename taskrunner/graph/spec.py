"""Schema of the graph file as frozen Structs: one schema for JSON, MessagePack and TOML.

Unknown fields are errors. The linker (``link``) checks the constraints that a Struct cannot express: exactly one of
``call`` and ``run``, known ids, no cycles.
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
    """The base class of all objects in the file. ``gc=False``: a decoded file holds no reference cycles."""


class Retry(Strict, frozen=True):
    """The retry policy of a failed node. Times are in seconds."""

    max: Annotated[Count, Meta(description="Maximum number of retries of a failed node.")]
    backoff: Annotated[NotNegative, Meta(description="Seconds before the first retry.")] = 0.0
    factor: Annotated[Positive, Meta(description="Multiplier of the delay for each further retry.")] = 2.0
    jitter: Annotated[NotNegative, Meta(description="Maximum random addition to each delay, in seconds.")] = 0.0
    on: Annotated[
        tuple[str | int, ...],
        Meta(description="Exception names or exit codes that are retried; none: all."),
    ] = ()


class Defaults(Strict, frozen=True):
    """The defaults for nodes that do not set these fields."""

    retries: Count | Retry | UnsetType = UNSET
    timeout: Positive | UnsetType = UNSET
    pool: str | tuple[str, ...] | UnsetType = UNSET


type Id = Annotated[str, Meta(min_length=1, description="Unique in the graph.")]


class Node(Strict, frozen=True):
    """One node: a Python call or a command, its dependencies and its options."""

    id: Id
    call: Annotated[
        str | UnsetType,
        Meta(description="The callable, as package.module:qualified.name. A synchronous or an async function."),
    ] = UNSET
    args: Annotated[tuple[Any, ...], Meta(description="Positional arguments; references at any depth.")] = ()
    kwargs: Annotated[dict[str, Any], Meta(description="Keyword arguments; references at any depth.")] = {}
    needs: Annotated[
        tuple[str, ...], Meta(description="Nodes that must finish first, in addition to referenced nodes.")
    ] = ()
    run: Annotated[
        str | tuple[Any, ...] | UnsetType,
        Meta(description="A command: a list is its argv (references allowed), a string is run by the shell."),
    ] = UNSET
    env: Annotated[dict[str, Any], Meta(description="Variables added to the command's environment.")] = {}
    cwd: Annotated[str | UnsetType, Meta(description="The command's working directory.")] = UNSET
    stdin: Annotated[
        Any, Meta(description="The command's input: a string or bytes unchanged, other values as JSON.")
    ] = UNSET
    capture: Annotated[Capture, Meta(description="Treatment of the command's standard output.")] = "text"
    map: Annotated[Any, Meta(description="A list, or a reference that yields one: one child node for each item.")] = (
        UNSET
    )
    when: Annotated[Any, Meta(description="A value or a reference; falsy: the node is skipped.")] = UNSET
    always: Annotated[bool, Meta(description="Run even if a dependency failed or was skipped.")] = False
    retries: Annotated[Count | Retry | UnsetType, Meta(description="Maximum number of retries, or a retry policy.")] = (
        UNSET
    )
    timeout: Annotated[Positive | UnsetType, Meta(description="Maximum seconds for one attempt.")] = UNSET
    pool: Annotated[
        str | tuple[str, ...] | UnsetType, Meta(description="Resource pools in which this node takes a slot.")
    ] = UNSET
    priority: Annotated[int, Meta(description="Higher values start first among ready nodes.")] = 0
    allow_failure: Annotated[
        bool, Meta(description="A failure of this node fails neither the run nor its successors.")
    ] = False
    cache: Annotated[bool, Meta(description="Reuse the call's result from the cache.")] = False
    files: Annotated[
        tuple[Any, ...], Meta(description="Paths and globs of the node's input files; references at any depth.")
    ] = ()
    creates: Annotated[
        tuple[Any, ...], Meta(description="Paths of the command's output files; skipped while they are up to date.")
    ] = ()

    @property
    def pools(self) -> tuple[str, ...]:
        """The names of the pools in this node's own ``pool`` field, each once."""
        if self.pool is UNSET:
            return ()
        return (self.pool,) if isinstance(self.pool, str) else tuple(dict.fromkeys(self.pool))


class WholeResult(Strict, frozen=True):
    """A reference to the whole result of a node, as written in the file."""

    node: str = msgspec.field(name="$ref")


class FlatNode(Strict, frozen=True):
    """The compact form of a node: a call whose arguments are scalars and whole results.

    Most nodes of a big graph fit it. It takes a fraction of the time and the memory of a ``Node``. Every flat node
    is also a valid ``Node``.
    """

    id: Id
    call: str
    args: tuple[WholeResult | str | int | float | bool | None, ...] = ()

    def to_node(self) -> Node:
        """Convert this node to a ``Node``."""
        args = tuple([{"$ref": arg.node} if type(arg) is WholeResult else arg for arg in self.args])
        return Node(id=self.id, call=self.call, args=args)


class GraphFile(Strict, frozen=True):
    """A whole graph file."""

    taskrunner: Annotated[Literal[1], Meta(description="Version of the format.")]
    nodes: Annotated[tuple[Node, ...], Meta(description="The nodes, in any order.")]
    schema: Annotated[str, Meta(description="For editors; ignored by taskrunner.")] = msgspec.field(
        name="$schema", default=""
    )
    name: str = ""
    doc: str = ""
    params: Annotated[
        dict[str, Any], Meta(description="Parameters and their defaults; null: a value is required.")
    ] = {}
    pools: Annotated[dict[str, Annotated[int, Meta(ge=1)]], Meta(description="Named concurrency limits.")] = {}
    defaults: Defaults = Defaults()
    outputs: Annotated[
        tuple[str, ...] | UnsetType,
        Meta(description="Nodes whose results are retained and reported; default: the sinks."),
    ] = UNSET


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a graph file, for editors and other tools."""
    schema = msgspec.json.schema(GraphFile)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "taskrunner graph file",
        **schema,
    }
