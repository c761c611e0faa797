"""From templates to arguments: fill in results and items, and take the parts that paths lead to."""

from collections.abc import Callable, Mapping
from typing import Any

from taskrunner.errors import TaskrunnerError
from taskrunner.graph.location import Path
from taskrunner.graph.template import CONTAINERS, DictOf, Item, ListOf, Ref, TupleOf

type ResultOf = Callable[[str], Any]


class BindingError(TaskrunnerError):
    """A reference's path leads nowhere in the result that it refers to."""


class BoundValue:
    """A value to be passed as it is, in a template that is otherwise still to be filled in."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


MISSING = BoundValue(None)  # the result of what failed or was skipped: null, and so is every part of it


def bind(template: Any, result_of: ResultOf, item: Any = None) -> Any:
    """Return the value of a template; lists and objects in it are new ones.

    ``result_of`` gives a node's result, ``item`` is what an Item stands for.

    Raises:
        BindingError: a path leads nowhere.

    """
    build = _BUILDERS.get(type(template))
    return template if build is None else build(template, result_of, item)


def partially_bind(template: Any, result_of: ResultOf) -> Any:
    """Return a template in which every reference to a node has become its result; items are still open.

    Raises:
        BindingError: a path leads nowhere.

    """
    kind = type(template)
    if kind is Ref:
        return BoundValue(_bind_ref(template, result_of, None))
    if kind not in CONTAINERS or template.is_fixed:
        return template
    parts = tuple([partially_bind(part, result_of) for part in template.parts])
    return DictOf(template.keys, parts) if kind is DictOf else kind(parts)


def resolve_path(value: Any, path: Path, name: str) -> Any:
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
            why = f"{type(value).__name__} there gave {type(error).__name__}: {error}"
            raise BindingError(f"the result of {name} has no part {so_far}: {why}") from None
    return value


def _part(value: Any, step: str | int) -> Any:
    if isinstance(step, str) and not isinstance(value, Mapping) and not hasattr(value, "__getitem__"):
        return getattr(value, step)
    return value[step]


def _bind_ref(ref: Ref, result_of: ResultOf, _: Any) -> Any:
    return resolve_path(result_of(ref.node), ref.path, f'"{ref.node}"')


def _bind_item(template: Item, _: ResultOf, item: Any) -> Any:
    return resolve_path(item, template.path, "the item") if template.path else item


def _return_value(given: BoundValue, _: ResultOf, __: Any) -> Any:
    return given.value


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
