"""Inputs of a node: the arguments, the command, the paths and the items that its templates yield."""

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
    """The templates of a mapped node's children, bound except for the item.

    The children share one object, and with it the results that it holds, until the last child is done.
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
        BindingError: the path of a reference does not exist.

    """
    args = [bind(template, result_of, item) for template in source.args]
    return args, bind(source.templates.kwargs, result_of, item) or {}


def command(options: Node, source: Vertex | ChildTemplates, result_of: ResultOf, item: Any) -> "Command":
    """Return the command with all its templates bound.

    Raises:
        BindingError: the path of a reference does not exist.

    """
    from taskrunner.nodes.command import Command  # only commands need this module and its imports

    templates = source.templates
    return Command(
        bind(templates.argv, result_of, item),
        bind(templates.env, result_of, item) or {},
        None if options.cwd is UNSET else options.cwd,
        bind(templates.stdin, result_of, item),
        options.capture,
    )


def paths(template: Any, result_of: Callable[[], ResultOf], item: Any) -> list[str]:
    """Return the paths that a template of paths yields; a reference may yield one path, or a list of them.

    Raises:
        BindingError: the path of a reference does not exist.
        TypeError: a reference yields another type.
        ValueError: a path is empty.

    """
    found: list[str] = []
    for value in () if template is None else bind(template, result_of(), item):
        for path in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(path, str | os.PathLike):
                raise TypeError(f"a path must be a string, not {type(path).__name__}")
            if not path:  # an empty path would mean the working directory
                raise ValueError("a path is empty")
            found.append(os.fspath(path))
    return found


def items(template: Any, result_of: ResultOf) -> list[Any]:
    """Return the items of a mapped node.

    Raises:
        TypeError: the reference does not yield a collection of items.

    """
    value = bind(template, result_of)
    if isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__"):
        raise TypeError(f"map needs a list, not {type(value).__name__}")
    return list(value)
