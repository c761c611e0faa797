"""Templates: arguments with references, compiled once when the graph is linked.

A template is a tree of simple objects. A constant scalar is its own template. A list or an object is rebuilt for
each call, even if it contains only constants. So a function that modifies its argument affects neither the graph
nor another call.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from taskrunner.errors import MAX_HINTS, MAX_PROBLEMS, Problem
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path

KEYWORDS = ("$ref", "$param", "$item", "$literal")

# The maximum number of collected problems. They are sorted, and the first MAX_PROBLEMS are reported.
MAX_COLLECTED = 10 * MAX_PROBLEMS


class Ref:
    """The result of another node, or the part of it at ``path``."""

    __slots__ = ("node", "path")

    def __init__(self, node: str, path: Path) -> None:
        self.node = node
        self.path = path


class Item:
    """The item of a child of a mapped node, or the part of it at ``path``."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path


class ListOf:
    """A list that is rebuilt for each call. ``is_fixed``: it contains no references."""

    __slots__ = ("is_fixed", "parts")

    def __init__(self, parts: tuple[Any, ...], *, is_fixed: bool = False) -> None:
        self.parts = parts
        self.is_fixed = is_fixed


class TupleOf(ListOf):
    """A tuple that is rebuilt for each call. Only graphs built in Python have tuples."""

    __slots__ = ()


class DictOf:
    """A dict that is rebuilt for each call. ``is_fixed``: it contains no references."""

    __slots__ = ("is_fixed", "keys", "parts")

    def __init__(self, keys: tuple[Any, ...], parts: tuple[Any, ...], *, is_fixed: bool = False) -> None:
        self.keys = keys
        self.parts = parts
        self.is_fixed = is_fixed


class Open:
    """A value that is unknown during the check of a graph: an unset parameter, or an already reported error."""

    __slots__ = ()


OPEN = Open()
CONTAINERS = frozenset({ListOf, TupleOf, DictOf})
TEMPLATES = CONTAINERS | {Ref, Item, Open}


class Compiler:
    """A compiler for the values of one graph. It collects their problems in ``problems``.

    The caller checks that the referenced nodes exist, because it has the list of all nodes.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        # All references to the same part of a parameter share a template: many small references may name one big value.
        self.shared: dict[tuple[str, Path], Any] = {}
        self.problems: list[Problem] = []

    def compile(self, value: Any, path: Path, *, in_map: bool = False) -> Any:
        """Return the template of ``value``, which is at ``path`` in the file."""
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
                return self._compile_reference(value, path, in_map=in_map)
        compiled = [self.compile(v, (*path, k), in_map=in_map) for k, v in value.items()]
        return DictOf(tuple(value), tuple(compiled))

    def _compile_reference(self, value: dict[str, Any], path: Path, *, in_map: bool) -> Any:
        keywords = [key for key in KEYWORDS if key in value]
        if len(keywords) != 1 or not value.keys() <= {keywords[0], "path"}:
            return self._report_malformed(value, path)
        keyword = keywords[0]
        if keyword == "$literal":
            return _compile_literal(value[keyword])
        steps = value.get("path", [])
        if type(steps) not in (list, tuple) or not all(type(step) in (str, int) for step in steps):
            return self._report((*path, "path"), "a path is a list of names and indexes")
        if keyword == "$item":
            return self._compile_item(value[keyword], path, tuple(steps), in_map=in_map)
        return self._compile_named(keyword, value[keyword], path, tuple(steps))

    def _compile_named(self, keyword: str, name: Any, path: Path, steps: Path) -> Any:
        if type(name) is not str:
            return self._report((*path, keyword), f"{keyword} takes a name, not {name!r}")
        if keyword == "$param":
            return self._compile_param(name, path, steps)
        return Ref(name, steps)

    def _compile_item(self, content: Any, path: Path, steps: Path, *, in_map: bool) -> Any:
        if content is not True:
            return self._report((*path, "$item"), "$item takes only true")
        if not in_map:
            return self._report(path, "$item outside a node with map")
        return Item(steps)

    def _compile_param(self, name: str, path: Path, steps: Path) -> Any:
        if name not in self.params:
            hint = self._hint(name, self.params)
            return self._report((*path, "$param"), f'unknown parameter "{name}"', hint)
        value = self.params[name]
        if value is OPEN:
            return OPEN
        if (name, steps) in self.shared:
            return self.shared[name, steps]
        try:
            for step in steps:
                value = value[step]
        except (LookupError, TypeError) as error:
            return self._report((*path, "path"), f'parameter "{name}" has no such part: {error!r}')
        self.shared[name, steps] = _compile_literal(value)
        return self.shared[name, steps]

    def _report_malformed(self, value: dict[str, Any], path: Path) -> Open:
        unexpected = [key for key in value if key not in KEYWORDS and key != "path"]
        if not unexpected:
            return self._report(path, "more than one reference in one object")
        hint = self._hint(unexpected[0], KEYWORDS) or 'wrap it in {"$literal": …} to pass it unchanged'
        return self._report(path, f'not a reference: unexpected "{unexpected[0]}"', hint)

    def _hint(self, word: object, known: Iterable[str]) -> str:
        """Return a hint for an unknown name, for the first ``MAX_HINTS`` problems."""
        return did_you_mean(word, known) if len(self.problems) < MAX_HINTS else ""

    def _report(self, path: Path, message: str, hint: str = "") -> Open:
        if len(self.problems) <= MAX_COLLECTED:
            self.problems.append(Problem(path, message, hint))
        return OPEN


def references(template: Any, path: Path = ()) -> Iterator[tuple[Ref, Path]]:
    """Yield every reference to another node in a template, and the location of the node id."""
    kind = type(template)
    if kind is Ref:
        yield template, (*path, "$ref")
    elif kind in CONTAINERS and not template.is_fixed:
        steps = template.keys if kind is DictOf else range(len(template.parts))
        for step, part in zip(steps, template.parts, strict=True):
            if type(part) is Ref:  # the most frequent case, without another generator
                yield part, (*path, step, "$ref")
            elif type(part) in CONTAINERS:
                yield from references(part, (*path, step))


def is_constant(template: Any) -> bool:
    """Return whether a template is a constant, which all calls share."""
    return type(template) not in TEMPLATES


def _compile_literal(value: Any) -> Any:
    """Compile a value that contains no references."""
    if type(value) is list:
        return ListOf(tuple(_compile_literal(part) for part in value), is_fixed=True)
    if type(value) is dict:
        return DictOf(tuple(value), tuple(_compile_literal(part) for part in value.values()), is_fixed=True)
    return value
