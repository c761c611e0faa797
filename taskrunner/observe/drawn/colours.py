"""Colours for what became of a node.

The fills are made from the palette of Okabe and Ito, "Color Universal Design" (2008), whose colours stay apart for
those who do not see all of them. Black is legible on each. A colour never says what no word beside it says.
"""

from taskrunner.observe import recorded
from taskrunner.observe.drawn import mark

BLACK = "#000000"

FILLS = {
    recorded.DONE: "#56b4e9",
    recorded.CACHED: "#cfe8f7",
    recorded.FAILED: "#d55e00",
    recorded.ALLOWED: "#e69f00",
    mark.SKIPPED: "#f0e442",
    mark.NOT_ENDED: "#cc79a7",
    mark.NOT_RUN: "#ffffff",
    mark.UNKNOWN: "#bbbbbb",
}

# For terminals, whose users choose what these look like (ECMA-48, select graphic rendition).
_CODES = {
    recorded.DONE: "36",
    recorded.CACHED: "36;2",
    recorded.FAILED: "31",
    recorded.ALLOWED: "33",
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
