"""``taskrunner trace --otel``: what a collector gets, and what is said when it does not get it."""

import contextlib
import gzip
import http.server
import json
import socket
import sys
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

ERROR = 2  # the status code of a span


def call(node, function, **fields):
    return {"id": node, "call": f"functions:{function}", **fields}


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what is posted, and answers as it is told."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.paths, self.requests, self.headers = [], [], []
        self.status, self.answer, self.location = 200, b"", None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def spans(self):
        return [span for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans]

    @property
    def resource(self):
        return attributes(self.requests[0].resource_spans[0].resource)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        data = gzip.decompress(data) if self.headers["Content-Encoding"] == "gzip" else data
        self.server.paths.append(self.path)
        self.server.headers.append(dict(self.headers))
        self.server.requests.append(ExportTraceServiceRequest.FromString(data))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def collector(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "10")
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(thing):
    return {pair.key: value(pair.value) for pair in thing.attributes}


def by_name(spans):
    return {span.name: span for span in spans}


@pytest.fixture
def ran(cli, inside):
    """Run a graph in which a node fails twice, which is allowed; return the run's id."""
    cli.graph(
        call("a", "give"),
        call("b", "add", args=[{"$ref": "a"}, {"$ref": "c"}]),
        call("c", "give"),
        call("bad", "fail", retries=1, allow_failure=True),
        name="small",
    )
    assert inside("exec", "graph.json", "-q", "-w", "1").code == 0
    return cli.last_run().name


def test_each_attempt_is_a_span_of_the_run(cli, inside, collector, ran):
    told = inside("trace", "last", "--otel", "--endpoint", collector.url)
    spans = collector.spans
    (root,) = [span for span in spans if not span.parent_span_id]
    assert (told.code, told.err) == (0, "")
    assert told.out == f"sent 6 spans to {collector.url}/v1/traces, trace {root.trace_id.hex()}\n"
    assert collector.paths == ["/v1/traces"]
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert len({span.span_id for span in spans}) == 6
    assert {span.parent_span_id for span in spans} == {b"", root.span_id}

    events = [json.loads(line) for line in (cli.last_run() / "events.jsonl").read_text().splitlines()]
    begin = round(events[0]["at"] * 1e9)
    assert (root.name, root.start_time_unix_nano) == ("run small", begin)
    assert root.end_time_unix_nano == begin + round(events[-1]["wall_s"] * 1e9)
    assert attributes(root) == {
        "taskrunner.run": ran,
        "taskrunner.graph": "small",
        "taskrunner.state": "ok",
        "taskrunner.workers": 1,
        "taskrunner.gil": events[0]["gil"],
    }
    found = by_name(spans)
    (told_of_b,) = [event for event in events if event.get("node") == "b"]
    started = begin + round(told_of_b["started_at"] * 1e9)
    assert abs(found["b"].start_time_unix_nano - started) <= 1
    assert abs(found["b"].end_time_unix_nano - started - round(told_of_b["ran_s"] * 1e9)) <= 1
    queued = attributes(found["b"]).pop("taskrunner.queued_s")
    assert queued == pytest.approx(told_of_b["queued_s"])
    assert attributes(found["b"]) == {
        "taskrunner.run": ran,
        "taskrunner.graph": "small",
        "taskrunner.node": "b",
        "taskrunner.attempt": 1,
        "taskrunner.state": "done",
        "taskrunner.worker": 0,
        "taskrunner.queued_s": queued,
        "taskrunner.stolen": False,
        "code.function.name": "functions.add",
    }
    assert {link.span_id for link in found["b"].links} == {found["a"].span_id, found["c"].span_id}
    assert {link.trace_id for link in found["b"].links} == {root.trace_id}
    resource = collector.resource
    assert (resource["service.name"], resource["process.runtime.description"]) == ("taskrunner", events[0]["python"])
    assert resource["service.version"]


def test_failures_are_errors_with_their_exception(inside, collector, ran):
    assert ran
    inside("trace", "last", "--otel", "--endpoint", collector.url)
    bad = [span for span in collector.spans if span.name == "bad"]
    assert [attributes(span)["taskrunner.state"] for span in bad] == ["retried", "allowed"]
    for span in bad:
        assert (span.status.code, span.status.message) == (ERROR, "ValueError: no luck")
        (event,) = span.events
        told = attributes(event)
        assert (event.name, event.time_unix_nano) == ("exception", span.end_time_unix_nano)
        assert (told["exception.type"], told["exception.message"]) == ("ValueError", "no luck")
        assert told["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert {span.status.code for span in collector.spans if span.name != "bad"} == {0}


def test_a_run_that_failed_is_an_error(cli, inside, collector):
    assert inside("exec", cli.graph({"id": "no", "run": "exit 3"}), "-q").code == 1
    assert inside("trace", "last", "--otel", "--endpoint", collector.url).code == 0
    root, node = collector.spans
    assert (root.status.code, root.status.message) == (ERROR, "failed")
    (event,) = node.events
    assert "exit" in attributes(event)["exception.message"]


@pytest.mark.usefixtures("ran")
def test_a_run_that_is_sent_twice_is_the_same_trace(inside, collector):
    for _ in range(2):
        assert inside("trace", "last", "--otel", "--endpoint", f"{collector.url}/v1/traces/").code == 0
    once, again = collector.requests
    assert once == again
    assert collector.paths == ["/v1/traces"] * 2


@pytest.mark.usefixtures("ran")
def test_opentelemetrys_variables_count(cli, collector):
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hush",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "nightly",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    told = cli("trace", "last", "--otel", env=env, python=("-W", "error"))
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"sent 6 spans to {collector.url}/v1/traces, trace ")
    (headers,) = collector.headers
    assert (headers["api-key"], headers["Content-Encoding"]) == ("hush", "gzip")
    resource = collector.resource
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("nightly", "test")


def test_many_spans_are_sent_in_batches_and_of_many_links_the_last(cli, inside, collector):
    graph = cli.graph(call("m", "give", map=list(range(600)), args=[{"$item": True}]))
    assert inside("exec", graph, "-q").code == 0
    told = inside("trace", "last", "--otel", "--endpoint", collector.url)
    assert told.out.startswith("sent 602 spans to ")
    assert [len(r.resource_spans[0].scope_spans[0].spans) for r in collector.requests] == [512, 90]
    mapped = by_name(collector.spans)["m"]
    assert (len(mapped.links), mapped.dropped_links_count) == (128, 472)


def test_the_parts_of_a_resumed_run_lie_as_far_apart_as_they_did(cli, inside, collector):
    graph = cli.graph(call("a", "poll", args=["flag"], timeout=0.01))
    assert inside("exec", graph, "-q").code == 1
    (cli.folder / "flag").touch()
    assert inside("exec", graph, "-q", "--resume", "last").code == 0
    assert inside("trace", "last", "--otel", "--endpoint", collector.url).code == 0
    lines = (cli.last_run() / "events.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["event"] in ("run.start", "node.failed", "node.done")]
    first, failed, second, done = events
    root, *attempts = collector.spans
    expected = [round(s["at"] * 1e9) + round(n["started_at"] * 1e9) for s, n in [(first, failed), (second, done)]]
    assert [abs(span.start_time_unix_nano - e) <= 1 for span, e in zip(attempts, expected, strict=True)] == [True] * 2
    assert attempts[0].span_id != attempts[1].span_id
    assert root.start_time_unix_nano <= attempts[0].start_time_unix_nano
    assert attempts[1].end_time_unix_nano <= root.end_time_unix_nano


@pytest.mark.usefixtures("ran")
def test_nobody_listens(cli, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as closed:
        url = f"http://user:hush@127.0.0.1:{closed.getsockname()[1]}"
    told = cli("trace", "last", "--otel", "--endpoint", url, env={"OTEL_EXPORTER_OTLP_TIMEOUT": "0.5"})
    assert (told.code, told.out) == (1, "")
    place = url.replace("user:hush@", "")
    assert told.err == f"taskrunner: cannot send spans to {place}/v1/traces: Connection refused\n"


@pytest.mark.usefixtures("ran")
def test_a_collector_that_never_answers(cli, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        told = cli("trace", "last", "--otel", "--endpoint", url, env={"OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"})
    assert (told.code, told.out) == (1, "")
    assert told.err == f"taskrunner: cannot send spans to {url}/v1/traces: the request timed out\n"


def rejection():
    partial = ExportTracePartialSuccess(rejected_spans=2, error_message="too old\x1b")
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"status": 401}, "the response is 401 Unauthorized"),
        ({"status": 302, "location": "/login"}, "the response is 302 Found"),
        ({"answer": rejection()}, "2 spans were rejected: too old\\x1b"),
    ],
)
def test_a_collector_that_does_not_take_them(inside, collector, answer, complaint):
    for name, what in answer.items():
        setattr(collector, name, what)
    told = inside("trace", "last", "--otel", "--endpoint", collector.url)
    assert (told.code, told.out) == (1, "")
    assert told.err == f"taskrunner: cannot send spans to {collector.url}/v1/traces: {complaint}\n"
    assert len(collector.requests) == 1


@pytest.mark.usefixtures("ran")
def test_an_answer_that_is_none_of_the_protocols_is_no_failure(inside, collector):
    collector.answer = b"thank you"
    assert inside("trace", "last", "--otel", "--endpoint", collector.url).code == 0


@pytest.mark.usefixtures("ran")
def test_an_endpoint_that_is_no_url(inside):
    told = inside("trace", "last", "--otel", "--endpoint", "nonsense")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("taskrunner: cannot send spans to nonsense/v1/traces: Invalid URL")


@pytest.mark.usefixtures("ran")
def test_without_the_extra_it_says_what_to_install(inside, monkeypatch):
    monkeypatch.delitem(sys.modules, "taskrunner.analysis.trace.otel", raising=False)
    monkeypatch.delattr("taskrunner.analysis.trace.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    told = inside("trace", "last", "--otel")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("taskrunner: --otel needs OpenTelemetry: install taskrunner[otel] (")


LEFT_BEHIND = """
import sys, threading
from taskrunner.cli.main import main
sys.argv[1:3] = []  # -m taskrunner
try:
    main()
except SystemExit as end:
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(end.code, [thread.name for thread in threading.enumerate()], gil)
"""


@pytest.mark.usefixtures("ran")
def test_it_leaves_no_thread_and_the_gil_as_it_was(cli, collector, is_free_threaded):
    words = ("trace", "last", "--otel", "--endpoint", collector.url)
    told = cli(*words, python=("-W", "error", "-c", LEFT_BEHIND))
    assert told.err == ""
    assert told.out.splitlines()[1] == f"0 ['MainThread'] {not is_free_threaded}"
