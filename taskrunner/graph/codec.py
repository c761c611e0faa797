"""Codec for graph files: JSON, MessagePack and TOML, with errors that name their location.

The fast path is msgspec's decoders. If they fail, the file is read a second time without a schema, node by node.
So all independent errors are reported together.
"""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, Literal, get_args, overload

import msgspec
from msgspec.structs import asdict, replace

from taskrunner.errors import GraphError, Problem, TaskrunnerError, UsageError, limit_problems
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path, line_and_column, locate_all, parse_path
from taskrunner.graph.spec import Defaults, FlatNode, GraphFile, Node, Retry

type Format = Literal["json", "msgpack", "toml"]

FORMATS: tuple[str, ...] = get_args(Format.__value__)
_NAMES = {"json": "JSON", "msgpack": "MessagePack", "toml": "TOML"}
_BYTE = re.compile(r"\(byte (\d+)\)")
_TOML_LOCATION = re.compile(r"\s*\(at line (\d+), column (\d+)\)")
_MESSAGE = re.compile(r"(.*?)(?: - at `(?:key in )?(\$?[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class _UndecodedFile(GraphFile, frozen=True):
    """A graph file whose nodes are raw bytes."""

    nodes: tuple[msgspec.Raw, ...]  # type: ignore[assignment]


# The decoders of a whole file, a node and a flat node, by encoding. They are built at import, on one thread.
_DECODERS: dict[str, tuple[Callable[[bytes], _UndecodedFile], Callable[[Any], Node], Callable[[Any], FlatNode]]] = {
    "json": (
        msgspec.json.Decoder(_UndecodedFile).decode,
        msgspec.json.Decoder(Node).decode,
        msgspec.json.Decoder(FlatNode).decode,
    ),
    "msgpack": (
        msgspec.msgpack.Decoder(_UndecodedFile).decode,
        msgspec.msgpack.Decoder(Node).decode,
        msgspec.msgpack.Decoder(FlatNode).decode,
    ),
}


def format_of(name: str) -> str:
    """Return the encoding that the suffix of a file name denotes.

    Raises:
        UsageError: the suffix is unknown.

    """
    suffix = FilePath(name).suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(f"cannot infer the encoding of {name}: its suffix is none of .json .msgpack .toml")
    return suffix


class Nodes(Sequence[Node]):
    """The nodes of a file, decoded on each access.

    The bytes of a million nodes take less than a tenth of the memory of their Structs. No caller needs all Structs
    at once.
    """

    def __init__(self, data: bytes, encoding: str, count: int) -> None:
        self._data = data
        self._count = count
        self._decode_file, self._decode, self._decode_flat = _DECODERS[encoding]

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | Sequence[Node]:
        return list(self)[index]

    def __iter__(self) -> Iterator[Node]:
        return map(self._decode, self._decode_file(self._data).nodes)

    def iterate_flat(self) -> Iterator[Node | FlatNode]:
        """Yield each node as a ``FlatNode`` where it fits one, otherwise as a ``Node``.

        Raises:
            ValueError: a node does not fit the schema.

        """
        decode_flat = self._decode_flat
        for raw in self._decode_file(self._data).nodes:
            try:
                yield decode_flat(raw)
            except ValueError:  # msgspec's errors are ValueErrors
                yield self._decode(raw)


def read(data: bytes, encoding: str, source: str = "") -> tuple[GraphFile, Sequence[Node]]:
    """Return a graph file without its nodes, and the nodes. ``source`` names the file in errors.

    Raises:
        GraphError: with the location of each part that does not fit the schema.

    """
    try:
        if encoding == "toml":
            file = msgspec.toml.decode(data, type=GraphFile)
            return replace(file, nodes=()), file.nodes
        undecoded = _DECODERS[encoding][0](data)
        file = GraphFile(**asdict(undecoded) | {"nodes": ()})
        nodes = Nodes(data, encoding, len(undecoded.nodes))
        del undecoded  # up to a million small objects
        deque(nodes.iterate_flat(), maxlen=0)  # each must fit the schema
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # not UTF-8, too many digits
        problems = limit_problems(_explain(data, encoding, _find_first_error(data, encoding) or error))
    else:
        return file, nodes
    raise GraphError(add_lines(problems, data, encoding), source)


def decode(data: bytes, encoding: str, source: str = "") -> GraphFile:
    """Decode a whole graph file. ``source`` names it in errors.

    Raises:
        GraphError: with the location of each part that does not fit the schema.

    """
    file, nodes = read(data, encoding, source)
    return replace(file, nodes=tuple(nodes))


def add_lines(problems: list[Problem], data: bytes, encoding: str) -> list[Problem]:
    """Return the problems with line and column if the encoding is JSON, otherwise unchanged."""
    if encoding != "json":
        return problems
    locations = locate_all(data.decode(errors="replace"), [problem.path for problem in problems])
    return [
        problem if problem.line else _add_location(problem, *location)
        for problem, location in zip(problems, locations, strict=True)
    ]


def encode(file: GraphFile, encoding: str) -> bytes:
    """Encode a graph file. Fields with their default value are omitted.

    Raises:
        TaskrunnerError: the encoding cannot express the graph (TOML has no null, MessagePack no integers beyond
            64 bits), or the TOML writer is not installed.

    """
    try:
        if encoding == "json":
            return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
        if encoding == "msgpack":
            return msgspec.msgpack.encode(file)
        return msgspec.toml.encode(file)
    except ImportError:
        raise TaskrunnerError("writing TOML needs tomli-w: install taskrunner[toml]") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TaskrunnerError(f"{_NAMES[encoding]} cannot express this graph: {error}") from None


def _add_location(problem: Problem, line: int, column: int) -> Problem:
    return Problem(problem.path, problem.message, problem.hint, line, column)


def _explain(data: bytes, encoding: str, error: Exception) -> Iterator[Problem]:
    """Yield the problems of a file that cannot be decoded."""
    raw = None
    with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
        raw = _decode_as(data, encoding, Any)
    if raw is None and isinstance(error, msgspec.ValidationError):
        yield _parse_message((), str(error), GraphFile)  # the error comes before the malformed part
    elif raw is None:
        yield _explain_malformed(data, encoding, error)
    elif not isinstance(raw, dict):
        yield Problem((), f"a graph file is an object, not {_describe_type(raw)}")
    else:
        problems = limit_problems(_explain_object(raw))
        yield from problems or [_parse_message((), str(error), GraphFile)]


def _find_first_error(data: bytes, encoding: str) -> Exception | None:
    """Return the error that comes first in a file.

    The decoding in two steps reports a truncated end before an earlier error.
    """
    try:
        _decode_as(data, encoding, GraphFile)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return error
    return None


def _decode_as(data: bytes, encoding: str, kind: Any) -> Any:
    modules: dict[str, Callable[..., Any]] = {
        "json": msgspec.json.decode,
        "msgpack": msgspec.msgpack.decode,
        "toml": msgspec.toml.decode,
    }
    return modules[encoding](data, type=kind)


def _explain_malformed(data: bytes, encoding: str, error: Exception) -> Problem:
    message = str(error)
    if isinstance(error, RecursionError):
        return Problem((), "nested too deeply to be read")
    if location := _TOML_LOCATION.search(message):
        return Problem((), "not TOML: " + message[: location.start()], "", int(location[1]), int(location[2]))
    if encoding != "json":
        return Problem((), f"not {_NAMES[encoding]}: {message}")
    text = data.decode(errors="replace")
    end = len(data[: _find_bad_byte(data, message)].decode(errors="replace"))
    message = message.removeprefix("JSON is malformed: ")
    return Problem((), "not JSON: " + _BYTE.sub("", message).rstrip(), "", *line_and_column(text, end))


def _find_bad_byte(data: bytes, message: str) -> int:
    """Return the offset of the first malformed byte of a JSON document, or its end if it is truncated."""
    if offset := _BYTE.search(message):
        return int(offset[1])
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(data.rstrip())


def _explain_object(raw: dict[Any, Any]) -> Iterator[Problem]:
    """Yield a problem for each part of a file that does not fit the schema. Each node is a part."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(GraphFile)}
    for field in fields.values():
        if field.required and field.encode_name not in raw:
            hint = '"taskrunner": 1 is the version of the format' if field.encode_name == "taskrunner" else ""
            yield Problem((), f'required field "{field.encode_name}" is missing', hint)
    for name, value in raw.items():
        if name not in fields:
            yield Problem((name,), f'unknown field "{name}"', did_you_mean(str(name), fields))
        elif name == "nodes" and isinstance(value, list):
            for index, node in enumerate(value):
                yield from _explain_node(node, ("nodes", index))
        else:
            yield from _explain_value(value, fields[name].type, (name,), Defaults)


def _explain_node(raw: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(raw, dict):
        yield Problem(path, f"a node is an object, not {_describe_type(raw)}")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(Node)}
    if "id" not in raw:
        yield Problem(path, 'required field "id" is missing')
    for name, value in raw.items():
        if name in fields:
            yield from _explain_value(value, fields[name].type, (*path, name), Retry)
        else:
            yield Problem((*path, name), f'unknown field "{name}"', did_you_mean(str(name), fields))


def _explain_value(value: Any, expected: Any, path: Path, inner: type[msgspec.Struct]) -> Iterator[Problem]:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        yield _parse_message(path, str(error), inner)


def _parse_message(path: Path, message: str, struct: type[msgspec.Struct]) -> Problem:
    """Convert a message of msgspec, which ends with the location, into a problem."""
    match = _MESSAGE.fullmatch(message)
    text, location = (match[1], match[2] or "") if match else (message, "")
    path = (*path, *parse_path(location))
    if unknown := _UNKNOWN.fullmatch(text):
        hint = did_you_mean(unknown[1], struct.__struct_encode_fields__)
        return Problem((*path, unknown[1]), f'unknown field "{unknown[1]}"', hint)
    return Problem(path, text[:1].lower() + text[1:].replace("`", ""))


def _describe_type(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "a string", type(None): "null", bool: "a boolean"}
    return names.get(type(value), "a number")
