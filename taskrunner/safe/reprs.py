"""Representation of any object: as JSON, or as a short repr. For logs and screens, never for storage."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MAX_ARGUMENTS_CHARS = 300
_MAX_DEPTH = 50
_ATOMS = (type(None), bool, float, complex, bytes)


class _Short(reprlib.Repr):
    """A repr that truncates long values."""

    def __init__(self) -> None:
        super().__init__(maxstring=60, maxother=60, maxlong=40, maxlist=6, maxtuple=6, maxdict=6, maxset=6, maxlevel=3)


class _BuiltinsOnly(_Short):
    """A short repr that calls only methods of built-in types."""

    def repr_instance(self, x: Any, level: int) -> str:
        return super().repr_instance(x, level) if type(x) in _ATOMS else f"<{type(x).__name__}>"


_repr = _Short()
_builtins_repr = _BuiltinsOnly()


def format_arguments(args: Sequence[Any], kwargs: Mapping[str, Any], *, is_in_use: bool = False) -> str:
    """Format the arguments of a call, and truncate long ones. This function never raises, whatever their methods do.

    ``is_in_use``: a call that still runs uses the arguments, so this function calls none of their methods.
    """
    to_repr = _builtins_repr.repr if is_in_use else _shorten
    parts = [to_repr(value) for value in args] + [f"{name}={to_repr(value)}" for name, value in kwargs.items()]
    text = f"({', '.join(parts)})"
    return text if len(text) <= MAX_ARGUMENTS_CHARS else f"{text[: MAX_ARGUMENTS_CHARS - 4]}...)"


def _shorten(value: Any) -> str:
    try:
        return _repr.repr(value)
    except BaseException:  # noqa: BLE001  the value's own method may raise anything
        return f"<{type(value).__name__} that cannot be shown>"


def to_json(value: Any) -> bytes:
    """Encode any object as JSON. A value that JSON cannot express becomes its repr. This function never raises."""
    try:
        return msgspec.json.encode(value, enc_hook=safe_repr)
    except Exception:  # noqa: BLE001  lone surrogates, unusual keys, cycles, hostile methods
        return json.dumps(_to_builtins(value, 0)).encode()


def safe_repr(value: Any) -> str:
    """Return the repr of an object, or a placeholder if its ``__repr__`` raises."""
    try:
        return repr(value)
    except BaseException as error:  # noqa: BLE001  an object's own method may raise anything
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"


def _to_builtins(value: Any, depth: int) -> Any:
    """Convert a value for the encoder of the standard library. A value deeper than ``_MAX_DEPTH`` becomes its repr."""
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str:
        return _to_unicode(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, msgspec.Struct):
            tag = {"event": value.__struct_config__.tag} if value.__struct_config__.tag else {}
            fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
            values = {name: getattr(value, field) for name, field in fields}
            value = tag | {name: part for name, part in values.items() if part is not msgspec.UNSET}
        if isinstance(value, dict):
            return {_to_key(key): _to_builtins(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_to_builtins(part, depth + 1) for part in value]
    return _to_unicode(safe_repr(value))


def _to_key(key: Any) -> str:
    return _to_unicode(key if isinstance(key, str) else safe_repr(key))


def _to_unicode(value: str) -> str:
    """Return a string that is valid Unicode: a lone surrogate becomes an escape."""
    return value.encode(errors="backslashreplace").decode()
