"""What a node does, in a few words."""

import msgspec
from msgspec import UNSET

from taskrunner.graph.dag import Vertex


def label(vertex: Vertex) -> str:
    """Say what a node calls or which command it runs, and which options decide whether and how often."""
    spec = vertex.options
    what = vertex.call or f"$ {' '.join(_words(vertex))}"
    marks = [name for name in ("map", "when") if getattr(spec, name) is not UNSET]
    marks += ["always"] if spec.always else []
    return what + (f" [{', '.join(marks)}]" if marks else "")


def kind(vertex: Vertex) -> str:
    """Say what a node has in common with others like it: the callable, or a command's first word."""
    return vertex.call or f"$ {next(iter(' '.join(_words(vertex)).split()), '')}"


def _words(vertex: Vertex) -> list[str]:
    command = vertex.options.run
    return [command] if isinstance(command, str) else [_word(part) for part in command or ()]


def _word(part: object) -> str:
    return part if isinstance(part, str) else msgspec.json.encode(part, enc_hook=repr).decode()
