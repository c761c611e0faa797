"""Guess what was meant by a name that does not exist."""

from collections.abc import Iterable


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ``did you mean "…"?`` for the known name closest to ``word``, or an empty string."""
    import difflib  # only a mistake needs it

    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""
