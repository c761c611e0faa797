"""Parameters of a graph: their values for one run, checked against the types of their defaults."""

from collections.abc import Mapping
from typing import Any

import msgspec

from taskrunner.errors import UsageError
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.spec import GraphFile
from taskrunner.graph.template import OPEN
from taskrunner.safe.secrets import MASK, looks_secret


def parse_setting(file: GraphFile, text: str) -> tuple[str, Any]:
    """Parse ``name=value`` from a command line: a string if the default is a string, otherwise JSON.

    If the value is not valid JSON, it is the unchanged string. So is a number for a null default, if JSON
    would write it differently: ``1.10`` may be a version, ``007`` a name, and ``1e5`` a commit.

    Raises:
        UsageError: the form is wrong, or there is no such parameter.

    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f'"{text}" is not of the form name=value')
    default = _find_default(file, name)
    if isinstance(default, str):
        return name, value
    try:
        parsed = msgspec.json.decode(value.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return name, value
    return name, value if default is None and _is_rewritten(parsed, value) else parsed


def _is_rewritten(parsed: Any, text: str) -> bool:
    return isinstance(parsed, int | float) and msgspec.json.encode(parsed) != text.encode()


def resolve(file: GraphFile, values: Mapping[str, Any], *, complete: bool = True) -> dict[str, Any]:
    """Return the value of every parameter. ``values`` override defaults.

    If the graph will not run (``complete`` is false), a missing value is ``OPEN``.

    Raises:
        UsageError: an unknown name, a value of the wrong type, or (if ``complete``) a parameter that has neither a
            default nor a value.

    """
    for name, value in values.items():
        _check(name, value, _find_default(file, name))
    resolved = {**file.params, **values}
    missing = [name for name in resolved if resolved[name] is None and name not in values]
    if not complete:
        return resolved | dict.fromkeys(missing, OPEN)
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise UsageError(f"no value for parameter {names}: set it with --set {missing[0]}=…")
    return resolved


def _find_default(file: GraphFile, name: str) -> Any:
    if name not in file.params:
        hint = did_you_mean(name, file.params) or "the graph has: " + (", ".join(file.params) or "none")
        raise UsageError(f'unknown parameter "{name}"; {hint}')
    return file.params[name]


def _check(name: str, value: Any, default: Any) -> None:
    if default is None or type(value) is type(default):
        return
    if type(default) is float and type(value) is int:
        return
    expected, actual = type(default).__name__, type(value).__name__
    shown = (MASK, MASK) if looks_secret(name) else (repr(default), repr(value))
    raise UsageError(f'parameter "{name}" takes {expected}, as its default {shown[0]}, not {actual} {shown[1]}')
