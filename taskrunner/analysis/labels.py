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


def function_of(vertex: Vertex) -> str:
    """Name what nodes have in common that do the same: what they call, or their command's program; ``$ …``: unknown."""
    run = vertex.options.run
    words = run.split() if isinstance(run, str) else run or ()
    program = words[0] if words else None
    return vertex.call or (f"$ {program}" if isinstance(program, str) else "$ …")


def _words(vertex: Vertex) -> list[str]:
    command = vertex.options.run
    return [command] if isinstance(command, str) else [_word(part) for part in command or ()]


def _word(part: object) -> str:
    return part if isinstance(part, str) else msgspec.json.encode(part, enc_hook=repr).decode()
