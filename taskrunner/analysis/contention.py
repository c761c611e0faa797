"""Functions whose calls take longer the more of them run at once: what they share stands in their way.

A run with several workers is put beside one of the same graph with one worker, node by node. Of a function that
shares nothing each call takes as long as it did there, if there are processors for all workers. It has *grown* if its
nodes together took GROWTH times as long or more, beyond chance, and the time on top is one that matters. A lock that is
fair makes each node a little longer; one that is not makes some of them much longer, and the others not at all. So what
counts is by how much each took longer than GROWTH times its time: ``comparison.significance.most_p`` says how
likely such a sum is by chance. Since one function is judged after the other, each may be taken for grown by chance in
only that share of LEVEL which falls to it.

Where both runs measured CPU time, it tells what the calls did in the time that came on top: they waited, as for
a lock, or they worked longer for the same, as when two processors write to the same memory in turn.

Workers that share a core, its cache or its clock slow each other down as well, and so does whatever else keeps a
machine busy. Then most functions grow: that is why it is told how many were judged.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from taskrunner.analysis.attempts import DONE, Attempt, is_offloaded
from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.analysis.statistics import LEVEL, most_p
from taskrunner.errors import TaskrunnerError

GROWTH = 1.2
LEAST_S = 0.01  # what a function must have lost in all,
LEAST_SHARE = 0.01  # and of the workers' time
FEWEST = 5  # nodes of a function: fewer can never tell

type Pair = tuple[Attempt, Attempt]


class SlowedFunction(msgspec.Struct, frozen=True):
    """A function whose calls took longer with several workers, ``ran_s``, than with one, ``base_s``.

    ``nodes`` were compared, of which ``grown`` took GROWTH times as long or more. ``waiting``: which share of the time
    that came on top was no CPU time; None where that is not known.
    """

    call: str
    nodes: int
    grown: int
    base_s: float
    ran_s: float
    waiting: float | None

    @property
    def ratio(self) -> float:
        """How many times as long it took."""
        return self.ran_s / self.base_s


class Contention(msgspec.Struct, frozen=True):
    """A run with several ``workers`` beside the ``run`` with one; ``functions``: those of ``judged`` that have grown.

    ``gil``: the GIL was on in both.
    """

    run: str
    workers: int
    gil: bool
    judged: int
    functions: tuple[SlowedFunction, ...]


def read_contention(runs: Path, run_id: str, base_id: str) -> Contention | None:
    """Compare two runs of a directory; None: that cannot be done, or one of them cannot be read."""
    try:
        return contention(load_run(runs, run_id), load_run(runs, base_id))
    except TaskrunnerError:
        return None


def contention(run: RecordedRun, base: RecordedRun) -> Contention | None:
    """Compare a run with one of the same graph that had one worker.

    None: they cannot be compared, or no function has enough nodes.
    """
    if not _are_comparable(run, base):
        return None
    pairs: dict[str, list[Pair]] = {}
    for call, pair in _pairs(run, base):
        pairs.setdefault(call, []).append(pair)
    judged = {call: each for call, each in pairs.items() if len(each) >= FEWEST}
    if not judged:
        return None
    least_s = max(LEAST_S, LEAST_SHARE * run.workers * run.wall_s)
    found = [
        _slowed_function(call, each) for call, each in judged.items() if has_slowed(each, LEVEL / len(judged), least_s)
    ]
    found.sort(key=lambda each: (each.base_s - each.ran_s, each.call))
    return Contention(base.id, run.workers, run.has_gil, len(judged), tuple(found))


def has_slowed(pairs: list[Pair], level: float, least_s: float) -> bool:
    """Say whether the nodes of a function took longer, beyond chance, by enough, and by a time that matters."""
    base_s, ran_s = _sums(pairs)
    if not base_s or ran_s < GROWTH * base_s or ran_s - base_s < least_s:
        return False
    return most_p([now.ran_s - GROWTH * before.ran_s for before, now in pairs]) <= level


def _are_comparable(run: RecordedRun, base: RecordedRun) -> bool:
    """Say whether nothing but the number of workers sets the runs apart, and each worker had a processor."""
    if len(run.parts) > 1 or len(base.parts) > 1 or run.has_gil != base.has_gil:
        return False
    start, before = run.start, base.start
    if (start.platform, start.processors, start.python) != (before.platform, before.processors, before.python):
        return False
    return before.workers == 1 < start.workers <= start.processors


def _pairs(run: RecordedRun, base: RecordedRun) -> Iterator[tuple[str, Pair]]:
    """Give each plain call that both runs did at the first try, with what it calls."""
    for node, attempt in run.last.items():
        before = base.last.get(node)
        call = _call(run, attempt)
        if call and before is not None and _call(base, before) == call:
            yield call, (before, attempt)


def _call(run: RecordedRun, attempt: Attempt) -> str:
    """Return what a node calls; "" unless that is all that it did, on a worker, and that went well."""
    vertex = run.vertex(attempt)
    if vertex is None or attempt.state != DONE or attempt.event.attempt > 1 or is_offloaded(attempt):
        return ""
    return "" if vertex.is_mapped and attempt.child < 0 else vertex.call  # a mapped node only gathers


def _sums(pairs: list[Pair]) -> tuple[float, float]:
    return sum([before.ran_s for before, _ in pairs]), sum([now.ran_s for _, now in pairs])


def _count_slowed(pairs: list[Pair]) -> int:
    return sum([now.ran_s >= GROWTH * before.ran_s for before, now in pairs])


def _slowed_function(call: str, pairs: list[Pair]) -> SlowedFunction:
    return SlowedFunction(call, len(pairs), _count_slowed(pairs), *_sums(pairs), _waiting(pairs))


def _waiting(pairs: list[Pair]) -> float | None:
    """Return which share of the time on top was no CPU time; None: nobody knows."""
    more_s = more_cpu_s = 0.0
    for before, now in pairs:
        if before.cpu_s is None or now.cpu_s is None:
            return None
        more_s += now.ran_s - before.ran_s
        more_cpu_s += now.cpu_s - before.cpu_s
    return min(max(1 - more_cpu_s / more_s, 0.0), 1.0)
