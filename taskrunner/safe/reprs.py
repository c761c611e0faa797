"""Representation of any object: as JSON, or as a short repr. For logs and screens, never for storage."""

import contextlib
import dataclasses
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from taskrunner.safe.strict_json import find_non_finite

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
    with contextlib.suppress(Exception):  # lone surrogates, unusual keys, cycles, hostile methods
        data = msgspec.json.encode(value, enc_hook=safe_repr)
        if find_non_finite(value, data) is None:
            return data
    return json.dumps(_to_builtins(value, 0)).encode()


def safe_repr(value: Any) -> str:
    """Return the repr of an object, or a placeholder if its ``__repr__`` raises."""
    try:
        return repr(value)
    except BaseException as error:  # noqa: BLE001  an object's own method may raise anything
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"


def _to_builtins(value: Any, depth: int) -> Any:
    """Convert a value for the encoder of the standard library. A value deeper than ``_MAX_DEPTH`` becomes its repr."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind in (int, float):
        return _to_number(value)
    if kind is not str and depth < _MAX_DEPTH and (container := _to_container(value)) is not None:
        if isinstance(container, dict):
            return {_to_key(key): _to_builtins(part, depth + 1) for key, part in container.items()}
        return [_to_builtins(part, depth + 1) for part in container]
    return _to_unicode(value if kind is str else _to_text(value))


def _to_container(value: Any) -> dict[Any, Any] | list[Any] | None:
    """Return the content of a container, a Struct or a dataclass; None: the value is none of them."""
    if isinstance(value, msgspec.Struct):
        tag = {"event": value.__struct_config__.tag} if value.__struct_config__.tag else {}
        fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        values = {name: getattr(value, field) for name, field in fields}
        return tag | {name: part for name, part in values.items() if part is not msgspec.UNSET}
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return None


def _to_text(value: Any) -> str:
    """Return the string by which msgspec represents a value, such as a date, otherwise the repr."""
    with contextlib.suppress(Exception):
        builtin = msgspec.to_builtins(value)
        if isinstance(builtin, str):
            return builtin
    return safe_repr(value)


def _to_number(value: float) -> float | str:
    """Return a number that JSON can represent: NaN and infinity become their repr, a huge int hexadecimal digits."""
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    try:
        repr(value)  # raises beyond sys.get_int_max_str_digits()
    except ValueError:
        return hex(value)  # type: ignore[arg-type]
    return value


def _to_key(key: Any) -> str:
    return _to_unicode(key if isinstance(key, str) else safe_repr(key))


def _to_unicode(value: str) -> str:
    """Return a string that is valid Unicode: a lone surrogate becomes an escape."""
    return value.encode(errors="backslashreplace").decode()
