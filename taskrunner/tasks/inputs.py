"""A node's inputs: from its templates to what its function or command is given."""

from typing import Any

from msgspec import UNSET

from taskrunner.graph.dag import Vertex
from taskrunner.graph.template import DictOf
from taskrunner.tasks.binding import ResultOf, fill, settle
from taskrunner.tasks.command import Command


class ChildInputs:
    """The templates of a mapped node's children: all filled in but for the item.

    The children share it, and with it the results that it holds, until the last of them is done.
    """

    __slots__ = ("args", "argv", "env", "kwargs", "stdin")

    def __init__(self, vertex: Vertex, result_of: ResultOf) -> None:
        self.args = tuple([settle(template, result_of) for template in vertex.args])
        self.kwargs: DictOf | None = settle(vertex.kwargs, result_of)
        self.argv = settle(vertex.argv, result_of)
        self.env = settle(vertex.env, result_of)
        self.stdin = settle(vertex.stdin, result_of)


def arguments(inputs: Any, result_of: ResultOf, item: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments of a call.

    Raises:
        BindingError: a reference leads nowhere.

    """
    args = [fill(template, result_of, item) for template in inputs.args]
    return args, fill(inputs.kwargs, result_of, item) if inputs.kwargs else {}


def command(vertex: Vertex, inputs: Any, result_of: ResultOf, item: Any) -> Command:
    """Return the command with everything filled in.

    Raises:
        BindingError: a reference leads nowhere.

    """
    spec = vertex.spec
    return Command(
        fill(inputs.argv, result_of, item),
        fill(inputs.env, result_of, item) or {},
        None if spec.cwd is UNSET else spec.cwd,
        fill(inputs.stdin, result_of, item),
        spec.capture,
    )


def items(template: Any, result_of: ResultOf) -> list[Any]:
    """Return the items of a mapped node.

    Raises:
        TypeError: what the reference yields is no collection of items.

    """
    value = fill(template, result_of)
    if isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__"):
        raise TypeError(f"map needs a list, not {type(value).__name__}")
    return list(value)
