"""Colors of the states of nodes.

The fills are derived from the palette of Okabe and Ito, "Color Universal Design" (2008). Its colors are
distinguishable for people with color vision deficiency. Black is legible on each of them. A color never carries
information that no text next to it states.
"""

from taskrunner.analysis.attempts import ALLOWED, CACHED, DONE, FAILED
from taskrunner.analysis.graph_view.status import NOT_ENDED, NOT_RUN, SKIPPED, UNKNOWN

BLACK = "#000000"

FILLS = {
    DONE: "#56b4e9",
    CACHED: "#cfe8f7",
    FAILED: "#d55e00",
    ALLOWED: "#e69f00",
    SKIPPED: "#f0e442",
    NOT_ENDED: "#cc79a7",
    NOT_RUN: "#ffffff",
    UNKNOWN: "#bbbbbb",
}

# For terminals, whose users choose the actual colors (ECMA-48, select graphic rendition).
_CODES = {
    DONE: "36",
    CACHED: "36;2",
    FAILED: "31",
    ALLOWED: "33",
    SKIPPED: "2",
    NOT_ENDED: "35",
    NOT_RUN: "2",
    UNKNOWN: "2",
}


def apply_color(text: str, state: str, *, bold: bool) -> str:
    """Return a string in the color of a state, for a terminal; nodes on the critical path are ``bold``."""
    codes = f"{_CODES[state]};1" if bold else _CODES[state]
    return f"\x1b[{codes}m{text}\x1b[0m"


def omit_color(text: str, state: str, *, bold: bool) -> str:  # noqa: ARG001  the signature of ``apply_color``
    """Return a string unchanged, as unstyled text."""
    return text
