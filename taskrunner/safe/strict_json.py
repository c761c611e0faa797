"""JSON that represents a value or fails: it never turns NaN or infinity into null, as msgspec does."""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

# Deeper JSON is not indented: the indentation of n levels takes n * n bytes.
_MAX_INDENTED_DEPTH = 100
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def to_strict_json(value: Any) -> bytes:
    """Encode a value as JSON.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: JSON cannot represent the value.

    """
    data = msgspec.json.encode(value)
    if (number := find_non_finite(value, data)) is not None:
        raise ValueError(f"JSON has no {number!r}")
    return data


def find_non_finite(value: Any, data: bytes) -> float | None:
    """Return a NaN or an infinity of a value that msgspec has encoded as ``data``; None: there is none.

    Cost: without ``null`` in the data, one search of bytes.
    """
    if b"null" not in data:
        return None
    floats = _floats(msgspec.to_builtins(value, enc_hook=repr))
    return next((number for number in floats if not math.isfinite(number)), None)


def _floats(value: Any) -> Iterator[float]:
    pending = [value]
    while pending:
        part = pending.pop()
        if type(part) is float:
            yield part
        elif isinstance(part, dict):
            pending += part.keys()
            pending += part.values()
        elif isinstance(part, list | tuple | set | frozenset):
            pending += part


def indent(data: bytes) -> bytes:
    """Indent JSON by two spaces a level, unless it is nested so deeply that the indentation would outgrow it."""
    brackets = _STRINGS.sub(b"", data).translate(None, _NOT_BRACKETS)
    depth = max(itertools.accumulate(map(_STEP.__getitem__, brackets)), default=0)
    return data if depth > _MAX_INDENTED_DEPTH else msgspec.json.format(data, indent=2)
