"""Two nodes made to overlap, and to take turns in the middle of their lines as a seed says.

Both wait for each other before they begin. From then on one of them runs at a time, and at each instruction of their
own code (not the standard library's) the turn may pass to the other. So what they do is decided by the seed alone, as
long as neither waits for what the other holds: then the turn goes back, which costs BLOCKED seconds. Driving two
suspects into each other is the idea of Sen, "Race directed random testing of concurrent programs", 2008.
"""

import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

# Seconds that a node waits for the other to come, and that a turn may take before the other is thought to be stuck.
TURN_TIMEOUT_S = 0.5
BLOCKED_AFTER_S = 0.05
# After so many instructions the two run on freely: a long loop has been tried enough.
MAX_STEPS = 20_000
# So often may a node be stuck before the two run on freely: they keep a lock, and each time costs BLOCKED.
MAX_STUCK = 5
# How often the turn passes: seldom and often find different mistakes.
_SHARES = (0.5, 0.1, 0.02)
_FOREIGN = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), str(Path(__file__).parents[1]), "<frozen")

type Pair = tuple[str, str]


class Interleaving:
    """The meeting of a pair of nodes in one run. ``_changed`` guards all that is written after the two have met."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.has_happened = False
        self._random = Random(seed)  # noqa: S311  no secret
        self._share = self._random.choice(_SHARES)
        self._barrier = threading.Barrier(2, timeout=TURN_TIMEOUT_S)
        self._changed = threading.Condition()
        self._turn = self._random.randrange(2)
        self._came: set[str] = set()
        self._is_stuck = self._is_over = False
        self._steps = self._stuck = 0

    def call(self, node: str, function: Callable[[], Any]) -> Any:
        """Call a function for a node of the pair, in turns with the other one."""
        with self._changed:
            is_again = node in self._came
            self._came.add(node)
        if is_again:  # it is tried again
            return function()
        before = sys.gettrace()
        # Before either of them has begun: on 3.13t code loses events while another thread switches tracing on.
        sys.settrace(self._tracer(self.pair.index(node)))
        try:
            return self._in_turns(self.pair.index(node), function)
        finally:
            sys.settrace(before)

    def _in_turns(self, side: int, function: Callable[[], Any]) -> Any:
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:  # the other does not come
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
            if frame.f_code.co_filename.startswith(_FOREIGN):
                return None
            frame.f_trace_opcodes = True  # f_trace_lines stays on: without it 3.13 leaves out the first opcodes
            if event in ("opcode", "line"):
                self._step(side)
            return trace

        return trace

    def _step(self, side: int, *, is_first: bool = False) -> None:
        """Wait until it is this side's turn; if it is, perhaps pass it on."""
        with self._changed:
            if self._is_over or self._steps > MAX_STEPS:
                return
            if self._turn == side:
                if is_first:  # nothing is drawn: the other may have passed the turn on before this one came to wait
                    return
                self._steps += 1
                if self._is_stuck or self._random.random() > self._share:
                    return
                self._turn = 1 - side
                self._changed.notify()
            else:
                self._is_stuck = False  # the one that was thought to be stuck has come
            if not self._changed.wait_for(lambda: self._turn == side or self._is_over, BLOCKED_AFTER_S):
                self._turn, self._is_stuck = side, True
                self._stuck += 1
                self._is_over = self._stuck > MAX_STUCK
