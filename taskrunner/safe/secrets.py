"""What looks like a secret by its name, and texts without the secrets that are known."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"

# Shorter values are not looked for in texts: they stand in too many that have nothing to do with them.
MIN_SECRET_CHARS = 4
MIN_SECRET_DIGITS = 6

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")
_SECRET = re.compile(r"(token|secret|(api|private|access)_?key)s?(?![a-z])|password|passwd|credential")


def looks_secret(name: object) -> bool:
    """Say whether a parameter or a variable of this name holds a secret: ``GITHUB_TOKEN``, ``dbPassword``."""
    if not isinstance(name, str):
        return False
    return _SECRET.search(_BETWEEN.sub("_", _HUMP.sub("_", name).lower())) is not None


class Mask:
    """Takes known secrets out of texts."""

    def __init__(self, values: Iterable[Any]) -> None:
        found = {form for value in values for text in _strings_of(value) for form in _forms(text)}
        self._texts = sorted(found, key=len, reverse=True)  # one may be a part of another

    def __call__(self, text: str) -> str:
        """Return a text in which MASK stands for each secret."""
        for secret in self._texts:
            text = text.replace(secret, MASK)
        return text


def _strings_of(value: Any) -> Iterator[str]:
    """Yield the texts that a value is made of, if they are long enough to be told from others."""
    waiting = [value]
    seen: set[int] = set()  # a value made in Python may hold itself
    for part in waiting:  # it grows while it is read
        if isinstance(part, str):
            yield from [part] if len(part) >= MIN_SECRET_CHARS else []
        elif isinstance(part, bytes):
            waiting.append(part.decode(errors="replace"))
        elif type(part) in (int, float):
            yield from _digits(part)
        elif isinstance(part, dict | list | tuple | set | frozenset) and id(part) not in seen:
            seen.add(id(part))
            waiting += part.values() if isinstance(part, dict) else part


def _digits(number: float) -> list[str]:
    """Return a number as text, if it is long enough to be told from others."""
    try:
        text = str(number)
    except ValueError:  # Python refuses to write so many digits, and so nobody else has written them
        return []
    return [text] if len(text) >= MIN_SECRET_DIGITS else []


def _forms(text: str) -> Iterator[str]:
    """Yield a secret as it may stand in a text: as it is, its lines, and quoted by Python or as JSON."""
    lines = [line for line in map(str.strip, text.splitlines()) if len(line) >= MIN_SECRET_CHARS]
    for one in (text, *lines):
        yield from (one, repr(one)[1:-1], json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1])
