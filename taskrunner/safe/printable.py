"""Terminal-safe strings: control characters of untrusted names and messages are shown as escapes.

Ids, messages and the output of commands come from a file or from another program. Unescaped, they could color a
screen, move its cursor, change its title, or imitate a line of taskrunner.
"""

_UNESCAPED = frozenset("\n\t")


def printable(text: str) -> str:
    r"""Return a string as one line, with escapes for non-printable characters: ``\x1b``, ``\n``, ``\u202e``."""
    return text if text.isprintable() else "".join([c if c.isprintable() else _escape(c) for c in text])


def printable_lines(text: str) -> str:
    """Return a string with newlines and tabs unchanged, and all other characters as in ``printable``."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c in _UNESCAPED else _escape(c) for c in text])


def printable_name(text: str, max_length: int) -> str:
    """Return a name as one line of at most ``max_length`` characters.

    A longer name keeps both ends, because names differ there.
    """
    line = printable(text)
    half = (max_length - len("...")) // 2
    return line if len(line) <= max_length else f"{line[:half]}...{line[len(line) - half :]}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
