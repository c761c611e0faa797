"""Where in a JSON text a value stands: from a path such as ``nodes[3].args[0]`` to line and column.

Only errors need this, so it reads the text a second time and costs a good file nothing.
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
# A bracket, or a whole string: what stands in it is no bracket.
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
        else:  # msgspec writes [...] for a key it does not name
            break
    return tuple(steps)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and the column, both from 1, of a character offset."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def locate(text: str, path: Path) -> tuple[int, int]:
    """Return line and column of the value at ``path``; of the deepest step that exists otherwise."""
    return locate_all(text, [path])[0]


def locate_all(text: str, paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Return line and column of the value at each path, as ``locate`` does: in one walk through the text."""
    offsets = [_skip_space(text, 0)] * len(paths)
    with contextlib.suppress(IndexError, json.JSONDecodeError):  # the text is torn further on
        _walk(text, paths, offsets)
    return [line_and_column(text, offset) for offset in offsets]


def _walk(text: str, paths: Sequence[Path], offsets: list[int]) -> None:
    """Store the offset of the deepest step of each path; of a doubled key the last counts, and comes last.

    Each frame is a list or an object that some path leads into: what leads on, by step, and how many
    children have been passed, which is None for an object. What no path leads into is skipped.
    """
    frames: list[tuple[dict[Any, list[int]], Iterator[int] | None]] = []
    offset, wanted = _skip_space(text, 0), list(range(len(paths)))
    while True:
        for number in wanted:
            offsets[number] = offset
        ahead = _by_step(paths, wanted, len(frames))
        if ahead and text[offset] in "[{":
            frames.append((ahead, itertools.count() if text[offset] == "[" else None))
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
        ahead, count = frames[-1]
        if count is None:
            key, offset = _decode_string(text, offset + 1)
            offset = _skip_space(text, _skip_space(text, offset) + 1)
        else:
            key = next(count)
        wanted = ahead.get(key, [])


def _by_step(paths: Sequence[Path], wanted: list[int], depth: int) -> dict[Any, list[int]]:
    """Group the paths that lead on from a depth by their next step."""
    found: dict[Any, list[int]] = {}
    for number in wanted:
        if len(paths[number]) > depth:
            found.setdefault(paths[number][depth], []).append(number)
    return found


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
