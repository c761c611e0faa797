"""A run as a Chrome trace, which Perfetto, speedscope and chrome://tracing read.

Each attempt is a slice on the lane of its worker; arrows lead to it from what it needs. Streams of events are
made in the order of time and merged while they are written: none is kept.
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
from taskrunner.analysis.trace.slices import Slice, place
from taskrunner.events.types import GilSwitchedOn, RunWarning

# Up to so many edges each has an arrow. Of more, each node has the one from what made it ready: the last that it
# waited for. A file stays in proportion to the nodes then, and a reader can still follow any node back.
ALL_EDGES = 5_000

DEPENDENCY = "dependency"
STEAL = "steal"

_LONGEST = 300  # characters of an error's line, or of a command
_COLOURS = {FAILED: "terrible", ALLOWED: "bad", RETRIED: "bad", CACHED: "grey"}


class Flow(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An arrow from the end of one slice to the start of another; ``kind`` is DEPENDENCY or STEAL."""

    id: int
    kind: str
    source: Slice
    target: Slice

    @property
    def begin(self) -> int:
        """A nanosecond before the source's end: at the end itself a slice does not enclose it any more."""
        return self.source.end - 1


def chrome_trace(run: RecordedRun) -> Iterator[bytes]:
    """Yield the trace of a run in the Trace Event Format, piece by piece."""
    slices, lanes = place(run)
    flows = list(_flows(run, slices))
    # Of events at the same time a slice comes before the arrows that it encloses.
    events = heapq.merge(
        _moments(run),
        _steals(slices),
        _completes(run, slices),
        _flow_ends(flows),
        _flow_starts(flows),
        _counters(slices),
        key=attrgetter("ts"),
    )
    return trace_event.encode(itertools.chain(_names(run, lanes), events), _known(run))


def _us(moment: int) -> float:
    return moment / 1e3


def _tid(lane: int) -> int:
    return lane + 100  # readers take 0 for an idle thread, and one that is the process's own for its main thread


def _names(run: RecordedRun, lanes: Sequence[Lane]) -> Iterator[Metadata]:
    """Name the process and the lanes."""
    yield Metadata(name="process_name", tid=_tid(0), args={"name": f"taskrunner {run.name}"})
    for number, lane in enumerate(lanes):
        yield Metadata(name="thread_name", tid=_tid(number), args={"name": f"{lane.kind} {lane.number}"})
        yield Metadata(name="thread_sort_index", tid=_tid(number), args={"sort_index": number})


def _moments(run: RecordedRun) -> list[Instant]:
    """Return what happened to the run as a whole: its parts, its warnings, its end."""
    told = [(moment, "run", "resumed" if part else "start", "") for part, moment in enumerate(run.parts)]
    told += [(moment, "warning", "warning", _text(alert)) for moment, alert in run.alerts]
    if run.done is not None:
        told.append((run.wall_s, "run", "end", run.state))
    return [
        Instant(name=name, ts=_us(nanoseconds(moment)), tid=_tid(0), cat=cat, s="p", args={"message": text})
        for moment, cat, name, text in sorted(told, key=itemgetter(0))
    ]


def _text(alert: RunWarning | GilSwitchedOn) -> str:
    if isinstance(alert, RunWarning):
        return alert.message
    return f'importing "{alert.module}" switched the GIL on' if alert.module else "the GIL was switched on"


def _steals(slices: Sequence[Slice]) -> Iterator[Instant]:
    """Yield a moment for each steal, a nanosecond before the slice: within it, Perfetto has its arrows begin there."""
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
            cname=_COLOURS.get(attempt.state, UNSET),
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
        error=first_line(attempt.failure.error)[:_LONGEST] if attempt.failure else "",
        stolen=attempt.event.stolen,
        critical=is_critical,
        timeout_s=attempt.timeout.timeout_s if attempt.timeout else UNSET,
        ran_us=_us(ran) if ran > each.end - each.start else UNSET,
        cpu_us=UNSET if attempt.cpu_s is None else _us(nanoseconds(attempt.cpu_s)),
    )


def _call(run: RecordedRun, attempt: Attempt) -> str:
    vertex = run.vertex(attempt)
    return "" if vertex is None else vertex.call or label(vertex)[:_LONGEST]


def _flows(run: RecordedRun, slices: Sequence[Slice]) -> Iterator[Flow]:
    """Yield the arrows by the start of what they lead to."""
    placed = {id(each.attempt): each for each in slices}
    has_few_edges = sum(len(run.needs(each.attempt.node)) for each in slices) <= ALL_EDGES
    number = itertools.count(1)
    for each in slices:
        if each.released is None:
            continue
        causes = run.awaited(each.attempt) if has_few_edges else [each.released]
        pairs = [(DEPENDENCY, cause) for cause in causes]
        if each.attempt.event.stolen and run.stolen_from(each.attempt) == each.released.worker:
            pairs.append((STEAL, each.released))
        for kind, cause in pairs:
            source = placed[id(cause)]
            if source.end <= each.start:  # else the times are not those of a run
                yield Flow(next(number), kind, source, each)


def _flow_starts(flows: Sequence[Flow]) -> Iterator[FlowStart]:
    for flow in sorted(flows, key=attrgetter("begin")):
        yield FlowStart(name=flow.kind, ts=_us(flow.begin), tid=_tid(flow.source.lane), cat=flow.kind, id=flow.id)


def _flow_ends(flows: Sequence[Flow]) -> Iterator[FlowEnd]:
    for flow in flows:
        yield FlowEnd(name=flow.kind, ts=_us(flow.target.start), tid=_tid(flow.target.lane), cat=flow.kind, id=flow.id)


def _counters(slices: Sequence[Slice]) -> Iterator[TraceEvent]:
    """Count who is ready and who runs, at each moment at which that changes."""
    steps = heapq.merge(
        ((moment, 1, 0) for moment in sorted(map(attrgetter("ready"), slices))),
        ((each.start, -1, 1) for each in slices),
        ((moment, 0, -1) for moment in sorted(map(attrgetter("end"), slices))),
    )
    before, now = Counts(-1, -1), Counts(0, 0)
    for moment, group in itertools.groupby(steps, key=itemgetter(0)):
        for _, ready, running in group:
            now = Counts(now.ready + ready, now.running + running)
        if now != before:
            yield Counter(name="nodes", ts=_us(moment), tid=_tid(0), args=now)
            before = now


def _known(run: RecordedRun) -> dict[str, str | int | float]:
    """Return what a reader may show of the run as a whole."""
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
