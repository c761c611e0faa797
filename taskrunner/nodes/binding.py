"""Argument binding: templates become arguments. Results and items are inserted, and paths select their parts."""

from collections.abc import Callable, Mapping
from typing import Any

from taskrunner.errors import TaskrunnerError
from taskrunner.graph.location import Path
from taskrunner.graph.template import CONTAINERS, DictOf, Item, ListOf, Ref, TupleOf

type ResultOf = Callable[[str], Any]


class BindingError(TaskrunnerError):
    """A reference whose path does not exist in the referenced result."""


class BoundValue:
    """A final value in a template whose other parts are still unbound; it is passed unchanged."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


MISSING = BoundValue(None)  # the result of a failed or skipped node: null, and so is every part of it


def bind(template: Any, result_of: ResultOf, item: Any = None) -> Any:
    """Return the value of a template; its lists and objects are new ones.

    ``result_of`` returns the result of a node, and ``item`` is the value of an ``Item``.

    Raises:
        BindingError: a path does not exist.

    """
    build = _BUILDERS.get(type(template))
    return template if build is None else build(template, result_of, item)


def partially_bind(template: Any, result_of: ResultOf) -> Any:
    """Return a template in which results replace all references to nodes; items remain unbound.

    Raises:
        BindingError: a path does not exist.

    """
    kind = type(template)
    if kind is Ref:
        return BoundValue(_bind_ref(template, result_of, None))
    if kind not in CONTAINERS or template.is_fixed:
        return template
    parts = tuple([partially_bind(part, result_of) for part in template.parts])
    return DictOf(template.keys, parts) if kind is DictOf else kind(parts)


def resolve_path(value: Any, path: Path, name: str) -> Any:
    """Return the part of ``value`` at ``path``: items by key or index, else attributes.

    Raises:
        BindingError: the part does not exist.

    """
    if value is MISSING:
        return None
    for depth, step in enumerate(path):
        try:
            value = _part(value, step)
        except (LookupError, TypeError, AttributeError) as error:
            prefix = "".join(f"[{part!r}]" for part in path[: depth + 1])
            cause = f"{type(value).__name__} raised {type(error).__name__}: {error}"
            raise BindingError(f"the result of {name} has no part {prefix}: {cause}") from None
    return value


def _part(value: Any, step: str | int) -> Any:
    if isinstance(step, str) and not isinstance(value, Mapping) and not hasattr(value, "__getitem__"):
        return getattr(value, step)
    return value[step]


def _bind_ref(ref: Ref, result_of: ResultOf, _: Any) -> Any:
    return resolve_path(result_of(ref.node), ref.path, f'"{ref.node}"')


def _bind_item(template: Item, _: ResultOf, item: Any) -> Any:
    return resolve_path(item, template.path, "the item") if template.path else item


def _return_value(bound: BoundValue, _: ResultOf, __: Any) -> Any:
    return bound.value


def _bind_list(template: ListOf, result_of: ResultOf, item: Any) -> list[Any]:
    return [bind(part, result_of, item) for part in template.parts]


def _bind_tuple(template: TupleOf, result_of: ResultOf, item: Any) -> tuple[Any, ...]:
    return tuple(_bind_list(template, result_of, item))


def _bind_dict(template: DictOf, result_of: ResultOf, item: Any) -> dict[Any, Any]:
    parts = [bind(part, result_of, item) for part in template.parts]
    return dict(zip(template.keys, parts, strict=True))


_BUILDERS: dict[type, Callable[[Any, ResultOf, Any], Any]] = {
    Ref: _bind_ref,
    Item: _bind_item,
    BoundValue: _return_value,
    ListOf: _bind_list,
    TupleOf: _bind_tuple,
    DictOf: _bind_dict,
}
