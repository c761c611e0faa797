"""Interleaving: two overlapping nodes that alternate between instructions, as a seed determines.

Both nodes wait for each other before they begin. From then on one of them runs at a time. At each instruction of their
own code (not the standard library's) the turn may pass to the other node.

Guarantees: the seed alone determines the execution, as long as neither node waits for a resource that the other holds.
If one does, the turn returns to the holder, at a cost of BLOCKED_AFTER_S seconds.

The idea of driving two suspects into each other is from Sen, "Race directed random testing of concurrent programs",
2008.
"""

import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

# Seconds that a node waits for the other node of the pair to arrive.
ARRIVAL_TIMEOUT_S = 0.5
# Seconds that a node waits for its turn before the other node counts as blocked.
BLOCKED_AFTER_S = 0.05
# Instructions after which both nodes run freely: a long loop has been tested enough.
MAX_STEPS = 20_000
# Times that a node may be blocked before both run freely: they hold a lock, and each time costs BLOCKED_AFTER_S.
MAX_BLOCKED = 5
# Probabilities that the turn passes at an instruction: rare and frequent switches find different faults.
_SWITCH_PROBABILITIES = (0.5, 0.1, 0.02)
# Path prefixes of code whose instructions are not steps.
_EXCLUDED_PATHS = (
    sysconfig.get_path("stdlib"),
    sysconfig.get_path("purelib"),
    str(Path(__file__).parents[1]),
    "<frozen",
)

type Pair = tuple[str, str]


class Interleaving:
    """The interleaving of a pair of nodes in one run.

    Thread safety: ``_changed`` protects all state that is written after both nodes have arrived.
    """

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.has_happened = False
        self._random = Random(seed)  # noqa: S311  not a secret
        self._switch_probability = self._random.choice(_SWITCH_PROBABILITIES)
        self._barrier = threading.Barrier(2, timeout=ARRIVAL_TIMEOUT_S)
        self._changed = threading.Condition()
        self._turn = self._random.randrange(2)
        self._arrived: set[str] = set()
        self._is_blocked = self._is_over = False
        self._steps = self._blocked_count = 0

    def call(self, node: str, function: Callable[[], Any]) -> Any:
        """Call a function for a node of the pair, interleaved with the call of the other node."""
        with self._changed:
            is_retry = node in self._arrived
            self._arrived.add(node)
        if is_retry:
            return function()
        previous = sys.gettrace()
        # Before either node has begun: on 3.13t code loses events while another thread enables tracing.
        sys.settrace(self._tracer(self.pair.index(node)))
        try:
            return self._call_in_turns(self.pair.index(node), function)
        finally:
            sys.settrace(previous)

    def _call_in_turns(self, side: int, function: Callable[[], Any]) -> Any:
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:  # the other node does not arrive
            self._is_over = True
            return function()
        self.has_happened = True
        try:
            self._step(side, is_first=True)
            return function()
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()

    def _tracer(self, side: int) -> Callable[[FrameType, str, Any], Any]:
        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename.startswith(_EXCLUDED_PATHS):
                return None
            frame.f_trace_opcodes = True  # f_trace_lines stays on: without it 3.13 omits the first opcodes
            if event in ("opcode", "line"):
                self._step(side)
            return trace

        return trace

    def _step(self, side: int, *, is_first: bool = False) -> None:
        """Wait until it is this side's turn; if it already is, pass the turn to the other side at random."""
        with self._changed:
            if self._is_over or self._steps > MAX_STEPS:
                return
            if self._turn == side:
                if is_first:  # without a random draw: the other side may have passed the turn before this side waited
                    return
                self._steps += 1
                if self._is_blocked or self._random.random() > self._switch_probability:
                    return
                self._turn = 1 - side
                self._changed.notify()
            else:
                self._is_blocked = False  # the side that counted as blocked has arrived
            if not self._changed.wait_for(lambda: self._turn == side or self._is_over, BLOCKED_AFTER_S):
                self._turn, self._is_blocked = side, True
                self._blocked_count += 1
                self._is_over = self._blocked_count > MAX_BLOCKED
