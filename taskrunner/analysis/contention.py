"""Contention: functions whose calls take longer when several workers run them at once.

The module compares, node by node, a run with several workers with a run of the same graph with one worker. Calls of a
function that shares nothing take as long in both runs, if each worker has a processor. A function has *grown* if all of
these hold:

- its nodes together took at least GROWTH times as long;
- the additional time is at least MIN_RISE_S, and at least MIN_RISE_SHARE of the workers' time;
- chance is an unlikely explanation.

A fair lock makes each node a little longer. An unfair lock makes some nodes much longer and does not affect the others.
Therefore the test uses the seconds by which each node exceeded GROWTH times its earlier time.
``analysis.statistics.max_p`` returns an upper bound on the probability that chance alone produces such a sum. Several
functions are judged, so each one may use only its share of LEVEL.

If both runs measured CPU time, it classifies the additional time. Either the calls waited, as for a lock,
or they used more CPU time for the same result. An example of the latter is two processors that write in turn to the
same memory.

Workers that share a core, its cache or its clock also slow each other down, and so does any other load of the machine.
In that case most functions grow. Reports therefore also state the number of judged functions.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from taskrunner.analysis.attempts import DONE, Attempt, is_offloaded
from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.analysis.statistics import LEVEL, max_p
from taskrunner.errors import TaskrunnerError

GROWTH = 1.2
MIN_RISE_S = 0.01  # additional seconds of all nodes of a function
MIN_RISE_SHARE = 0.01  # the same, as a share of the workers' time
MIN_NODES = 5  # nodes of a function: with fewer, no difference can be significant

type Pair = tuple[Attempt, Attempt]


class SlowedFunction(msgspec.Struct, frozen=True):
    """A function whose calls took longer with several workers, ``ran_s``, than with one, ``base_s``.

    ``nodes`` is the number of compared nodes; ``grown`` of them took at least GROWTH times as long. ``waiting`` is the
    share of the additional time that was not CPU time, or None if CPU time was not measured.
    """

    call: str
    nodes: int
    grown: int
    base_s: float
    ran_s: float
    waiting: float | None

    @property
    def ratio(self) -> float:
        """The time with several workers divided by the time with one."""
        return self.ran_s / self.base_s


class Contention(msgspec.Struct, frozen=True):
    """The comparison of a run that had several ``workers`` with ``run``, which had one.

    ``judged`` is the number of functions with enough nodes; ``functions`` are those of them that have grown. ``gil`` is
    whether the GIL was on in both runs.
    """

    run: str
    workers: int
    gil: bool
    judged: int
    functions: tuple[SlowedFunction, ...]


def read_contention(runs: Path, run_id: str, base_id: str) -> Contention | None:
    """Compare two runs of a directory; return None if they are unreadable or not comparable."""
    try:
        return find_contention(load_run(runs, run_id), load_run(runs, base_id))
    except TaskrunnerError:
        return None


def find_contention(run: RecordedRun, base: RecordedRun) -> Contention | None:
    """Compare a run with a run of the same graph that had one worker.

    Return None if the runs are not comparable, or if no function has enough nodes.
    """
    if not _are_comparable(run, base):
        return None
    pairs: dict[str, list[Pair]] = {}
    for call, pair in _find_pairs(run, base):
        pairs.setdefault(call, []).append(pair)
    judged = {call: each for call, each in pairs.items() if len(each) >= MIN_NODES}
    if not judged:
        return None
    min_rise_s = max(MIN_RISE_S, MIN_RISE_SHARE * run.workers * run.wall_s)
    level = LEVEL / len(judged)
    slowed = [_slowed_function(call, each) for call, each in judged.items() if has_slowed(each, level, min_rise_s)]
    slowed.sort(key=lambda each: (each.base_s - each.ran_s, each.call))
    return Contention(base.id, run.workers, run.has_gil, len(judged), tuple(slowed))


def has_slowed(pairs: list[Pair], level: float, min_rise_s: float) -> bool:
    """Return whether the nodes of a function took longer by at least GROWTH and ``min_rise_s``, beyond chance."""
    base_s, ran_s = _sum_seconds(pairs)
    if not base_s or ran_s < GROWTH * base_s or ran_s - base_s < min_rise_s:
        return False
    return max_p([now.ran_s - GROWTH * before.ran_s for before, now in pairs]) <= level


def _are_comparable(run: RecordedRun, base: RecordedRun) -> bool:
    """Return whether the runs differ only in the number of workers, and each worker had a processor."""
    if len(run.parts) > 1 or len(base.parts) > 1 or run.has_gil != base.has_gil:
        return False
    start, before = run.start, base.start
    if (start.platform, start.processors, start.python) != (before.platform, before.processors, before.python):
        return False
    return before.workers == 1 < start.workers <= start.processors


def _find_pairs(run: RecordedRun, base: RecordedRun) -> Iterator[tuple[str, Pair]]:
    """Yield the called function and both attempts of each synchronous call whose first attempt succeeded in both."""
    for node, attempt in run.last.items():
        before = base.last.get(node)
        call = _call(run, attempt)
        if call and before is not None and _call(base, before) == call:
            yield call, (before, attempt)


def _call(run: RecordedRun, attempt: Attempt) -> str:
    """Return the function of a node, or "" unless the attempt is a first, successful call on a worker."""
    vertex = run.vertex(attempt)
    if vertex is None or attempt.state != DONE or attempt.event.attempt > 1 or is_offloaded(attempt):
        return ""
    return "" if vertex.is_mapped and attempt.child < 0 else vertex.call  # a mapped node only gathers results


def _sum_seconds(pairs: list[Pair]) -> tuple[float, float]:
    return sum([before.ran_s for before, _ in pairs]), sum([now.ran_s for _, now in pairs])


def _count_slowed(pairs: list[Pair]) -> int:
    return sum([now.ran_s >= GROWTH * before.ran_s for before, now in pairs])


def _slowed_function(call: str, pairs: list[Pair]) -> SlowedFunction:
    return SlowedFunction(call, len(pairs), _count_slowed(pairs), *_sum_seconds(pairs), _waiting_share(pairs))


def _waiting_share(pairs: list[Pair]) -> float | None:
    """Return the share of the additional time that was not CPU time, or None if CPU time was not measured."""
    more_s = more_cpu_s = 0.0
    for before, now in pairs:
        if before.cpu_s is None or now.cpu_s is None:
            return None
        more_s += now.ran_s - before.ran_s
        more_cpu_s += now.cpu_s - before.cpu_s
    return min(max(1 - more_cpu_s / more_s, 0.0), 1.0)
