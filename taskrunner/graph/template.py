"""Arguments with references, compiled once when the graph is linked.

A template is a plain tree. A constant scalar stands for itself; a list or an object that holds
nothing but constants is still rebuilt for each call, so that a function which changes its argument
changes neither the graph nor another call.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from taskrunner.errors import MOST_GUESSES, MOST_PROBLEMS, Problem
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path

KEYWORDS = ("$ref", "$param", "$item", "$literal")

# So many problems are kept at most, to be put into order and told as far as somebody reads them.
MOST_KEPT = 10 * MOST_PROBLEMS


class Ref:
    """The result of another node, or the part of it that ``path`` leads to."""

    __slots__ = ("node", "path")

    def __init__(self, node: str, path: Path) -> None:
        self.node = node
        self.path = path


class Item:
    """The item of a mapped node's child, or the part of it that ``path`` leads to."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path


class ListOf:
    """A list to be built anew for each call. ``is_fixed``: nothing in it refers to anything."""

    __slots__ = ("is_fixed", "parts")

    def __init__(self, parts: tuple[Any, ...], *, is_fixed: bool = False) -> None:
        self.parts = parts
        self.is_fixed = is_fixed


class TupleOf(ListOf):
    """A tuple to be built anew for each call; only graphs made in Python have tuples."""

    __slots__ = ()


class DictOf:
    """A dict to be built anew for each call. ``is_fixed``: nothing in it refers to anything."""

    __slots__ = ("is_fixed", "keys", "parts")

    def __init__(self, keys: tuple[Any, ...], parts: tuple[Any, ...], *, is_fixed: bool = False) -> None:
        self.keys = keys
        self.parts = parts
        self.is_fixed = is_fixed


class Open:
    """A value that is not known while a graph is checked: a parameter still to be set, or a mistake told already."""

    __slots__ = ()


OPEN = Open()
CONTAINERS = frozenset({ListOf, TupleOf, DictOf})
TEMPLATES = CONTAINERS | {Ref, Item, Open}


class Compiler:
    """Compile the values of one graph; what is wrong with them is collected in ``problems``.

    Whether the nodes exist that are referred to is for the caller to see: he knows them all.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        # One template for all places that take the same: many small references may name one big value.
        self.taken: dict[tuple[str, Path], Any] = {}
        self.problems: list[Problem] = []

    def compile(self, value: Any, path: Path, *, in_map: bool = False) -> Any:
        """Return the template of ``value``, which stands at ``path`` in the file."""
        kind = type(value)
        if kind is list or kind is tuple:
            parts = tuple([self.compile(v, (*path, i), in_map=in_map) for i, v in enumerate(value)])
            if kind is list:
                return ListOf(parts)
            return parts if all(map(is_constant, parts)) else TupleOf(parts)
        if kind is not dict:
            return value
        for key in value:
            if type(key) is str and key.startswith("$"):
                return self._reference(value, path, in_map=in_map)
        compiled = [self.compile(v, (*path, k), in_map=in_map) for k, v in value.items()]
        return DictOf(tuple(value), tuple(compiled))

    def _reference(self, value: dict[str, Any], path: Path, *, in_map: bool) -> Any:
        keywords = [key for key in KEYWORDS if key in value]
        if len(keywords) != 1 or not value.keys() <= {keywords[0], "path"}:
            return self._malformed(value, path)
        keyword = keywords[0]
        if keyword == "$literal":
            return _literal(value[keyword])
        steps = value.get("path", [])
        if type(steps) not in (list, tuple) or not all(type(step) in (str, int) for step in steps):
            return self._problem((*path, "path"), "a path is a list of names and indexes")
        if keyword == "$item":
            return self._item(value[keyword], path, tuple(steps), in_map=in_map)
        return self._named(keyword, value[keyword], path, tuple(steps))

    def _named(self, keyword: str, name: Any, path: Path, steps: Path) -> Any:
        if type(name) is not str:
            return self._problem((*path, keyword), f"{keyword} takes a name, not {name!r}")
        if keyword == "$param":
            return self._param(name, path, steps)
        return Ref(name, steps)

    def _item(self, content: Any, path: Path, steps: Path, *, in_map: bool) -> Any:
        if content is not True:
            return self._problem((*path, "$item"), "$item takes only true")
        if not in_map:
            return self._problem(path, "$item outside a node with map")
        return Item(steps)

    def _param(self, name: str, path: Path, steps: Path) -> Any:
        if name not in self.params:
            hint = self._guess(name, self.params)
            return self._problem((*path, "$param"), f'unknown parameter "{name}"', hint)
        value = self.params[name]
        if value is OPEN:
            return OPEN
        if (name, steps) in self.taken:
            return self.taken[name, steps]
        try:
            for step in steps:
                value = value[step]
        except (LookupError, TypeError) as error:
            return self._problem((*path, "path"), f'parameter "{name}" has no such part: {error!r}')
        self.taken[name, steps] = _literal(value)
        return self.taken[name, steps]

    def _malformed(self, value: dict[str, Any], path: Path) -> Open:
        strange = [key for key in value if key not in KEYWORDS and key != "path"]
        if not strange:
            return self._problem(path, "more than one reference in one object")
        hint = self._guess(strange[0], KEYWORDS) or 'wrap it in {"$literal": …} to pass it as it is'
        return self._problem(path, f'not a reference: unexpected "{strange[0]}"', hint)

    def _guess(self, word: object, known: Iterable[str]) -> str:
        """Guess what was meant, as long as somebody will read it."""
        return did_you_mean(word, known) if len(self.problems) < MOST_GUESSES else ""

    def _problem(self, path: Path, message: str, hint: str = "") -> Open:
        if len(self.problems) <= MOST_KEPT:
            self.problems.append(Problem(path, message, hint))
        return OPEN


def references(template: Any, path: Path = ()) -> Iterator[tuple[Ref, Path]]:
    """Yield every reference to another node in a template, and the place of the node's name."""
    kind = type(template)
    if kind is Ref:
        yield template, (*path, "$ref")
    elif kind in CONTAINERS and not template.is_fixed:
        steps = template.keys if kind is DictOf else range(len(template.parts))
        for step, part in zip(steps, template.parts, strict=True):
            if type(part) is Ref:  # most of what refers at all: without another generator
                yield part, (*path, step, "$ref")
            elif type(part) in CONTAINERS:
                yield from references(part, (*path, step))


def is_constant(template: Any) -> bool:
    """Say whether a template stands for itself at every call."""
    return type(template) not in TEMPLATES


def _literal(value: Any) -> Any:
    """Compile a value in which nothing is a reference."""
    if type(value) is list:
        return ListOf(tuple(_literal(part) for part in value), is_fixed=True)
    if type(value) is dict:
        return DictOf(tuple(value), tuple(_literal(part) for part in value.values()), is_fixed=True)
    return value
