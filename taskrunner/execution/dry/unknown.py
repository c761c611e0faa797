"""Unknown results: placeholders for the results of nodes that a dry run does not execute.

A part of an unknown result is unknown as well, so templates pass it on like any value. A decision that depends on it
cannot be made before the run.
"""

from typing import Any, NoReturn


class UndecidedError(Exception):
    """A decision depends on a node that is executed; the message is the reason."""


class Unknown:
    """The unknown result of a node, or an unknown part of it."""

    def __init__(self, node: str) -> None:
        self._node = node

    def __getitem__(self, _: Any) -> "Unknown":
        return self

    def _refuse(self, *_: Any) -> NoReturn:
        raise UndecidedError(f"it depends on the result of {self._node}")

    __bool__ = __iter__ = __len__ = __contains__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refuse
    __hash__ = object.__hash__
