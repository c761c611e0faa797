"""A node's inputs: from its templates to what its function or command is given."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from taskrunner.graph.dag import Templates, Vertex
from taskrunner.graph.spec import Node
from taskrunner.nodes.binding import ResultOf, bind, partially_bind

if TYPE_CHECKING:
    from taskrunner.nodes.command import Command


class ChildTemplates:
    """The templates of a mapped node's children: all filled in but for the item.

    The children share it, and with it the results that it holds, until the last of them is done.
    """

    __slots__ = ("args", "templates")

    def __init__(self, vertex: Vertex, result_of: ResultOf) -> None:
        other = vertex.templates
        self.args = tuple([partially_bind(template, result_of) for template in vertex.args])
        self.templates = Templates(
            partially_bind(other.kwargs, result_of),
            partially_bind(other.argv, result_of),
            partially_bind(other.env, result_of),
            partially_bind(other.stdin, result_of),
            files=partially_bind(other.files, result_of),
            creates=partially_bind(other.creates, result_of),
        )


def arguments(source: Vertex | ChildTemplates, result_of: ResultOf, item: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments of a call.

    Raises:
        BindingError: a reference leads nowhere.

    """
    args = [bind(template, result_of, item) for template in source.args]
    return args, bind(source.templates.kwargs, result_of, item) or {}


def command(options: Node, source: Vertex | ChildTemplates, result_of: ResultOf, item: Any) -> "Command":
    """Return the command with everything filled in.

    Raises:
        BindingError: a reference leads nowhere.

    """
    from taskrunner.nodes.command import Command  # only commands need it, and what it imports

    templates = source.templates
    return Command(
        bind(templates.argv, result_of, item),
        bind(templates.env, result_of, item) or {},
        None if options.cwd is UNSET else options.cwd,
        bind(templates.stdin, result_of, item),
        options.capture,
    )


def paths(template: Any, result_of: Callable[[], ResultOf], item: Any) -> list[str]:
    """Return the paths that a template of paths stands for; a reference may yield one, or a list of them.

    Raises:
        BindingError: a reference leads nowhere.
        TypeError: it yields something else.
        ValueError: a path is empty.

    """
    found: list[str] = []
    for value in () if template is None else bind(template, result_of(), item):
        for path in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(path, str | os.PathLike):
                raise TypeError(f"a path is a text, not {type(path).__name__}")
            if not path:  # which would stand for the working directory
                raise ValueError("a path is empty")
            found.append(os.fspath(path))
    return found


def items(template: Any, result_of: ResultOf) -> list[Any]:
    """Return the items of a mapped node.

    Raises:
        TypeError: what the reference yields is no collection of items.

    """
    value = bind(template, result_of)
    if isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__"):
        raise TypeError(f"map needs a list, not {type(value).__name__}")
    return list(value)
