"""Any object as JSON: what JSON does not have becomes its repr. For logs and screens, never for storing."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MAX_ARGUMENTS_CHARS = 300


_ATOMS = (type(None), bool, float, complex, bytes)


class _Short(reprlib.Repr):
    """Cuts what is long."""

    def __init__(self) -> None:
        super().__init__(maxstring=60, maxother=60, maxlong=40, maxlist=6, maxtuple=6, maxdict=6, maxset=6, maxlevel=3)


class _BuiltinsOnly(_Short):
    """Calls no method of an object that is not built in, either."""

    def repr_instance(self, x: Any, level: int) -> str:
        return super().repr_instance(x, level) if type(x) in _ATOMS else f"<{type(x).__name__}>"


_repr = _Short()


_builtins_repr = _BuiltinsOnly()


def format_arguments(args: Sequence[Any], kwargs: Mapping[str, Any], *, is_in_use: bool = False) -> str:
    """Write the arguments of a call, cut where they are long; it never raises, whatever their methods do.

    ``is_in_use``: by a call that still runs; none of their own methods is called then.
    """
    short = _builtins_repr.repr if is_in_use else _short
    parts = [short(value) for value in args] + [f"{name}={short(value)}" for name, value in kwargs.items()]
    text = f"({', '.join(parts)})"
    return text if len(text) <= MAX_ARGUMENTS_CHARS else f"{text[: MAX_ARGUMENTS_CHARS - 4]}...)"


def _short(value: Any) -> str:
    try:
        return _repr.repr(value)
    except BaseException:  # noqa: BLE001  a value's own method may raise anything
        return f"<{type(value).__name__} that cannot be shown>"


_MAX_DEPTH = 50


def to_json(value: Any) -> bytes:
    """Encode any object as JSON. It never raises, whatever the object's own methods do."""
    try:
        return msgspec.json.encode(value, enc_hook=safe_repr)
    except Exception:  # noqa: BLE001  lone surrogates, strange keys, circles, hostile methods
        return json.dumps(_to_builtins(value, 0)).encode()


def safe_repr(value: Any) -> str:
    """Return an object's repr, or say that it has none."""
    try:
        return repr(value)
    except BaseException as error:  # noqa: BLE001  an object's own method may raise anything
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"


def _to_builtins(value: Any, depth: int) -> Any:
    """Return what the standard library's encoder takes; what lies too deep is cut to its repr."""
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str:
        return _text(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, msgspec.Struct):
            tag = {"event": value.__struct_config__.tag} if value.__struct_config__.tag else {}
            fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
            values = {name: getattr(value, field) for name, field in fields}
            value = tag | {name: part for name, part in values.items() if part is not msgspec.UNSET}
        if isinstance(value, dict):
            return {_key(key): _to_builtins(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_to_builtins(part, depth + 1) for part in value]
    return _text(safe_repr(value))


def _key(key: Any) -> str:
    return _text(key if isinstance(key, str) else safe_repr(key))


def _text(value: str) -> str:
    """Return a text that is Unicode: a lone surrogate is written out as an escape."""
    return value.encode(errors="backslashreplace").decode()
