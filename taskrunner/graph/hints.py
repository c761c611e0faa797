"""Hints for unknown names: the most similar known name."""

import itertools
from collections.abc import Iterable

# The time of the comparison grows with the square of the name length and with the number of names.
_MAX_NAME_LENGTH = 100
_MAX_NAMES = 10_000


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ``did you mean "…"?`` for the known name closest to ``word``, or an empty string."""
    import difflib  # needed only for errors

    text = str(word)
    if len(text) > _MAX_NAME_LENGTH:
        return ""
    names = [name for name in itertools.islice(known, _MAX_NAMES) if len(name) <= _MAX_NAME_LENGTH]
    matches = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    return f'did you mean "{matches[0]}"?' if matches else ""
