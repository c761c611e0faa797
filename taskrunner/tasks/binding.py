"""From templates to arguments: fill in results and items, and take the parts that paths lead to."""

from collections.abc import Callable, Mapping
from typing import Any

from taskrunner.errors import TaskrunnerError
from taskrunner.graph.place import Path
from taskrunner.graph.template import DictOf, Item, ListOf, Ref, TupleOf


class BindingError(TaskrunnerError):
    """A reference's path leads nowhere in the result that it refers to."""


class Given:
    """A value to be passed as it is, inside a template that is otherwise still to be filled in."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


NO_ITEM = Given(None)
MISSING = Given(None)  # the result of what failed or was skipped: null, and so is every part of it


def fill(template: Any, result_of: Callable[[str], Any], item: Any = NO_ITEM) -> Any:
    """Return the value of a template; lists and objects in it are new ones.

    ``result_of`` gives a node's result. Where ``item`` is NO_ITEM the items stay references, and
    what comes back is a template for ``fill_item``.

    Raises:
        BindingError: a path leads nowhere.

    """
    kind = type(template)
    if kind is Ref:
        value = follow(result_of(template.node), template.path, f'"{template.node}"')
        return Given(value) if item is NO_ITEM else value
    if kind is Item:
        return template if item is NO_ITEM else follow(item, template.path, "the item")
    if kind is ListOf:
        parts = [fill(part, result_of, item) for part in template.parts]
        return ListOf(tuple(parts)) if item is NO_ITEM else parts
    if kind is TupleOf:
        parts = [fill(part, result_of, item) for part in template.parts]
        return TupleOf(tuple(parts)) if item is NO_ITEM else tuple(parts)
    if kind is DictOf:
        parts = [fill(part, result_of, item) for part in template.parts]
        if item is NO_ITEM:
            return DictOf(template.keys, tuple(parts))
        return dict(zip(template.keys, parts, strict=True))
    if kind is Given:
        return template.value if item is not NO_ITEM else template
    return template


def follow(value: Any, path: Path, name: str) -> Any:
    """Return the part of ``value`` that ``path`` leads to: items by key or index, else attributes.

    Raises:
        BindingError: there is no such part.

    """
    if value is MISSING:
        return None
    for depth, step in enumerate(path):
        try:
            value = _part(value, step)
        except (LookupError, TypeError, AttributeError) as error:
            so_far = "".join(f"[{s!r}]" for s in path[: depth + 1])
            kind = type(value).__name__
            message = f"the result of {name} has no part {so_far}: {kind} there gave {type(error).__name__}: {error}"
            raise BindingError(message) from None
    return value


def _part(value: Any, step: str | int) -> Any:
    if isinstance(step, str) and not isinstance(value, Mapping) and not hasattr(value, "__getitem__"):
        return getattr(value, step)
    return value[step]
