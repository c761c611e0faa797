"""Colours for what became of a node.

The fills are made from the palette of Okabe and Ito, "Color Universal Design" (2008), whose colours stay apart for
those who do not see all of them. Black is legible on each. A colour never says what no word beside it says.
"""

from taskrunner.analysis.attempts import ALLOWED, CACHED, DONE, FAILED
from taskrunner.analysis.graph_view import status as mark

BLACK = "#000000"

FILLS = {
    DONE: "#56b4e9",
    CACHED: "#cfe8f7",
    FAILED: "#d55e00",
    ALLOWED: "#e69f00",
    mark.SKIPPED: "#f0e442",
    mark.NOT_ENDED: "#cc79a7",
    mark.NOT_RUN: "#ffffff",
    mark.UNKNOWN: "#bbbbbb",
}

# For terminals, whose users choose what these look like (ECMA-48, select graphic rendition).
_CODES = {
    DONE: "36",
    CACHED: "36;2",
    FAILED: "31",
    ALLOWED: "33",
    mark.SKIPPED: "2",
    mark.NOT_ENDED: "35",
    mark.NOT_RUN: "2",
    mark.UNKNOWN: "2",
}


def painted(text: str, state: str, *, bold: bool) -> str:
    """Return a text in the colour of a state, for a terminal; on the critical path it is ``bold``."""
    codes = f"{_CODES[state]};1" if bold else _CODES[state]
    return f"\x1b[{codes}m{text}\x1b[0m"


def plain(text: str, state: str, *, bold: bool) -> str:  # noqa: ARG001  in the place of ``painted``
    """Return a text as it is."""
    return text
