"""OpenTelemetry export: the spans of a run, sent to a collector by OTLP over HTTP.

The recorded attempts have ended, so complete spans are created and passed to the exporter in batches. No background
component of OpenTelemetry is started, neither its tracer provider nor its span processor.

The ids of the spans are hashes of the run's id and of the attempt, so a run that is sent twice is one trace.
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

# The defaults of OpenTelemetry's span processor and span limits
# (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
BATCH_SIZE = 512
MAX_LINKS = 128

_PATH = "/v1/traces"
_REDIRECTION = 300  # the lowest HTTP status that is not a success; the exporter accepts redirections as success


class SentTrace(msgspec.Struct, frozen=True):
    """A sent trace: the number of its spans, the URL of the collector, and the hexadecimal id of the trace."""

    spans: int
    url: str
    trace: str


def send(run: RecordedRun, endpoint: str | None = None) -> SentTrace:
    """Send a run to the collector with the base URL ``endpoint``, by default OTEL_EXPORTER_OTLP_ENDPOINT.

    Raises:
        TaskrunnerError: the collector cannot be reached, or does not accept the spans.

    """
    session = _Session()
    url = None if endpoint is None else endpoint.rstrip("/").removesuffix(_PATH) + _PATH
    count = 0
    with _silence(), contextlib.closing(_Exporter(session, url)) as exporter:
        for batch in itertools.batched(Spans(run), BATCH_SIZE):  # noqa: B911  the last batch may be shorter
            exporter.send(batch)
            count += len(batch)
    return SentTrace(count, session.url, f"{_trace_id(run):032x}")


class _Session(requests.Session):
    """A session that stores the URL and the problem of the last request; the exporter reports only that it failed."""

    url = problem = ""

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, as the base class does."""
        self.url, self.problem = _without_credentials(str(url)), ""
        try:
            response = super().request(method, url, *args, **kwargs)
        except Exception as error:
            self.problem = _error_message(error)
            raise
        if response.status_code >= _REDIRECTION:
            self.problem = f"the response is {response.status_code} {response.reason}"
        else:
            self.problem = _rejection(response.content)
        return response


class _Exporter:
    """OpenTelemetry's exporter, with exceptions for its failures."""

    def __init__(self, session: _Session, url: str | None) -> None:
        self._session = session
        self._exporter = OTLPSpanExporter(endpoint=url, session=session)

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send a batch; the exporter retries transient failures for at most OTEL_EXPORTER_OTLP_TIMEOUT seconds.

        Raises:
            TaskrunnerError: the batch was not accepted.

        """
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS or self._session.problem:
            url = self._session.url or "OpenTelemetry's endpoint"
            raise TaskrunnerError(f"cannot send spans to {url}: {self._session.problem or 'they cannot be encoded'}")

    def close(self) -> None:
        """Close the connections of the exporter."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class Spans:
    """The spans of a run, created on iteration: first the span of the run, then one for each attempt."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._trace = _trace_id(run)
        self._root = self._context("")
        self._resource = _resource(run)
        self._scope = InstrumentationScope("taskrunner", metadata.version("taskrunner"))

    def __iter__(self) -> Iterator[ReadableSpan]:
        """Yield the spans in the order of their starts."""
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
        has_succeeded = run.state in (OK, RUNNING)
        return ReadableSpan(
            name=f"run {run.name}",
            context=self._root,
            resource=self._resource,
            instrumentation_scope=self._scope,
            attributes=attributes,
            status=Status(StatusCode.UNSET) if has_succeeded else Status(StatusCode.ERROR, run.state),
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
        """Return links to the dependencies of the node; of more than MAX_LINKS, to those that ended last."""
        awaited = sorted(self._run.awaited(attempt), key=lambda each: (each.ended, each.node))
        links: Sequence[Link] = BoundedList.from_seq(  # retains the last links, and counts the others
            MAX_LINKS, [Link(self._context(_key(each))) for each in awaited]
        )
        return links

    def _time(self, part: int, time: float) -> int:
        """Return a time in nanoseconds since 1970; it includes the actual time between the parts of a run."""
        return round(self._run.starts[part].at * 1e9) + round((time - self._run.parts[part]) * 1e9)

    def _context(self, key: str) -> SpanContext:
        span = int.from_bytes(_digest(f"{self._run.id}\n{key}", 8))
        return SpanContext(self._trace, span or 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _trace_id(run: RecordedRun) -> int:
    return int.from_bytes(_digest(run.id, 16)) or 1  # 0 is an invalid id


def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size, person=b"taskrunner.otel").digest()


def _key(attempt: Attempt) -> str:
    """Return a unique key of an attempt; a resumed run may repeat the first attempt of a node."""
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


def _exception(failure: BrokenAttempt, time_ns: int) -> Event:
    """Return the event of an error, according to OpenTelemetry's semantic conventions."""
    kind, _, message = failure.error.partition(": ")
    is_type = kind.replace(".", "_").isidentifier()
    attributes = {
        "exception.type": kind if is_type else "",
        "exception.message": message if is_type else failure.error,
        "exception.stacktrace": failure.traceback,
    }
    return Event("exception", {name: text for name, text in attributes.items() if text}, time_ns)


def _resource(run: RecordedRun) -> Resource:
    """Return the source of the spans; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have precedence."""
    defaults = {
        "service.name": "taskrunner",
        "service.version": metadata.version("taskrunner"),
        "process.runtime.description": run.start.python,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": metadata.version("opentelemetry-sdk"),
    }
    return Resource(defaults).merge(OTELResourceDetector().detect())


def _without_credentials(url: str) -> str:
    """Return a URL without user name, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _error_message(error: Exception) -> str:
    """Return the reason for a request without a response: the innermost error, which the outer errors repeat."""
    if isinstance(error, requests.Timeout):
        return "the request timed out"
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return (inner.strerror if isinstance(inner, OSError) else None) or str(inner)


def _rejection(content: bytes) -> str:
    """Return the problem that a response reports if the collector rejected spans, else ""."""
    try:
        result = ExportTraceServiceResponse.FromString(content).partial_success
    except Exception:  # noqa: BLE001  a response that is not OTLP does not report a rejection
        return ""
    return f"{result.rejected_spans} spans were rejected: {result.error_message}" if result.rejected_spans else ""


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress the exporter's log messages, which are written to standard error if logging is not configured."""
    logger = logging.getLogger("opentelemetry")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
