"""Secrets: detection by name, and removal of known secrets from strings."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"

# Shorter values are not replaced: they occur in too many unrelated strings.
MIN_SECRET_CHARS = 4
MIN_SECRET_DIGITS = 6

_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_SECRET = re.compile(r"(token|secret|(api|private|access)_?key)s?(?![a-z])|password|passwd|credential")


def looks_secret(name: object) -> bool:
    """Return whether a parameter or variable of this name holds a secret: ``GITHUB_TOKEN``, ``dbPassword``."""
    if not isinstance(name, str):
        return False
    return _SECRET.search(_SEPARATORS.sub("_", _CAMEL_CASE.sub("_", name).lower())) is not None


class Mask:
    """A function that replaces known secrets in strings."""

    def __init__(self, values: Iterable[Any]) -> None:
        forms = {form for value in values for text in _find_strings(value) for form in _generate_forms(text)}
        self._forms = sorted(forms, key=len, reverse=True)  # a form may be a part of another one

    def __call__(self, text: str) -> str:
        """Return a string with each secret replaced by ``MASK``."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _find_strings(value: Any) -> Iterator[str]:
    """Yield the strings and numbers inside a value that are long enough to be specific."""
    parts = [value]
    seen: set[int] = set()  # a value built in Python may contain itself
    for part in parts:  # the list grows during the loop
        if isinstance(part, str):
            yield from [part] if len(part) >= MIN_SECRET_CHARS else []
        elif isinstance(part, bytes):
            parts.append(part.decode(errors="replace"))
        elif type(part) in (int, float):
            yield from _format_number(part)
        elif isinstance(part, dict | list | tuple | set | frozenset) and id(part) not in seen:
            seen.add(id(part))
            parts += part.values() if isinstance(part, dict) else part


def _format_number(number: float) -> list[str]:
    """Return the string form of a number in a list, or an empty list if it is too short to be specific."""
    try:
        text = str(number)
    except ValueError:  # too many digits for Python, so no output contains them
        return []
    return [text] if len(text) >= MIN_SECRET_DIGITS else []


def _generate_forms(text: str) -> Iterator[str]:
    """Yield the forms of a secret in other strings: unchanged, its lines, quoted by Python, and quoted as JSON."""
    lines = [line for line in map(str.strip, text.splitlines()) if len(line) >= MIN_SECRET_CHARS]
    for form in (text, *lines):
        yield from (form, repr(form)[1:-1], json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1])
