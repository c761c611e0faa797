"""What a node does. The same functions serve all sides; they take their inputs and do not look at them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads.fib import fib
from workloads.spin import spend

MILLISECOND = 0.001


def empty(*_inputs: object) -> None:
    """Do nothing: all the time that such a node takes is the runner's own."""


def fib10(*_inputs: object) -> int:
    """Compute for some microseconds."""
    return fib(10)


def fib20(*_inputs: object) -> int:
    """Compute for about a millisecond, by calls alone."""
    return fib(20)


def fib35(*_inputs: object) -> int:
    """Compute for seconds."""
    return fib(35)


def busy_1ms(*_inputs: object) -> float:
    """Spend a millisecond of CPU time."""
    return spend(MILLISECOND)


def busy(seconds: float, *_inputs: object) -> float:
    """Spend so many seconds of CPU time."""
    return spend(seconds)


def note(log: list[tuple[int, tuple[Any, ...]]], node: int, *inputs: Any) -> int:
    """Note that a node ran, and with which inputs; the node's number is its result."""
    log.append((node, inputs))
    return node


@dataclass(frozen=True)
class Body:
    """A function that every node of a graph calls, what it returns, and how many nodes are a fair sample."""

    name: str
    function: Callable[..., Any]
    result: Any
    nodes: int

    @property
    def call(self) -> str:
        """The function's name in a graph file."""
        return f"{self.function.__module__}:{self.function.__name__}"


BODIES = {
    body.name: body
    for body in (
        Body("empty", empty, None, 10_000),
        Body("fib10", fib10, 55, 5_000),
        Body("fib20", fib20, 6765, 250),
        Body("1ms", busy_1ms, MILLISECOND, 250),
    )
}
CLASSIC = Body("fib35", fib35, 9227465, 4)
