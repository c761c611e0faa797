"""Run random graphs for a given time, each checked against a serial model of what should have happened.

Their nodes are calls, async functions, commands and maps. They fail at random, are tried again, take too long,
may fail, are guarded, share pools; some runs are cut short by a time-out of their own, then only what has
finished is checked. Between graphs no thread, no file descriptor and no child process may be left, and
memory must not grow.

Usage: ``uv run scripts/soak.py [--seconds 60] [--seed N] [--workers 4]``. It ends with exit code 1 at the
first difference, after printing the seed that shows it again (``--seed N --seconds 0.1``).
"""

import argparse
import asyncio
import gc
import itertools
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import taskrunner
from benchmark import machine, options

DONE, FAILED, SKIPPED = "done", "failed", "skipped"
LONG = 60.0  # nobody waits for it
SHORT = 0.05
SIZES = (3, 10, 40, 120)
WARM_UP = 30  # graphs before memory is looked at
MOST_GROWTH = 64 * 2**20


class WrongRunError(Exception):
    """A run that was not what the model says."""


class SlowRunError(Exception):
    """A run in which the machine was so slow that a node timed out which was not to hang: it tells nothing."""


@dataclass
class Node:
    """What one node is to do. ``fails``: so many attempts fail; ``hangs``: the last of them by taking too long."""

    number: int
    kind: str
    needs: list[int]
    fails: int = 0
    retries: int = 0
    hangs: bool = False
    allow_failure: bool = False
    always: bool = False
    guard: bool = True
    items: int = 0
    pool: str = ""
    attempts: "dict[int, itertools.count[int]]" = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node's id."""
        return f"n{self.number}"


def likely(chance: random.Random, share: float) -> bool:
    """Say yes in so many of all cases."""
    return chance.random() < share


def make(chance: random.Random) -> list[Node]:
    """Make the nodes of a random graph."""
    nodes: list[Node] = []
    size, hanging = chance.choice(SIZES), likely(chance, 0.3)
    for number in range(size):
        needs = sorted(chance.sample(range(number), min(number, chance.choice((0, 1, 1, 2, 3)))))
        kind = chance.choices(("call", "async", "command", "map"), (12, 3, int(size < SIZES[-1]), 2))[0]
        node = Node(number, kind, needs)
        if likely(chance, 0.2):
            node.fails, node.retries = chance.choice(((1, 1), (2, 2), (1, 3), (1, 0), (3, 1)))
            node.hangs = hanging and kind != "map" and likely(chance, 0.3)
        node.allow_failure, node.always = likely(chance, 0.2), likely(chance, 0.1)
        node.guard = likely(chance, 0.95)
        node.items = chance.randrange(5) if kind == "map" else 0
        node.pool = chance.choice(("", "", "", "small"))
        nodes.append(node)
    return nodes


def model(nodes: list[Node]) -> dict[str, tuple[str, Any]]:
    """Return the state and the value of every node, by a serial look at the graph."""
    found: dict[str, tuple[str, Any]] = {}
    for node in nodes:
        inputs = [found[nodes[i].name] for i in node.needs]
        is_cut = any(state == SKIPPED or (state == FAILED and not nodes[i].allow_failure)
                     for (state, _), i in zip(inputs, node.needs, strict=True))  # fmt: skip
        if (is_cut and not node.always) or not node.guard:
            found[node.name] = (SKIPPED, None)
            continue
        base = value_of(node.number, [] if node.kind == "command" else [value for _, value in inputs])
        is_failing = node.fails > node.retries
        if node.kind == "map":
            found[node.name] = _model_map(node, base, is_failing=is_failing)
        else:
            found[node.name] = (FAILED, None) if is_failing else (DONE, base)
    return found


def _model_map(node: Node, base: int, *, is_failing: bool) -> tuple[str, Any]:
    if not is_failing or not node.items:
        return DONE, [base + item for item in range(node.items)]
    return (DONE, [None] * node.items) if node.allow_failure else (SKIPPED, None)


def value_of(number: int, inputs: list[Any]) -> int:
    """Return a node's value: another one for other inputs."""
    flat = [sum(v or 0 for v in value) if isinstance(value, list) else value or 0 for value in inputs]
    return (number * 31 + sum(place * value for place, value in enumerate(flat, 1))) % 100_003


def function_of(node: Node) -> Callable[..., Any]:
    """Return the function of a node that is no command."""

    def attempt(item: int) -> bool:
        return next(node.attempts.setdefault(item, itertools.count(1))) > node.fails

    def call(*inputs: Any) -> int:
        if attempt(0):
            return value_of(node.number, list(inputs))
        if node.hangs:
            taskrunner.current().sleep(LONG)
        raise ValueError(node.name)

    def child(item: int, inputs: list[Any]) -> int:
        if attempt(item):
            return value_of(node.number, inputs) + item
        raise ValueError(node.name)

    async def awaited(*inputs: Any) -> int:
        await asyncio.sleep(0.001)
        if attempt(0):
            return value_of(node.number, list(inputs))
        if node.hangs:
            await asyncio.sleep(LONG)
        raise ValueError(node.name)

    return {"call": call, "async": awaited, "map": child}[node.kind]


def script_of(node: Node, folder: Path) -> str:
    """Return the shell's words for a command: it counts its attempts in a file."""
    count = folder / node.name
    wait = f"sleep {LONG}; " if node.hangs else ""
    tried = f"n=$(($(cat {count} 2>/dev/null || echo 0) + 1)); echo $n > {count}"
    return f"{tried}; if [ $n -le {node.fails} ]; then {wait}exit 3; fi; echo {value_of(node.number, [])}"


def build(nodes: list[Node], folder: Path) -> taskrunner.Graph:
    """Build the graph."""
    graph = taskrunner.Graph("soak", pools={"small": 2})
    handles: list[taskrunner.Handle] = []
    for node in nodes:
        inputs = [handles[i] for i in node.needs]
        said: dict[str, Any] = {"id": node.name, "allow_failure": node.allow_failure, "always": node.always}
        said["retries"] = taskrunner.Retry(node.retries, backoff=0.002, jitter=0.002) if node.retries else 0
        said["when"] = node.guard
        if node.pool:
            said["pool"] = node.pool
        if node.hangs and node.fails:
            said["timeout"] = SHORT
        if node.kind == "command":
            handles.append(graph.run(script_of(node, folder), needs=inputs, capture="json", **said))
        elif node.kind == "map":
            handles.append(graph.map(function_of(node), list(range(node.items)), inputs, **said))
        else:
            handles.append(graph.call(function_of(node), *inputs, **said))
    graph.output(*handles)
    return graph


def check(nodes: list[Node], result: taskrunner.RunResult, *, is_cut: bool) -> None:
    """Compare a run with the model; one that was cut short only in what it has finished.

    Raises:
        WrongRunError: they differ.
        SlowRunError: they differ because an attempt took long that was not to hang.

    """
    expected = model(nodes)
    late = {failure.node for failure in result.failures if isinstance(failure.error, taskrunner.NodeTimeoutError)}
    if not is_cut and any(node.name in late and node.fails <= node.retries for node in nodes):
        raise SlowRunError
    ends = [timing for timing in result.timing if timing.state != "retried"]
    found = {timing.node: timing.state for timing in ends}
    if len(ends) != len(found) or not expected.keys() <= found.keys():
        raise WrongRunError(f"{len(nodes)} nodes, {len(found)} of them ended, with {len(ends)} ends")
    as_ever: set[int] = set()  # what came about as it would have in a run that was not cut short
    for node in nodes:
        name = node.name
        (state, value), ended = expected[name], found[name]
        if is_cut and node.kind == "map" and node.fails:
            continue  # its children may have been cut short, each of them
        if ended == state and as_ever.issuperset(node.needs):
            as_ever.add(node.number)
            if state == DONE and result.outputs[name] != value:
                raise WrongRunError(f"{name} gave {result.outputs[name]}, not {value}")
        elif not is_cut:
            raise WrongRunError(f"{name} is {ended}, not {state}")
    must = [f"{node.name}" for node in nodes if expected[node.name][0] == FAILED and not node.allow_failure]
    must += [node.name for node in nodes if node.kind == "map" and node.fails > node.retries and node.items
             and expected[node.name][0] == SKIPPED and node.guard and f"{node.name}[0]" in found]  # fmt: skip
    if not is_cut and result.ok != (not must):
        raise WrongRunError(f"the run is {'ok' if result.ok else 'not ok'} though {must} failed")


def open_things() -> tuple[int, int, int]:
    """Return how many threads, file descriptors and children this process has."""
    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    return threading.active_count(), len(os.listdir("/proc/self/fd")), children  # noqa: PTH208  it counts itself alike


def settle(before: tuple[int, int, int]) -> None:
    """Wait until nothing is open that was not before; lost calls need a moment to notice.

    Raises:
        WrongRunError: something stays.

    """
    end = time.monotonic() + 10
    while (now := open_things()) != before:
        if time.monotonic() > end:
            raise WrongRunError(f"threads, file descriptors, children: {now}, and before: {before}")
        time.sleep(0.005)


def soak(seed: int, workers: int) -> int:
    """Run the graph of one seed, check it, and return its nodes."""
    chance = random.Random(seed)  # noqa: S311  no secret
    nodes = make(chance)
    timeout = chance.choice((0.001, 0.02, 0.05)) if likely(chance, 0.15) else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_dir = folder / "runs" if likely(chance, 0.3) else None
        graph = build(nodes, folder)
        result = taskrunner.run(
            graph, workers=chance.randint(1, workers), stop_after=0, timeout=timeout, run_dir=run_dir
        )
        check(nodes, result, is_cut=bool(result.summary.timed_out_s))
    return len(nodes)


def main() -> None:
    """Soak, and say what was done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=options.seconds, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first graph; the next one has the next")
    parser.add_argument("--workers", type=options.positive, default=4)
    chosen = parser.parse_args()
    print(machine.words(machine.describe()), flush=True)
    end, nodes, slow, seed, size = time.monotonic() + chosen.seconds, 0, 0, chosen.seed, 0
    soak(-1, chosen.workers)  # imports, and what is opened once
    before = open_things()
    while True:
        try:
            nodes += soak(seed, chosen.workers)
            settle(before)
            gc.collect()
            if seed == chosen.seed + WARM_UP:
                size = resident()
            if size and (growth := resident() - size) > MOST_GROWTH:
                raise WrongRunError(f"{growth >> 20} MiB more than after {WARM_UP} graphs")  # noqa: TRY301
        except SlowRunError:
            slow += 1
        except WrongRunError as error:
            sys.exit(f"seed {seed}: {error}")
        seed += 1
        if time.monotonic() > end:
            break
    grown = f", {(resident() - size) / 2**20:+.1f} MiB since graph {WARM_UP}" if size else ""
    told = f", {slow} of them too slow to tell" if slow else ""
    print(f"{seed - chosen.seed} graphs{told}, {nodes} nodes, no difference, nothing left open{grown}")


def resident() -> int:
    """Return the resident size of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
