"""A run as OpenTelemetry spans, sent to a collector by OTLP over HTTP.

What is told is over: the spans are made whole and given to the exporter, in batches. Nothing of OpenTelemetry
that works in the background is started, neither its provider of tracers nor its processor of spans.

Their ids are hashes of the run's id and of the attempt, so a run that is sent twice is one trace.
"""

import bisect
import contextlib
import hashlib
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import msgspec

from taskrunner.analysis.attempts import Attempt
from taskrunner.analysis.formatting import first_line
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import BrokenAttempt
from taskrunner.storage.history import OK, RUNNING

try:
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.util import BoundedList
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags
except ImportError as error:
    raise TaskrunnerError(f"--otel needs OpenTelemetry: install taskrunner[otel] ({error})") from None

# As OpenTelemetry's own processor of spans and its limits have it where nothing else is said
# (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
BATCH = 512
MOST_LINKS = 128

_PATH = "/v1/traces"
_REDIRECTED = 300  # HTTP: from here on an answer is no success, though the exporter takes a redirection for one


class Sent(msgspec.Struct, frozen=True):
    """What was sent: how many spans, where to, and the trace's id in hexadecimal."""

    spans: int
    url: str
    trace: str


def send(run: RecordedRun, endpoint: str | None = None) -> Sent:
    """Send a run to a collector whose base URL is ``endpoint``; None: to where OTEL_EXPORTER_OTLP_ENDPOINT says.

    Raises:
        TaskrunnerError: the collector cannot be reached, or does not take the spans.

    """
    session = _Session()
    url = None if endpoint is None else endpoint.rstrip("/").removesuffix(_PATH) + _PATH
    count = 0
    with _silence(), contextlib.closing(_Exporter(session, url)) as exporter:
        for batch in itertools.batched(Spans(run), BATCH):  # noqa: B911  the last one may be short
            exporter.send(batch)
            count += len(batch)
    return Sent(count, session.place, f"{_trace_id(run):032x}")


class _Session(requests.Session):
    """Remembers what became of the last request: the exporter tells no more than that it failed."""

    place = problem = ""

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request as requests does."""
        self.place, self.problem = _without_user(str(url)), ""
        try:
            response = super().request(method, url, *args, **kwargs)
        except Exception as error:
            self.problem = _reason(error)
            raise
        if response.status_code >= _REDIRECTED:
            self.problem = f"it answers {response.status_code} {response.reason}"
        else:
            self.problem = _rejection(response.content)
        return response


class _Exporter:
    """OpenTelemetry's exporter, whose failures are errors."""

    def __init__(self, session: _Session, url: str | None) -> None:
        self._session = session
        self._exporter = OTLPSpanExporter(endpoint=url, session=session)

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send a batch. The exporter tries again while that may help, for OTEL_EXPORTER_OTLP_TIMEOUT seconds at most.

        Raises:
            TaskrunnerError: the batch was not taken.

        """
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS or self._session.problem:
            place = self._session.place or "OpenTelemetry's endpoint"
            raise TaskrunnerError(f"cannot send spans to {place}: {self._session.problem or 'they cannot be encoded'}")

    def close(self) -> None:
        """Close its connections."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class Spans:
    """The spans of a run, made one by one: that of the run first, then one for each attempt."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._trace = _trace_id(run)
        self._root = self._context("")
        self._resource = _resource(run)
        self._scope = InstrumentationScope("taskrunner", metadata.version("taskrunner"))

    def __iter__(self) -> Iterator[ReadableSpan]:
        """Yield them in the order of their starts."""
        yield self._root_span()
        yield from map(self._span, self._run.attempts)

    def _root_span(self) -> ReadableSpan:
        run = self._run
        attributes: dict[str, str | int | bool] = {
            "taskrunner.run": run.id,
            "taskrunner.graph": run.name,
            "taskrunner.state": run.state,
            "taskrunner.workers": run.start.workers,
            "taskrunner.gil": run.has_gil,
        }
        is_well = run.state in (OK, RUNNING)
        return ReadableSpan(
            name=f"run {run.name}",
            context=self._root,
            resource=self._resource,
            instrumentation_scope=self._scope,
            attributes=attributes,
            status=Status(StatusCode.UNSET) if is_well else Status(StatusCode.ERROR, run.state),
            start_time=self._time(0, 0.0),
            end_time=self._time(len(run.parts) - 1, run.wall_s),
        )

    def _span(self, attempt: Attempt) -> ReadableSpan:
        part = bisect.bisect_right(self._run.parts, attempt.started) - 1
        end, failure = self._time(part, attempt.ended), attempt.failure
        return ReadableSpan(
            name=attempt.node,
            context=self._context(_key(attempt)),
            parent=self._root,
            resource=self._resource,
            instrumentation_scope=self._scope,
            attributes=_attributes(self._run, attempt),
            links=self._links(attempt),
            events=[_exception(failure, end)] if failure else (),
            status=Status(StatusCode.ERROR, first_line(failure.error)) if failure else Status(StatusCode.UNSET),
            start_time=self._time(part, attempt.started),
            end_time=end,
        )

    def _links(self, attempt: Attempt) -> Sequence[Link]:
        """Link to what the node needs: of very many to those that ended last."""
        awaited = sorted(self._run.awaited(attempt), key=lambda each: (each.ended, each.node))
        links: Sequence[Link] = BoundedList.from_seq(  # keeps the last, and counts the others
            MOST_LINKS, [Link(self._context(_key(each))) for each in awaited]
        )
        return links

    def _time(self, part: int, moment: float) -> int:
        """Return a time of day in nanoseconds since 1970; parts of a run lie as far apart as they did."""
        return round(self._run.starts[part].at * 1e9) + round((moment - self._run.parts[part]) * 1e9)

    def _context(self, key: str) -> SpanContext:
        span = int.from_bytes(_digest(f"{self._run.id}\n{key}", 8))
        return SpanContext(self._trace, span or 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _trace_id(run: RecordedRun) -> int:
    return int.from_bytes(_digest(run.id, 16)) or 1  # 0 is no id


def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size, person=b"taskrunner.otel").digest()


def _key(attempt: Attempt) -> str:
    """Return what no other attempt of the run has: a resumed run may run a node's first attempt again."""
    return f"{attempt.node}\n{attempt.event.attempt}\n{round(attempt.started * 1e9)}"


def _attributes(run: RecordedRun, attempt: Attempt) -> Mapping[str, str | int | float | bool]:
    event = attempt.event
    vertex = run.vertex(attempt)
    attributes: dict[str, str | int | float | bool] = {
        "taskrunner.run": run.id,
        "taskrunner.graph": run.name,
        "taskrunner.node": attempt.node,
        "taskrunner.attempt": event.attempt,
        "taskrunner.state": attempt.state,
        "taskrunner.worker": attempt.worker,
        "taskrunner.queued_s": attempt.queued_s,
        "taskrunner.stolen": event.stolen,
    }
    if vertex is not None and vertex.call:
        attributes["code.function.name"] = vertex.call.replace(":", ".")
    return attributes


def _exception(failure: BrokenAttempt, moment: int) -> Event:
    """Tell of an error as OpenTelemetry's conventions have it."""
    kind, _, message = failure.error.partition(": ")
    is_type = kind.replace(".", "_").isidentifier()
    attributes = {
        "exception.type": kind if is_type else "",
        "exception.message": message if is_type else failure.error,
        "exception.stacktrace": failure.traceback,
    }
    return Event("exception", {name: text for name, text in attributes.items() if text}, moment)


def _resource(run: RecordedRun) -> Resource:
    """Say who tells; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word."""
    known = {
        "service.name": "taskrunner",
        "service.version": metadata.version("taskrunner"),
        "process.runtime.description": run.start.python,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": metadata.version("opentelemetry-sdk"),
    }
    return Resource(known).merge(OTELResourceDetector().detect())


def _without_user(url: str) -> str:
    """Return a URL without the name and the password that may stand in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _reason(error: Exception) -> str:
    """Say in words why a request was not answered: the innermost error does, those around it repeat it."""
    if isinstance(error, requests.Timeout):
        return "there is no answer in time"
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return (inner.strerror if isinstance(inner, OSError) else None) or str(inner)


def _rejection(content: bytes) -> str:
    """Say whether the answer to a request tells that spans were rejected."""
    try:
        told = ExportTraceServiceResponse.FromString(content).partial_success
    except Exception:  # noqa: BLE001  an answer that is none of OTLP's, which is nothing to complain of
        return ""
    return f"it rejects {told.rejected_spans} of them: {told.error_message}" if told.rejected_spans else ""


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter from writing what it does to standard error, where nobody has set up logging."""
    logger = logging.getLogger("opentelemetry")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
