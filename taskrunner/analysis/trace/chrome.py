"""Chrome trace of a run, for Perfetto, speedscope and chrome://tracing.

Each attempt is a slice on the lane of its worker. Arrows lead to it from its dependencies. Streams of events are
created in time order and merged during writing, so the events are never all in memory.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from operator import attrgetter, itemgetter

import msgspec
from msgspec import UNSET

from taskrunner.analysis.attempts import ALLOWED, CACHED, FAILED, RETRIED, Attempt
from taskrunner.analysis.formatting import first_line
from taskrunner.analysis.labels import label
from taskrunner.analysis.lanes import Lane, nanoseconds
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.trace import chrome_format as trace_event
from taskrunner.analysis.trace.chrome_format import (
    Complete,
    Counter,
    Counts,
    FlowEnd,
    FlowStart,
    Instant,
    Metadata,
    SliceArgs,
    TraceEvent,
)
from taskrunner.analysis.trace.slices import Slice, assign_lanes
from taskrunner.events.types import GilSwitchedOn, RunWarning

# With at most this many edges, each edge has an arrow. With more, each node has one arrow, from the dependency that
# ended last. Then the size of the file is proportional to the number of nodes, and each node can still be traced back.
MAX_EDGES = 5_000

DEPENDENCY = "dependency"
STEAL = "steal"

_MAX_LENGTH = 300  # characters of the first line of an error, or of a command
_COLORS = {FAILED: "terrible", ALLOWED: "bad", RETRIED: "bad", CACHED: "grey"}


class Flow(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An arrow from the end of one slice to the start of another; ``kind`` is DEPENDENCY or STEAL."""

    id: int
    kind: str
    source: Slice
    target: Slice

    @property
    def begin(self) -> int:
        """The time one nanosecond before the source's end, because a slice does not enclose its end."""
        return self.source.end - 1


def chrome_trace(run: RecordedRun) -> Iterator[bytes]:
    """Yield the trace of a run in the Trace Event Format, in pieces."""
    slices, lanes = assign_lanes(run)
    flows = list(_flows(run, slices))
    # Among events at the same time, a slice precedes the arrows that it encloses.
    events = heapq.merge(
        _run_events(run),
        _steals(slices),
        _completes(run, slices),
        _flow_ends(flows),
        _flow_starts(flows),
        _counters(slices),
        key=attrgetter("ts"),
    )
    return trace_event.encode(itertools.chain(_names(run, lanes), events), _run_data(run))


def _us(time_ns: int) -> float:
    return time_ns / 1e3


def _tid(lane: int) -> int:
    return lane + 100  # viewers interpret 0 as an idle thread, and the id of the process as its main thread


def _names(run: RecordedRun, lanes: Sequence[Lane]) -> Iterator[Metadata]:
    """Yield the names of the process and of the lanes."""
    yield Metadata(name="process_name", tid=_tid(0), args={"name": f"taskrunner {run.name}"})
    for number, lane in enumerate(lanes):
        yield Metadata(name="thread_name", tid=_tid(number), args={"name": f"{lane.kind} {lane.number}"})
        yield Metadata(name="thread_sort_index", tid=_tid(number), args={"sort_index": number})


def _run_events(run: RecordedRun) -> list[Instant]:
    """Return the events of the run as a whole: the starts of its parts, its warnings, its end."""
    events = [(time, "run", "resumed" if part else "start", "") for part, time in enumerate(run.parts)]
    events += [(time, "warning", "warning", _message(alert)) for time, alert in run.alerts]
    if run.done is not None:
        events.append((run.wall_s, "run", "end", run.state))
    return [
        Instant(name=name, ts=_us(nanoseconds(time)), tid=_tid(0), cat=cat, s="p", args={"message": message})
        for time, cat, name, message in sorted(events, key=itemgetter(0))
    ]


def _message(alert: RunWarning | GilSwitchedOn) -> str:
    if isinstance(alert, RunWarning):
        return alert.message
    return f'importing "{alert.module}" switched the GIL on' if alert.module else "the GIL was switched on"


def _steals(slices: Sequence[Slice]) -> Iterator[Instant]:
    """Yield an instant for each steal, a nanosecond before the slice.

    Within the slice, Perfetto would let the arrows of the slice begin at the instant.
    """
    for each in slices:
        if each.attempt.event.stolen:
            yield Instant(name=STEAL, ts=_us(each.start - 1), tid=_tid(each.lane), cat=STEAL, s="t")


def _completes(run: RecordedRun, slices: Sequence[Slice]) -> Iterator[Complete]:
    critical = frozenset(run.critical_path[1])
    for each in slices:
        attempt = each.attempt
        is_critical = attempt.node in critical
        yield Complete(
            name=attempt.node,
            ts=_us(each.start),
            tid=_tid(each.lane),
            cat="node,critical" if is_critical else "node",
            dur=_us(each.end - each.start),
            args=_args(run, each, is_critical=is_critical),
            cname=_COLORS.get(attempt.state, UNSET),
        )


def _args(run: RecordedRun, each: Slice, *, is_critical: bool) -> SliceArgs:
    attempt = each.attempt
    ran = nanoseconds(attempt.ran_s)
    return SliceArgs(
        node=attempt.node,
        attempt=attempt.event.attempt,
        state=attempt.state,
        queued_us=_us(nanoseconds(attempt.queued_s)),
        call=_call(run, attempt),
        error=first_line(attempt.failure.error)[:_MAX_LENGTH] if attempt.failure else "",
        stolen=attempt.event.stolen,
        critical=is_critical,
        timeout_s=attempt.timeout.timeout_s if attempt.timeout else UNSET,
        ran_us=_us(ran) if ran > each.end - each.start else UNSET,
        cpu_us=UNSET if attempt.cpu_s is None else _us(nanoseconds(attempt.cpu_s)),
    )


def _call(run: RecordedRun, attempt: Attempt) -> str:
    vertex = run.vertex(attempt)
    return "" if vertex is None else vertex.call or label(vertex)[:_MAX_LENGTH]


def _flows(run: RecordedRun, slices: Sequence[Slice]) -> Iterator[Flow]:
    """Yield the arrows, by the start of their target."""
    slice_of = {id(each.attempt): each for each in slices}
    has_few_edges = sum(len(run.needs(each.attempt.node)) for each in slices) <= MAX_EDGES
    number = itertools.count(1)
    for each in slices:
        if each.released is None:
            continue
        causes = run.awaited(each.attempt) if has_few_edges else [each.released]
        pairs = [(DEPENDENCY, cause) for cause in causes]
        if each.attempt.event.stolen and run.stolen_from(each.attempt) == each.released.worker:
            pairs.append((STEAL, each.released))
        for kind, cause in pairs:
            source = slice_of[id(cause)]
            if source.end <= each.start:  # false only if no run produced these times
                yield Flow(next(number), kind, source, each)


def _flow_starts(flows: Sequence[Flow]) -> Iterator[FlowStart]:
    for flow in sorted(flows, key=attrgetter("begin")):
        yield FlowStart(name=flow.kind, ts=_us(flow.begin), tid=_tid(flow.source.lane), cat=flow.kind, id=flow.id)


def _flow_ends(flows: Sequence[Flow]) -> Iterator[FlowEnd]:
    for flow in flows:
        yield FlowEnd(name=flow.kind, ts=_us(flow.target.start), tid=_tid(flow.target.lane), cat=flow.kind, id=flow.id)


def _counters(slices: Sequence[Slice]) -> Iterator[TraceEvent]:
    """Yield the numbers of ready and running nodes, at each time at which one of them changes."""
    steps = heapq.merge(
        ((time, 1, 0) for time in sorted(map(attrgetter("ready"), slices))),
        ((each.start, -1, 1) for each in slices),
        ((time, 0, -1) for time in sorted(map(attrgetter("end"), slices))),
    )
    previous, counts = Counts(-1, -1), Counts(0, 0)
    for time, group in itertools.groupby(steps, key=itemgetter(0)):
        for _, ready, running in group:
            counts = Counts(counts.ready + ready, counts.running + running)
        if counts != previous:
            yield Counter(name="nodes", ts=_us(time), tid=_tid(0), args=counts)
            previous = counts


def _run_data(run: RecordedRun) -> dict[str, str | int | float]:
    """Return the data of the run as a whole, which a viewer may show."""
    return {
        "run": run.id,
        "graph": run.name,
        "state": run.state,
        "python": run.start.python,
        "gil": "on" if run.has_gil else "off",
        "platform": run.start.platform,
        "workers": run.start.workers,
        "wall_s": run.wall_s,
        "critical_path_s": run.critical_path[0],
        "skipped": len(run.skipped),
    }
