"""Where in a JSON text a value stands: from a path such as ``nodes[3].args[0]`` to line and column.

Only errors need this, so it reads the text a second time and costs a good file nothing.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

type Path = tuple[Any, ...]  # keys and indexes

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)|\[\.\.\.\]")
_SPACE = re.compile(r"\s*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_decode_string = json.decoder.scanstring  # type: ignore[attr-defined]


def parse_path(text: str) -> Path:
    """Split ``nodes[3].args[0]`` (with or without a leading ``$``) into its steps."""
    steps: list[str | int] = []
    for index, name in _STEP.findall(text.removeprefix("$")):
        if index:
            steps.append(int(index))
        elif name:
            steps.append(name)
        else:  # msgspec writes [...] for a key it does not name
            break
    return tuple(steps)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and the column, both from 1, of a character offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def locate(text: str, path: Path) -> tuple[int, int]:
    """Return line and column of the value at ``path``; of the deepest step that exists otherwise."""
    offset = _skip_space(text, 0)
    for step in path:
        found = _find(text, offset, step)
        if found is None:
            break
        offset = found
    return line_and_column(text, offset)


def _find(text: str, offset: int, step: str | int) -> int | None:
    """Return the offset of one child: of a doubled key the last, which is the one that counts."""
    found = None
    with contextlib.suppress(IndexError, json.JSONDecodeError):  # the text is torn further on
        for key, place in _children(text, offset):
            if key == step:
                found = place
    return found


def _children(text: str, offset: int) -> Iterator[tuple[str | int, int]]:
    """Yield (key or index, offset of the value) of the array or object that starts at ``offset``."""
    if text[offset] not in "[{":
        return
    is_object = text[offset] == "{"
    index = 0
    offset = _skip_space(text, offset + 1)
    while text[offset] not in "]}":
        key: str | int = index
        if is_object:
            key, offset = _decode_string(text, offset + 1)
            offset = _skip_space(text, _skip_space(text, offset) + 1)
        yield key, offset
        offset = _skip_space(text, _end_of_value(text, offset))
        if text[offset] == ",":
            offset = _skip_space(text, offset + 1)
        index += 1


def _end_of_value(text: str, offset: int) -> int:
    """Return the offset just after the value that starts at ``offset``."""
    if text[offset] == '"':
        return int(_decode_string(text, offset + 1)[1])
    if text[offset] not in "[{":
        scalar = _SCALAR.match(text, offset)
        return scalar.end() if scalar else offset
    depth = 0
    while True:
        character = text[offset]
        if character == '"':
            offset = _decode_string(text, offset + 1)[1]
            continue
        depth += (character in "[{") - (character in "]}")
        offset += 1
        if not depth:
            return offset


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset
