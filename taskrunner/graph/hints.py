"""Guess what was meant by a name that does not exist."""

import itertools
from collections.abc import Iterable

# Comparing takes time with the square of the length, and with the number of names: a guess is not worth more.
_LONGEST = 100
_MOST = 10_000


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ``did you mean "…"?`` for the known name closest to ``word``, or an empty string."""
    import difflib  # only a mistake needs it

    text = str(word)
    if len(text) > _LONGEST:
        return ""
    names = [name for name in itertools.islice(known, _MOST) if len(name) <= _LONGEST]
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""
