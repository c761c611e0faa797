"""Redaction of secrets in a run directory: it stores salted hashes that show whether a secret has changed.

These values are secrets, and are stored as MASK:

- a parameter with a name that looks secret;
- a variable with such a name in the ``env`` of a command;
- a parameter that such a variable refers to.

A salted hash of each secret is stored next to the graph. A resumed run compares its own secrets with these hashes.
If a hash matches, the run puts the secret into the earlier graph; otherwise it puts in a value that equals no other.
So a node that takes a secret counts as unchanged exactly if the secret is unchanged.
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
    """Salted hashes of the secrets of a run: of parameters by name, of variables by node and name."""

    salt: str
    params: dict[str, str] = {}
    env: dict[str, dict[str, str]] = {}

    def of(self, value: Any) -> str:
        """Return the hash of a value."""
        import hashlib  # imported on demand: most runs have no secrets

        return hashlib.blake2b(to_json(value), key=self.salt.encode(), digest_size=32).hexdigest()


class StoredGraph(msgspec.Struct, frozen=True):
    """The stored graph of a run: its JSON and parameters without secrets, and the hashes of the secrets."""

    graph: bytes
    params: Mapping[str, Any]
    secret_hashes: SecretHashes | None = None


def mask_of(dag: Dag, params: Mapping[str, Any]) -> Callable[[str], str]:
    """Return a function that masks the secrets known before the run starts.

    The first call of that function collects the secrets, since most runs never mask a string.
    """

    @functools.cache
    def create_mask() -> Mask:
        values = [value for name, value in {**dag.file.params, **params}.items() if looks_secret(name)]
        return Mask([*values, *(constant for part in _secret_variables(dag) for constant in _constants(part))])

    def mask(text: str) -> str:
        return create_mask()(text)

    return mask


def redact(text: bytes, params: Mapping[str, Any], dag: Dag) -> StoredGraph:
    """Return the redacted form of a graph, with ``text`` as its JSON; ``dag`` is the graph linked with ``params``."""
    values = {**dag.file.params, **params}
    if not any(looks_secret(name) for name in values) and next(_secret_variables(dag), None) is None:
        return StoredGraph(text, params)
    graph = json.loads(text)
    hashes = SecretHashes(os.urandom(16).hex())
    for node, name in _variables(graph):
        hashes.env.setdefault(node["id"], {})[name] = hashes.of(node["env"][name])
    for name in _params(graph, values):
        hashes.params[name] = hashes.of(values[name])
    for node, name in _variables(graph):
        node["env"][name] = _mask_value(node["env"][name])
    for name in hashes.params.keys() & graph.get("params", {}).keys():
        graph["params"][name] = _mask_value(graph["params"][name])
    masked = {name: MASK if name in hashes.params else value for name, value in params.items()}
    return StoredGraph(to_json(graph), masked, hashes)


def restore_secrets(stored: StoredGraph, text: bytes, values: Mapping[str, Any]) -> StoredGraph:
    """Return an earlier graph with its unchanged secrets restored.

    ``text`` is the JSON of the current graph, and ``values`` are the values of all its parameters.
    """
    hashes = stored.secret_hashes
    if hashes is None:
        return stored
    graph, current = json.loads(stored.graph), json.loads(text)
    params = dict(stored.params)
    for name, digest in hashes.params.items():
        is_same = name in values and hashes.of(values[name]) == digest
        graph.setdefault("params", {})[name] = None  # the default may have another type than the mask
        params[name] = values[name] if is_same else OPEN
    variables = {(node["id"], name): node["env"][name] for node, name in _variables(current)}
    for node, name in _variables(graph):
        digest, value = hashes.env.get(node["id"], {}).get(name, ""), variables.get((node["id"], name))
        node["env"][name] = value if hashes.of(value) == digest else {"$literal": os.urandom(16).hex()}
    return StoredGraph(to_json(graph), params)


def _mask_value(value: Any) -> Any:
    """Return MASK in place of a value. References and null stay: they contain no secret."""
    is_reference = isinstance(value, dict) and not _REFERENCES.isdisjoint(value)
    return value if value is None or is_reference else MASK


def _variables(graph: Mapping[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return the secret variables of a decoded graph, each as its node and its name."""
    return [(node, name) for node in graph["nodes"] for name in node.get("env", ()) if looks_secret(name)]


def _params(graph: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the names of the secret parameters: by their own name, or by a reference from a secret variable."""
    referenced = {name for node, variable in _variables(graph) for name in _param_references(node["env"][variable])}
    return [name for name in values if looks_secret(name) or name in referenced]


def _param_references(value: Any) -> Iterator[str]:
    """Yield the names of the parameters that a value refers to."""
    parts = [value]
    for part in parts:  # the list grows during the iteration
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            if isinstance(part.get("$param"), str):
                yield part["$param"]
            parts += part.values()


def _secret_variables(dag: Dag) -> Iterator[Any]:
    """Yield the templates of the secret variables of a linked graph."""
    for vertex in dag.vertices:
        if not vertex.call and isinstance(env := vertex.templates.env, DictOf):
            yield from (part for name, part in zip(env.keys, env.parts, strict=True) if looks_secret(name))


def _constants(template: Any) -> Iterator[Any]:
    """Yield the scalars in a template."""
    parts = [template]
    for part in parts:  # the list grows during the iteration
        if type(part) in CONTAINERS:
            parts += part.parts
        elif type(part) not in TEMPLATES:
            yield part
