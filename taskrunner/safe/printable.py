"""Names and texts of somebody else, fit for a terminal: what could move its cursor is shown as an escape.

Ids, messages and what commands wrote come from a file or from another program. Written as they are, they
could colour a screen, change its title, or pass for a line of our own.
"""

_STAYS = frozenset("\n\t")


def printable(text: str) -> str:
    r"""Return a text on one line: ``\x1b`` stands for an escape, ``\n`` for a newline, ``\u202e`` for what turns it."""
    return text if text.isprintable() else "".join([c if c.isprintable() else _escape(c) for c in text])


def printable_lines(text: str) -> str:
    """Return a text whose lines and tabs stay, and in which all else is as in ``printable``."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c in _STAYS else _escape(c) for c in text])


def printable_name(text: str, room: int) -> str:
    """Return a name on one line of at most so many characters; of a long one both ends stay, where names differ."""
    shown = printable(text)
    half = (room - len("...")) // 2
    return shown if len(shown) <= room else f"{shown[:half]}...{shown[len(shown) - half :]}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
