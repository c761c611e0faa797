"""What a run's folder keeps of secrets: not themselves, but whether they are the same.

A parameter whose name looks secret is written as MASK, and so is such a variable in the ``env`` of a command,
and a parameter that such a variable is made of. Beside the graph lies a salted hash of each. A resumed run
puts the secrets that it was given itself into the earlier graph where their hashes are the same, and what
equals nothing where they are not: then a node that takes a secret is unchanged exactly if the secret is.
"""

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from taskrunner.graph.dag import Dag
from taskrunner.graph.template import CONTAINERS, OPEN, TEMPLATES, DictOf
from taskrunner.safe.reprs import to_json
from taskrunner.safe.secrets import MASK, Mask, looks_secret

_REFERENCES = frozenset({"$ref", "$param", "$item"})


class SecretHashes(msgspec.Struct, frozen=True):
    """Salted hashes of a run's secrets: of parameters by name, of variables by node and name."""

    salt: str
    params: dict[str, str] = {}
    env: dict[str, dict[str, str]] = {}

    def of(self, value: Any) -> str:
        """Return the hash of a value."""
        import hashlib  # only a run with secrets needs it

        return hashlib.blake2b(to_json(value), key=self.salt.encode(), digest_size=32).hexdigest()


class StoredGraph(msgspec.Struct, frozen=True):
    """What a run's folder keeps: the graph's JSON text and the parameters, both without secrets."""

    graph: bytes
    params: Mapping[str, Any]
    fingerprints: SecretHashes | None = None


def mask_of(dag: Dag, params: Mapping[str, Any]) -> Callable[[str], str]:
    """Return what takes a run's secrets out of texts, as far as they are known before it begins.

    They are looked for when the first text comes: most runs have none.
    """

    @functools.cache
    def made() -> Mask:
        values = [value for name, value in {**dag.file.params, **params}.items() if looks_secret(name)]
        return Mask([*values, *(constant for part in _secret_variables(dag) for constant in _constants(part))])

    def mask(text: str) -> str:
        return made()(text)

    return mask


def redact(text: bytes, params: Mapping[str, Any], dag: Dag) -> StoredGraph:
    """Return what is to be kept of a graph, which is ``text`` as JSON and was linked with ``params``."""
    values = {**dag.file.params, **params}
    if not any(looks_secret(name) for name in values) and next(_secret_variables(dag), None) is None:
        return StoredGraph(text, params)
    graph = json.loads(text)
    prints = SecretHashes(os.urandom(16).hex())
    for node, name in _variables(graph):
        prints.env.setdefault(node["id"], {})[name] = prints.of(node["env"][name])
    for name in _params(graph, values):
        prints.params[name] = prints.of(values[name])
    for node, name in _variables(graph):
        node["env"][name] = _masked(node["env"][name])
    for name in prints.params.keys() & graph.get("params", {}).keys():
        graph["params"][name] = _masked(graph["params"][name])
    shown = {name: MASK if name in prints.params else value for name, value in params.items()}
    return StoredGraph(to_json(graph), shown, prints)


def restore_secrets(kept: StoredGraph, text: bytes, values: Mapping[str, Any]) -> StoredGraph:
    """Return an earlier graph with the secrets that are still the same.

    ``text`` is the graph as it is now, and ``values`` are those of all its parameters.
    """
    prints = kept.fingerprints
    if prints is None:
        return kept
    graph, now = json.loads(kept.graph), json.loads(text)
    params = dict(kept.params)
    for name, digest in prints.params.items():
        is_same = name in values and prints.of(values[name]) == digest
        graph.setdefault("params", {})[name] = None  # its default may be of another type than the mask
        params[name] = values[name] if is_same else OPEN
    variables = {(node["id"], name): node["env"][name] for node, name in _variables(now)}
    for node, name in _variables(graph):
        digest, value = prints.env.get(node["id"], {}).get(name, ""), variables.get((node["id"], name))
        node["env"][name] = value if prints.of(value) == digest else {"$literal": os.urandom(16).hex()}
    return StoredGraph(to_json(graph), params)


def _masked(value: Any) -> Any:
    """Return what is written instead of a value; a reference tells nothing, and null says that there is none."""
    is_reference = isinstance(value, dict) and not _REFERENCES.isdisjoint(value)
    return value if value is None or is_reference else MASK


def _variables(graph: Mapping[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return the secret variables of a decoded graph: each as its node and its name."""
    return [(node, name) for node in graph["nodes"] for name in node.get("env", ()) if looks_secret(name)]


def _params(graph: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the names of the secret parameters: by their name, or because a secret variable is made of them."""
    taken = {name for node, variable in _variables(graph) for name in _taken(node["env"][variable])}
    return [name for name in values if looks_secret(name) or name in taken]


def _taken(value: Any) -> Iterator[str]:
    """Yield the names of the parameters that a value refers to."""
    waiting = [value]
    for part in waiting:  # it grows while it is read
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            if isinstance(part.get("$param"), str):
                yield part["$param"]
            waiting += part.values()


def _secret_variables(dag: Dag) -> Iterator[Any]:
    """Yield the templates of the secret variables of a linked graph."""
    for vertex in dag.vertices:
        if not vertex.call and isinstance(env := vertex.templates.env, DictOf):
            yield from (part for name, part in zip(env.keys, env.parts, strict=True) if looks_secret(name))


def _constants(template: Any) -> Iterator[Any]:
    """Yield the scalars in a template."""
    waiting = [template]
    for part in waiting:  # it grows while it is read
        if type(part) in CONTAINERS:
            waiting += part.parts
        elif type(part) not in TEMPLATES:
            yield part
