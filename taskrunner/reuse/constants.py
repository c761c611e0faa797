"""Digests of the constants that JSON cannot express, so that a resumed run compares them exactly.

The graph of a run is stored as JSON. There, a tuple becomes a list, bytes become a string, infinity becomes null, and
an object becomes its ``repr``. So each node with such a constant has a digest of its arguments, of the exact types and
contents. A node without one is compared by the stored graph alone.

The digests are salted, since the constants may be secrets.
"""

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from taskrunner.graph.dag import NO_TEMPLATES, Dag, Vertex
from taskrunner.graph.template import DictOf, Item, ListOf, Ref

FILE_NAME = "constants.json"
_SCALARS = frozenset({type(None), bool, int, msgspec.UnsetType, Ref, Item})


class ConstantDigests(msgspec.Struct, frozen=True):
    """The digests by node; "" for a node whose constants cannot be compared, which counts as changed."""

    salt: str
    nodes: dict[str, str] = {}

    def changed(self, earlier: "ConstantDigests") -> set[str]:
        """Return the nodes whose constants differ from those of an earlier run, or cannot be compared."""
        nodes = self.nodes.keys() | earlier.nodes.keys()
        return {node for node in nodes if not self.nodes.get(node) or self.nodes[node] != earlier.nodes.get(node)}


def read_constants(directory: Path) -> ConstantDigests:
    """Return the digests in a run directory; without a file, every constant of its graph is expressed by JSON."""
    try:
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=ConstantDigests)
    except (OSError, msgspec.DecodeError):
        return ConstantDigests(os.urandom(16).hex())


def constant_digests(dag: Dag, functions: Mapping[str, str], salt: str) -> ConstantDigests:
    """Return the digests of the nodes of a graph.

    ``functions`` maps the nodes that call a function without an importable name to a fingerprint; "" if there is none.
    """
    digests = ConstantDigests(salt)
    for vertex in dag.vertices:
        if vertex.id in functions or not (_is_bare(vertex) or is_json(_templates(vertex))):
            digests.nodes[vertex.id] = _digest(vertex, functions, digests.salt)
    return digests


def _is_bare(vertex: Vertex) -> bool:
    """Return whether a node obviously has no other constants than small ones: a short check for most nodes."""
    return vertex.templates is NO_TEMPLATES and _SCALARS.issuperset(map(type, vertex.args))


def _templates(vertex: Vertex) -> list[Any]:
    other = vertex.templates
    options = (other.argv, other.env, other.stdin, other.items, other.condition, other.files, other.creates)
    return [*vertex.args, other.kwargs, *options]


def is_json(values: Iterable[Any]) -> bool:
    """Return whether JSON expresses all of these values, or templates, exactly."""
    remaining = list(values)
    for value in remaining:  # the list grows during the iteration
        kind = type(value)
        if kind in _SCALARS:
            continue
        if kind is str:
            if not value.isascii() and not _is_unicode(value):
                return False
        elif kind is ListOf or kind is list:
            remaining += value.parts if kind is ListOf else value
        elif kind is DictOf or kind is dict:
            remaining += value.parts if kind is DictOf else value.values()
            if not all(type(key) is str for key in (value.keys if kind is DictOf else value)):
                return False
        elif kind is not float or not math.isfinite(value):
            return False
    return True


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest(vertex: Vertex, functions: Mapping[str, str], salt: str) -> str:
    """Return the digest of the constants and the function of a node; "" if one of them cannot be compared."""
    function = functions.get(vertex.id, vertex.call or "command")
    if not function:
        return ""
    from taskrunner.reuse.code_reader import UnknownCodeError  # needed by such constants alone
    from taskrunner.reuse.fingerprint import value_digest

    try:
        exact = value_digest([function, [_plain(template) for template in _templates(vertex)]])
    except UnknownCodeError:
        return ""
    return hashlib.blake2b(exact.encode(), key=salt.encode(), digest_size=32).hexdigest()


def _plain(template: Any) -> tuple[Any, ...]:
    """Return a template as plain values with its types."""
    if isinstance(template, Ref):
        return ("$ref", template.node, template.path)
    if isinstance(template, Item):
        return ("$item", template.path)
    if isinstance(template, DictOf):
        return ("dict", template.keys, [_plain(part) for part in template.parts])
    if isinstance(template, ListOf):
        return (type(template).__name__, [_plain(part) for part in template.parts])
    return ("unset",) if template is msgspec.UNSET else ("constant", template)
