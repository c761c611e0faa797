"""Bytes to graph file and back, with errors that name their place.

The fast path is msgspec's decoders. Only when they fail is the file read once more without a schema,
node by node, so that independent errors are told together.
"""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, Literal, get_args, overload

import msgspec
from msgspec.structs import asdict, replace

from taskrunner.errors import GraphError, Problem, TaskrunnerError, UsageError, limited
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path, line_and_column, locate_all, parse_path
from taskrunner.graph.spec import Defaults, FlatNode, GraphFile, Node, Retry

type Format = Literal["json", "msgpack", "toml"]
_NAMES = {"json": "JSON", "msgpack": "MessagePack", "toml": "TOML"}
FORMATS: tuple[str, ...] = get_args(Format.__value__)


class _Undecoded(GraphFile, frozen=True):
    """A graph file whose nodes are still the bytes that they were."""

    nodes: tuple[msgspec.Raw, ...]  # type: ignore[assignment]


# Built once, while there is one thread: for each encoding that of a whole file, of a node, of a flat node.
_DECODERS: dict[str, tuple[Callable[[bytes], _Undecoded], Callable[[Any], Node], Callable[[Any], FlatNode]]] = {
    "json": (
        msgspec.json.Decoder(_Undecoded).decode,
        msgspec.json.Decoder(Node).decode,
        msgspec.json.Decoder(FlatNode).decode,
    ),
    "msgpack": (
        msgspec.msgpack.Decoder(_Undecoded).decode,
        msgspec.msgpack.Decoder(Node).decode,
        msgspec.msgpack.Decoder(FlatNode).decode,
    ),
}

_BYTE = re.compile(r"\(byte (\d+)\)")
_TOML_PLACE = re.compile(r"\s*\(at line (\d+), column (\d+)\)")
_MESSAGE = re.compile(r"(.*?)(?: - at `(?:key in )?(\$?[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def format_of(name: str) -> str:
    """Return the encoding that a file's name ends with.

    Raises:
        UsageError: the name does not tell.

    """
    suffix = FilePath(name).suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(f"cannot tell the encoding of {name}: it ends with none of .json .msgpack .toml")
    return suffix


class Nodes(Sequence[Node]):
    """The nodes of a file, which are decoded anew whenever they are asked for.

    The bytes of a million nodes take less than a tenth of the room of their Structs, and nobody
    needs all of these at once.
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

    def lean(self) -> Iterator[Node | FlatNode]:
        """Yield each node in the smallest form that it fits.

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
    """Read a graph file: return it without its nodes, and them; ``source`` names it in errors.

    Raises:
        GraphError: with the place of everything that does not fit the schema.

    """
    try:
        if encoding == "toml":
            file = msgspec.toml.decode(data, type=GraphFile)
            return replace(file, nodes=()), file.nodes
        undecoded = _DECODERS[encoding][0](data)
        file = GraphFile(**asdict(undecoded) | {"nodes": ()})
        nodes = Nodes(data, encoding, len(undecoded.nodes))
        del undecoded  # a million small objects
        deque(nodes.lean(), maxlen=0)  # each must fit the schema
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # not UTF-8, too many digits
        problems = limited(_explain(data, encoding, _first_error(data, encoding) or error))
    else:
        return file, nodes
    raise GraphError(with_lines(problems, data, encoding), source)


def decode(data: bytes, encoding: str, source: str = "") -> GraphFile:
    """Decode a whole graph file; ``source`` names it in errors.

    Raises:
        GraphError: with the place of everything that does not fit the schema.

    """
    file, nodes = read(data, encoding, source)
    return replace(file, nodes=tuple(nodes))


def with_lines(problems: list[Problem], data: bytes, encoding: str) -> list[Problem]:
    """Return the problems with line and column, where the encoding is JSON."""
    if encoding != "json":
        return problems
    places = locate_all(data.decode(errors="replace"), [problem.path for problem in problems])
    return [p if p.line else _placed(p, *place) for p, place in zip(problems, places, strict=True)]


def encode(file: GraphFile, encoding: str) -> bytes:
    """Encode a graph file, leaving out what has its default.

    Raises:
        TaskrunnerError: the encoding cannot express it (TOML has no null, MessagePack no integers
            beyond 64 bits), or TOML's writer is not installed.

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


def _placed(problem: Problem, line: int, column: int) -> Problem:
    return Problem(problem.path, problem.message, problem.hint, line, column)


def _explain(data: bytes, encoding: str, error: Exception) -> Iterator[Problem]:
    """Yield what is wrong with a file that could not be decoded."""
    raw = None
    with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
        raw = _decode_as(data, encoding, Any)
    if raw is None and isinstance(error, msgspec.ValidationError):
        yield _from_message((), str(error), GraphFile)  # it went wrong before it became unreadable
    elif raw is None:
        yield _malformed(data, encoding, error)
    elif not isinstance(raw, dict):
        yield Problem((), f"a graph file is an object, not {_name_of(raw)}")
    else:
        problems = limited(_explain_object(raw))
        yield from problems or [_from_message((), str(error), GraphFile)]


def _first_error(data: bytes, encoding: str) -> Exception | None:
    """Return the error that comes first in a file: decoding it in two steps finds a torn end before it."""
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


def _malformed(data: bytes, encoding: str, error: Exception) -> Problem:
    message = str(error)
    if isinstance(error, RecursionError):
        return Problem((), "nested too deeply to be read")
    if place := _TOML_PLACE.search(message):
        return Problem((), "not TOML: " + message[: place.start()], "", int(place[1]), int(place[2]))
    if encoding != "json":
        return Problem((), f"not {_NAMES[encoding]}: {message}")
    text = data.decode(errors="replace")
    end = len(data[: _bad_byte(data, message)].decode(errors="replace"))
    message = message.removeprefix("JSON is malformed: ")
    return Problem((), "not JSON: " + _BYTE.sub("", message).rstrip(), "", *line_and_column(text, end))


def _bad_byte(data: bytes, message: str) -> int:
    """Return the offset of the byte at which a JSON text goes wrong; its end if it is only torn."""
    if offset := _BYTE.search(message):
        return int(offset[1])
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(data.rstrip())


def _explain_object(raw: dict[Any, Any]) -> Iterator[Problem]:
    """Yield one problem for each part of a file that does not fit: each node is a part."""
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
            yield from _misfit(value, fields[name].type, (name,), Defaults)


def _explain_node(raw: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(raw, dict):
        yield Problem(path, f"a node is an object, not {_name_of(raw)}")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(Node)}
    if "id" not in raw:
        yield Problem(path, 'required field "id" is missing')
    for name, value in raw.items():
        if name in fields:
            yield from _misfit(value, fields[name].type, (*path, name), Retry)
        else:
            yield Problem((*path, name), f'unknown field "{name}"', did_you_mean(str(name), fields))


def _misfit(value: Any, wanted: Any, path: Path, inner: type[msgspec.Struct]) -> Iterator[Problem]:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        yield _from_message(path, str(error), inner)


def _from_message(path: Path, message: str, struct: type[msgspec.Struct]) -> Problem:
    """Turn msgspec's message, which ends with the place, into a problem."""
    match = _MESSAGE.fullmatch(message)
    text, place = (match[1], match[2] or "") if match else (message, "")
    path = (*path, *parse_path(place))
    if unknown := _UNKNOWN.fullmatch(text):
        hint = did_you_mean(unknown[1], struct.__struct_encode_fields__)
        return Problem((*path, unknown[1]), f'unknown field "{unknown[1]}"', hint)
    return Problem(path, text[:1].lower() + text[1:].replace("`", ""))


def _name_of(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "a text", type(None): "null", bool: "a truth value"}
    return names.get(type(value), "a number")
