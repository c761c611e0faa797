"""Location of a value in a JSON document: from a path such as ``nodes[3].args[0]`` to line and column.

Cost: only errors need a location, so this module parses the document a second time. A valid file costs nothing.
"""

import contextlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

type Path = tuple[Any, ...]  # keys and indexes

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)|\[\.\.\.\]")
_SPACE = re.compile(r"\s*")
# A bracket, or a whole string: a bracket inside a string does not count.
_MARK = re.compile(r'[\[\]{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
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
        else:  # msgspec writes [...] for an unnamed key
            break
    return tuple(steps)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and the column of a character offset. Both count from 1."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def locate(text: str, path: Path) -> tuple[int, int]:
    """Return line and column of the value at ``path``, or of the deepest existing step."""
    return locate_all(text, [path])[0]


def locate_all(text: str, paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Return line and column of the value at each path, as ``locate`` does, in one pass through the document."""
    offsets = [_skip_space(text, 0)] * len(paths)
    with contextlib.suppress(IndexError, json.JSONDecodeError):  # a later part of the document is malformed
        _walk(text, paths, offsets)
    return [line_and_column(text, offset) for offset in offsets]


def _walk(text: str, paths: Sequence[Path], offsets: list[int]) -> None:
    """Store the offset of the deepest step of each path. Of a duplicate key the last one counts.

    Each frame is a list or an object on at least one path. It holds the indexes of the paths by their next step, and
    a counter of the items. The counter is None for an object. All other values are skipped.
    """
    frames: list[tuple[dict[Any, list[int]], Iterator[int] | None]] = []
    offset, matching = _skip_space(text, 0), list(range(len(paths)))
    while True:
        for number in matching:
            offsets[number] = offset
        by_step = _group_by_step(paths, matching, len(frames))
        if by_step and text[offset] in "[{":
            frames.append((by_step, itertools.count() if text[offset] == "[" else None))
            offset = _skip_space(text, offset + 1)
        else:
            offset = _skip_space(text, _end_of_value(text, offset))
        while frames and text[offset] in "]}":
            frames.pop()
            offset = _skip_space(text, offset + 1)
        if not frames:
            return
        if text[offset] == ",":
            offset = _skip_space(text, offset + 1)
        by_step, counter = frames[-1]
        if counter is None:
            key, offset = _decode_string(text, offset + 1)
            offset = _skip_space(text, _skip_space(text, offset) + 1)
        else:
            key = next(counter)
        matching = by_step.get(key, [])


def _group_by_step(paths: Sequence[Path], matching: list[int], depth: int) -> dict[Any, list[int]]:
    """Group the paths that are longer than ``depth`` by their next step."""
    groups: dict[Any, list[int]] = {}
    for number in matching:
        if len(paths[number]) > depth:
            groups.setdefault(paths[number][depth], []).append(number)
    return groups


def _end_of_value(text: str, offset: int) -> int:
    """Return the offset just after the value that starts at ``offset``."""
    if text[offset] == '"':
        return int(_decode_string(text, offset + 1)[1])
    if text[offset] not in "[{":
        scalar = _SCALAR.match(text, offset)
        return scalar.end() if scalar else offset
    depth = 0
    for mark in _MARK.finditer(text, offset):
        if mark[0] in ("[", "{"):
            depth += 1
        elif mark[0] in ("]", "}"):
            depth -= 1
            if not depth:
                return mark.end()
    raise IndexError("the value has no end")


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset
