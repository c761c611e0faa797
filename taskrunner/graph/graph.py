"""Graph API: a graph that is loaded from a file, or built call by call."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from taskrunner.errors import GraphError, UsageError
from taskrunner.graph import codec, params
from taskrunner.graph.dag import Dag
from taskrunner.graph.link import link
from taskrunner.graph.spec import FORMAT_VERSION, Defaults, GraphFile, Node
from taskrunner.system import gc_tuning

_VALUES = frozenset({"env", "stdin", "map", "when"})
_PATHS = frozenset({"files", "creates"})
_OPTIONS = frozenset(Node.__struct_fields__) - {"id", "call", "args", "kwargs", "run"}


class Handle:
    """A placeholder for the result of a node in a graph under construction. ``handle["rows"][0]`` is a part of it."""

    __slots__ = ("id", "path")

    def __init__(self, id: str, path: tuple[str | int, ...] = ()) -> None:  # noqa: A002  the field's own name
        self.id = id
        self.path = path

    def __getitem__(self, step: str | int) -> "Handle":
        """Return a handle for one part of the result."""
        return Handle(self.id, (*self.path, step))

    def __iter__(self) -> Any:
        """Raise TypeError: the number of parts of a result is known only at run time."""
        raise TypeError(f'the result of node "{self.id}" cannot be iterated before the run; use Graph.map')

    def __repr__(self) -> str:
        return f"<Handle {self.id}>"


class Marker:
    """A placeholder for an item or a parameter in a graph under construction. ``marker["url"]`` is a part of it."""

    __slots__ = ("reference",)

    def __init__(self, reference: dict[str, Any]) -> None:
        self.reference = reference

    def __getitem__(self, step: str | int) -> "Marker":
        """Return a marker for one part."""
        return Marker({**self.reference, "path": [*self.reference.get("path", []), step]})

    def __iter__(self) -> Any:
        """Raise TypeError: the value is known only at run time."""
        raise TypeError("an item or a parameter cannot be iterated before the run")


class Graph:
    """A task graph: nodes that call functions or run commands, and their dependencies.

    To build a graph, pass handles as arguments. Each handle is a dependency.

    >>> g = Graph("sum")
    >>> numbers = g.call(range, 4)
    >>> total = g.call(sum, numbers)
    """

    def __init__(
        self,
        name: str = "",
        *,
        doc: str = "",
        params: Mapping[str, Any] | None = None,
        pools: Mapping[str, int] | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        self.source = ""
        self.functions: dict[str, Callable[..., Any]] = {}
        self.head = GraphFile(
            taskrunner=FORMAT_VERSION, nodes=(), name=name, doc=doc, params=dict(params or {}), pools=dict(pools or {})
        )
        if defaults is not None:
            self.head = msgspec.structs.replace(self.head, defaults=defaults)
        self._data = b""
        self._encoding = ""
        self._nodes: Sequence[Node] = []
        self._ids: set[str] | None = set()
        self._dag: Dag | None = None
        self._is_changed = False

    # -- building ----------------------------------------------------------------------------------

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        id: str | None = None,  # noqa: A002  the field's own name
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Handle:
        """Add a node that calls ``function``, which is synchronous or async.

        ``options`` are the fields of a node (``needs``, ``when``, ``retries``, ``pool``, …). All other keywords and
        all of ``kwargs`` are passed to the function.
        """
        fields = {name: options.pop(name) for name in list(options) if name in _OPTIONS}
        name = getattr(function, "__name__", type(function).__name__)
        node_id = self._choose_id(id, name)
        module = getattr(function, "__module__", None) or "builtins"
        qualified = re.sub(r"[^\w.]", "_", getattr(function, "__qualname__", name))
        handle = self._add(
            fields,
            id=node_id,
            call=f"{module}:{qualified}",
            args=[_encode_value(value) for value in args],
            kwargs={name: _encode_value(value) for name, value in {**options, **(kwargs or {})}.items()},
        )
        self.functions[node_id] = function
        return handle

    def run(self, command: str | list[Any], *, id: str | None = None, **options: Any) -> Handle:  # noqa: A002
        """Add a command node. A list is its argv, a string is run by the shell."""
        words = command.split() if isinstance(command, str) else [str(command[0])] if command else []
        name = re.sub(r"[^\w.-]", "", Path(words[0]).name) if words else "run"
        argv = command if isinstance(command, str) else [_encode_value(part) for part in command]
        return self._add(options, id=self._choose_id(id, name), run=argv)

    def map(self, function: Callable[..., Any], items: Any, *args: Any, **options: Any) -> Handle:
        """Add a node that calls ``function(item, *args)`` once for each item. Its result is the list of results."""
        return self.call(function, self.item, *args, map=items, **options)

    @property
    def item(self) -> Marker:
        """A placeholder for the item in the arguments of a node with ``map``."""
        return Marker({"$item": True})

    def param(self, name: str) -> Marker:
        """Return a placeholder for the value of a parameter in the arguments of a node."""
        return Marker({"$param": name})

    def output(self, *handles: Handle) -> None:
        """Retain and report these results instead of those of the sinks."""
        outputs = () if self.head.outputs is UNSET else self.head.outputs
        outputs = (*outputs, *(handle.id for handle in handles))
        self.head = msgspec.structs.replace(self.head, outputs=outputs)
        self._mark_changed()

    def _choose_id(self, node_id: str | None, name: str) -> str:
        if node_id is not None:
            return node_id
        ids = self._collect_ids()
        number, candidate = 1, name
        while candidate in ids:
            number += 1
            candidate = f"{name}-{number}"
        return candidate

    def _collect_ids(self) -> set[str]:
        if self._ids is None:
            self._ids = {node.id for node in self._nodes}
        return self._ids

    def _add(self, options: dict[str, Any], **fields: Any) -> Handle:
        for name in options:
            if name not in _OPTIONS:
                raise UsageError(f'a node has no field "{name}"')
        if "needs" in options:
            needs = options.pop("needs")
            needs = [needs] if isinstance(needs, Handle | str) else needs
            fields["needs"] = [need.id if isinstance(need, Handle) else need for need in needs]
        for name, value in options.items():
            if name in _PATHS:
                fields[name] = _encode_paths(value)
            else:
                fields[name] = _encode_value(value) if name in _VALUES else value
        if isinstance(fields.get("map"), tuple | range):
            fields["map"] = list(fields["map"])
        try:
            node = msgspec.convert(fields, Node)
        except msgspec.ValidationError as error:
            raise UsageError(f'node "{fields["id"]}": {error}') from None
        if not isinstance(self._nodes, list):
            self._nodes = list(self._nodes)
        self._nodes.append(node)
        self._collect_ids().add(node.id)
        self._mark_changed()
        return Handle(node.id)

    def _mark_changed(self) -> None:
        self._dag = None
        self._is_changed = True

    # -- reading -----------------------------------------------------------------------------------

    @classmethod
    def decode(cls, data: bytes, encoding: str, source: str = "") -> "Graph":
        """Decode the bytes of a graph file. ``source`` names the file in errors."""
        graph = cls()
        graph.head, graph._nodes = codec.read(data, encoding, source)
        graph._ids = None
        graph.source = source
        graph._data, graph._encoding = data, encoding
        return graph

    @property
    def file(self) -> GraphFile:
        """The whole graph as the Structs of a graph file."""
        return msgspec.structs.replace(self.head, nodes=tuple(self._nodes))

    @property
    def json_text(self) -> bytes:
        """The JSON source of the graph; empty if there is none or if the graph has changed since."""
        return self._data if self._encoding == "json" and not self._is_changed else b""

    def portable_file(self) -> GraphFile:
        """Return the Structs of a graph file that another process can run.

        Raises:
            UsageError: a node calls a function without an importable name, such as a lambda.

        """
        file = self.file
        calls = {node.id: node.call for node in file.nodes}
        for node_id, function in self.functions.items():
            name = str(calls[node_id])
            if name.startswith("__main__:") or not is_importable(name, function):
                called = getattr(function, "__qualname__", "<object>")
                raise UsageError(f'node "{node_id}" calls {called}, which another process cannot import')
        return file

    @property
    def name(self) -> str:
        """The name of the graph, by default the stem of its file."""
        return self.head.name or Path(self.source).stem

    def link(self, values: Mapping[str, Any] | None = None, *, complete: bool = True) -> Dag:
        """Check the graph and link its nodes, with ``values`` for its parameters.

        Raises:
            GraphError: with all problems and their locations in the file.
            UsageError: a parameter does not exist, has the wrong type or (if ``complete``) has no value.

        """
        if values or not complete:
            return self._link(params.resolve(self.head, values or {}, complete=complete))
        if self._dag is None:
            self._dag = self._link(params.resolve(self.head, {}))
        return self._dag

    def _link(self, values: Mapping[str, Any]) -> Dag:
        try:
            nodes = self._nodes.iterate_flat() if isinstance(self._nodes, codec.Nodes) else self._nodes
            with gc_tuning.paused():
                return link(self.head, values, nodes)
        except GraphError as error:
            raise self.error(error) from None

    def error(self, error: GraphError) -> GraphError:
        """Return the error with the name of the graph file, and with line numbers if the file is JSON."""
        problems = list(error.problems)
        return GraphError(codec.add_lines(problems, self._data, self._encoding), self.source)


def is_importable(name: str, function: Any) -> bool:
    """Return whether ``module:qualified.name`` is the name of a function in an imported module."""
    return _find_imported(name) is function


def _find_imported(name: str) -> Any:
    """Return the object ``module:qualified.name`` if its module is imported, otherwise None."""
    module, _, qualified = name.partition(":")
    value: Any = sys.modules.get(module)
    for part in qualified.split("."):
        value = getattr(value, part, None)
    return value


def _encode_value(value: Any) -> Any:
    """Convert handles and markers, at any depth, to the references of a graph file."""
    if isinstance(value, Handle):
        return {"$ref": value.id, "path": list(value.path)} if value.path else {"$ref": value.id}
    if isinstance(value, Marker):
        return value.reference
    if type(value) is list:
        return [_encode_value(part) for part in value]
    if type(value) is tuple:
        return tuple(_encode_value(part) for part in value)
    if type(value) is dict:
        encoded = {key: _encode_value(part) for key, part in value.items()}
        has_keywords = any(isinstance(key, str) and key.startswith("$") for key in value)
        if has_keywords and encoded != value:
            raise UsageError(f"an object with keys such as {next(iter(value))!r} cannot hold handles as well")
        return {"$literal": value} if has_keywords else encoded
    return value


def _encode_paths(value: Any) -> list[Any]:
    """Convert one path, or a list of paths, to the list of a graph file."""
    paths = value if isinstance(value, list | tuple) else [value]
    return [os.fspath(path) if isinstance(path, os.PathLike) else _encode_value(path) for path in paths]


def load(path: str | Path, *, encoding: str = "") -> Graph:
    """Load a graph file; ``-`` is standard input. The suffix of its name is the default of ``encoding``.

    Raises:
        GraphError: the file does not fit the schema.
        UsageError: the file cannot be read, or its encoding is unknown.

    """
    name = str(path)
    if encoding and encoding not in codec.FORMATS:
        raise UsageError(f'unknown encoding "{encoding}", expected one of {", ".join(codec.FORMATS)}')
    if name == "-":
        return Graph.decode(sys.stdin.buffer.read(), encoding or "json", "<stdin>")
    encoding = encoding or codec.format_of(name)
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    with gc_tuning.paused():
        return Graph.decode(data, encoding, name)


def as_nodes(handles: Iterable[Handle | str]) -> list[str]:
    """Return the node ids of handles. An item may also be an id."""
    return [handle.id if isinstance(handle, Handle) else handle for handle in handles]
