"""Labels of nodes: a short description of the call or the command of a node."""

import msgspec
from msgspec import UNSET

from taskrunner.graph.dag import Vertex


def label(vertex: Vertex) -> str:
    """Return the function or the command of a node, with the options that control whether and how often it runs."""
    spec = vertex.options
    action = vertex.call or f"$ {' '.join(_words(vertex))}"
    marks = [name for name in ("map", "when") if getattr(spec, name) is not UNSET]
    marks += ["always"] if spec.always else []
    return action + (f" [{', '.join(marks)}]" if marks else "")


def function_of(vertex: Vertex) -> str:
    """Return the name that groups similar nodes: the called function, or the program of the command.

    A command whose program is unknown is ``$ …``.
    """
    run = vertex.options.run
    words = run.split() if isinstance(run, str) else run or ()
    program = words[0] if words else None
    return vertex.call or (f"$ {program}" if isinstance(program, str) else "$ …")


def _words(vertex: Vertex) -> list[str]:
    command = vertex.options.run
    return [command] if isinstance(command, str) else [_word(part) for part in command or ()]


def _word(part: object) -> str:
    return part if isinstance(part, str) else msgspec.json.encode(part, enc_hook=repr).decode()
