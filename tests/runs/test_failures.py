"""What becomes of nodes that fail, are tried again, take too long, or may fail."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

import taskrunner
from taskrunner.events.types import NodeDone, NodeFailed, NodeRetry, NodeTimeout
from taskrunner.execution.runner import Runner
from taskrunner.execution.timer import nanoseconds

LONG = 60.0  # nothing may wait for it


class Ear:
    def __init__(self):
        self.events = []

    def on_events(self, events):
        self.events += events

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def close(self):
        pass


class Flaky:
    """Fails so many times, and counts its calls."""

    def __init__(self, failures, error=ValueError):
        self.failures, self.error, self.calls, self.times = failures, error, [], []

    def __call__(self, *args):
        self.calls.append(args)
        self.times.append(time.perf_counter())
        if len(self.calls) <= self.failures:
            raise self.error(f"call {len(self.calls)}")
        return len(self.calls)


def one(function, *args, workers=2, stop_after=1, run_timeout=None, **options):
    graph, ear = taskrunner.Graph(), Ear()
    node = graph.call(function, *args, id="n", **options)
    result = taskrunner.run(graph, workers=workers, stop_after=stop_after, observers=[ear], timeout=run_timeout)
    return result, ear, node


# -- retries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [2, taskrunner.Retry(2), taskrunner.Retry(2, backoff=0.001, jitter=0.001)])
def test_a_node_is_tried_again(retries):
    flaky = Flaky(2)
    result, ear, node = one(flaky, 5, retries=retries)
    assert result.ok
    assert result[node] == 3
    assert flaky.calls == [(5,)] * 3
    assert [(e.attempt, e.error) for e in ear.of(NodeRetry)] == [(1, "ValueError: call 1"), (2, "ValueError: call 2")]
    assert [e.attempt for e in ear.of(NodeDone)] == [3]
    assert (result.summary.retried, result.summary.failed, result.summary.nodes) == (2, 0, 1)
    assert [t.state for t in result.timing] == ["retried", "retried", "done"]


def test_a_node_fails_with_the_failure_of_its_last_attempt():
    result, ear, _ = one(Flaky(9), retries=2)
    assert [(f.attempt, f.message) for f in result.failures] == [(3, "ValueError: call 3")]
    assert [e.attempt for e in ear.of(NodeFailed)] == [3]
    assert "call 3" in result.failures[0].traceback
    assert "call 1" not in result.failures[0].traceback


def test_each_wait_is_longer_by_the_factor():
    flaky = Flaky(3)
    result, ear, _ = one(flaky, retries=taskrunner.Retry(3, backoff=0.01, factor=3.0))
    assert [e.wait_s for e in ear.of(NodeRetry)] == pytest.approx([0.01, 0.03, 0.09])
    waits = [after - before for before, after in zip(flaky.times, flaky.times[1:], strict=False)]
    assert all(wait >= least for wait, least in zip(waits, [0.01, 0.03, 0.09], strict=True))
    assert result.ok


class WorseError(OSError):
    pass


@pytest.mark.parametrize(
    ("on", "calls"),
    [
        ((), 2),
        (("OSError",), 2),
        ((f"{__name__}.WorseError",), 2),
        (("ValueError", "WorseError"), 2),
        (("ValueError",), 1),
        ((1,), 1),
    ],
)
def test_only_errors_that_are_named_are_worth_another_attempt(on, calls):
    flaky = Flaky(1, WorseError)
    one(flaky, retries=taskrunner.Retry(1, on=on))
    assert len(flaky.calls) == calls


@pytest.mark.parametrize(("on", "attempts"), [((3,), 3), ((4,), 1), ((), 3)])
def test_a_command_is_tried_again_by_its_exit_code(tmp_path, on, attempts):
    graph = taskrunner.Graph()
    log = tmp_path / "log"
    graph.run(f"echo x >> {log}; exit 3", retries=taskrunner.Retry(2, on=on))
    result = taskrunner.run(graph)
    assert log.read_text().count("x") == attempts
    assert result.failures[0].attempt == attempts


def test_async_nodes_and_children_are_tried_again():
    calls = []

    async def step(item):
        await asyncio.sleep(0)
        calls.append(item)
        if calls.count(item) <= item:
            raise ValueError(item)
        return item

    graph = taskrunner.Graph()
    mapped = graph.map(step, [0, 1, 2], retries=2, id="m")
    assert taskrunner.run(graph)[mapped] == [0, 1, 2]
    assert sorted(calls) == [0, 1, 1, 2, 2, 2]


def test_inputs_are_there_again_for_the_next_attempt():
    graph, flaky = taskrunner.Graph(), Flaky(2)
    made = graph.call(list, (1, 2))
    node = graph.call(flaky, made, {"deep": [made[0]]}, retries=2)
    assert taskrunner.run(graph)[node] == 3
    assert flaky.calls == [([1, 2], {"deep": [1]})] * 3


def test_who_waits_for_another_attempt_holds_no_worker_and_no_place():
    graph, flaky, others = taskrunner.Graph(pools={"one": 1}), Flaky(1), []
    graph.call(flaky, id="first", retries=taskrunner.Retry(1, backoff=0.2), pool="one", priority=1)
    for i in range(3):
        graph.call(others.append, i, pool="one", id=f"other{i}")
    result = taskrunner.run(graph, workers=1)
    assert result.ok
    assert [t.node for t in result.timing] == ["first", "other0", "other1", "other2", "first"]


def test_a_run_that_fails_waits_for_no_further_attempt():
    graph, gone = taskrunner.Graph(), threading.Event()

    def fail():
        gone.wait(LONG)
        raise KeyError("no")

    def first():
        gone.set()
        raise ValueError("again")

    graph.call(first, id="again", retries=taskrunner.Retry(1, backoff=LONG))
    graph.call(fail, id="bad")
    started = time.perf_counter()
    result = taskrunner.run(graph, workers=2, stop_after=1)
    assert time.perf_counter() - started < LONG / 2
    assert {f.node for f in result.failures} == {"again", "bad"}


def test_defaults_hold_for_nodes_that_say_nothing():
    graph, flaky, strict = taskrunner.Graph(defaults=taskrunner.Defaults(retries=1)), Flaky(1), Flaky(1)
    graph.call(flaky, id="a")
    graph.call(strict, id="b", retries=0)
    result = taskrunner.run(graph, stop_after=0)
    assert [f.node for f in result.failures] == ["b"]
    assert len(flaky.calls) == 2


# -- what may fail ------------------------------------------------------------------------------------


def test_a_failure_that_is_allowed_fails_neither_the_run_nor_what_needs_it():
    graph, ear = taskrunner.Graph(), Ear()
    bad = graph.call(Flaky(1), id="bad", allow_failure=True)
    flat = graph.call(lambda got: got, bad, id="flat")
    deep = graph.call(lambda got: got, {"x": [bad["part"]]}, id="deep")
    result = taskrunner.run(graph, observers=[ear])
    assert result.ok
    assert (result[flat], result[deep]) == (None, {"x": [None]})
    assert [(f.node, f.allowed) for f in result.failures] == [("bad", True)]
    assert [(e.node, e.allowed) for e in ear.of(NodeFailed)] == [("bad", True)]
    assert (result.summary.ok, result.summary.failed, result.summary.done) == (True, 1, 2)


def test_a_child_that_may_fail_leaves_a_gap():
    graph = taskrunner.Graph()
    mapped = graph.map(lambda n: 1 // n, [1, 0, 1], allow_failure=True)
    assert taskrunner.run(graph)[mapped] == [1, None, 1]


def test_failures_that_are_allowed_do_not_count():
    graph = taskrunner.Graph()
    for i in range(5):
        graph.call(Flaky(1), allow_failure=True, id=f"may{i}")
    graph.call(Flaky(1), id="must")
    result = taskrunner.run(graph, workers=1, stop_after=2)
    assert not result.ok
    assert len(result.failures) == 6


# -- time-outs ----------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_is_given_up_and_its_worker_replaced():
    graph, ear, over = taskrunner.Graph(), Ear(), threading.Event()
    seen = []

    def stuck():
        seen.append(taskrunner.current())
        over.wait(LONG)

    graph.call(stuck, id="stuck", timeout=0.05)
    rest = [graph.call(int, i, id=f"n{i}") for i in range(50)]
    after = graph.call(sum, rest, id="after")
    started = time.perf_counter()
    result = taskrunner.run(graph, workers=1, stop_after=0, observers=[ear])
    assert time.perf_counter() - started < LONG / 2
    assert result[after] == sum(range(50))
    assert [f.node for f in result.failures] == ["stuck"]
    assert isinstance(result.failures[0].error, taskrunner.NodeTimeoutError)
    assert [(e.node, e.timeout_s, e.lost, e.attempt) for e in ear.of(NodeTimeout)] == [("stuck", 0.05, True, 1)]
    assert [e.worker for e in ear.of(NodeFailed)] == [0]
    assert result.summary.lost == 1
    assert seen[0].cancelled
    over.set()


def test_a_call_that_ends_in_time_is_not_given_up():
    result, ear, node = one(lambda: 7, timeout=LONG)
    assert (result.ok, result[node], ear.of(NodeTimeout), result.summary.lost) == (True, 7, [], 0)


def test_a_call_that_listens_ends_soon_after_it_was_given_up():
    ended = threading.Event()

    def patient():
        if not taskrunner.current().sleep(LONG):
            ended.set()

    result, _, _ = one(patient, timeout=0.05)
    assert not result.ok
    assert ended.wait(LONG)


def test_a_call_that_timed_out_is_tried_again():
    attempts = []

    def slow_at_first():
        attempts.append(taskrunner.current().attempt)
        if len(attempts) == 1:
            taskrunner.current().sleep(LONG)
        return "done"

    result, ear, node = one(slow_at_first, timeout=0.05, retries=1, workers=1)
    assert result[node] == "done"
    assert attempts == [1, 2]
    assert [type(e) for e in ear.events if isinstance(e, NodeTimeout | NodeRetry | NodeDone)] == [
        NodeTimeout,
        NodeRetry,
        NodeDone,
    ]


def test_an_async_node_that_takes_too_long_is_cancelled():
    cancelled = []

    async def slow():
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    result, ear, _ = one(slow, timeout=0.05)
    assert cancelled == [True]
    assert result.failures[0].message == "timed out after 0.05 s"
    assert [(e.lost) for e in ear.of(NodeTimeout)] == [False]


def test_an_async_node_that_will_not_be_cancelled_fails_all_the_same():
    async def stubborn():
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return 7

    result, _, _ = one(stubborn, timeout=0.05)
    assert [f.message for f in result.failures] == ["timed out after 0.05 s"]


def test_a_node_s_own_time_out_error_is_its_own():
    async def own():
        async with asyncio.timeout(0.01):
            await asyncio.sleep(LONG)

    result, ear, _ = one(own, timeout=LONG)
    assert result.failures[0].message == "TimeoutError"
    assert ear.of(NodeTimeout) == []


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path):
    graph = taskrunner.Graph()
    pids = tmp_path / "pids"
    graph.run(f"sleep {LONG} & echo $! > {pids}; echo $$ >> {pids}; wait", timeout=0.3, id="c")
    started = time.perf_counter()
    result = taskrunner.run(graph)
    assert time.perf_counter() - started < LONG / 2
    assert result.failures[0].message == "timed out after 0.3 s"
    for pid in pids.read_text().split():
        assert not is_running(int(pid))


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("workers", [1, 3])
def test_many_calls_are_given_up_and_nothing_else_is_lost(workers):
    graph, over = taskrunner.Graph(), threading.Event()
    rest = []
    for i in range(20):
        graph.call(over.wait, LONG, id=f"stuck{i}", timeout=0.02, allow_failure=True)
        rest += [graph.call(int, n) for n in range(20)]
    total = graph.call(sum, rest)
    result = taskrunner.run(graph, workers=workers)
    assert result.ok
    assert result[total] == 20 * sum(range(20))
    assert result.summary.lost == 20
    over.set()


# -- the whole run ------------------------------------------------------------------------------------


def test_a_run_that_takes_too_long_is_stopped():
    graph = taskrunner.Graph()
    first = graph.call(lambda: taskrunner.current().sleep(LONG), id="listens")
    graph.call(print, first, id="after")

    async def slow():
        await asyncio.sleep(LONG)

    graph.call(slow, id="async")
    graph.run(["sleep", str(LONG)], id="command")
    started = time.perf_counter()
    result = taskrunner.run(graph, workers=2, timeout=0.2)
    assert time.perf_counter() - started < LONG / 2
    assert not result.ok
    assert result.summary.timed_out_s == 0.2
    assert {node: skip.reason for node, skip in result.skipped.items()} == dict.fromkeys(
        ["after", "async", "command"], "stopped"
    )


def test_calls_that_do_not_listen_are_given_up_some_time_later(monkeypatch):
    monkeypatch.setattr("taskrunner.engines.local.backend.GRACE_PERIOD_S", 0.1)
    over = threading.Event()
    result, _, _ = one(over.wait, LONG, run_timeout=0.1)
    message = "timed out after 0.1 s; the call still runs in an abandoned thread"
    assert [failure.message for failure in result.failures] == [message]
    assert result.summary.lost == 1
    over.set()


def test_a_run_that_ends_in_time_is_not_stopped():
    result, _, node = one(int, 3, run_timeout=LONG)
    assert (result.ok, result[node], result.summary.timed_out_s) == (True, 3, 0.0)


# -- current() ----------------------------------------------------------------------------------------


def test_a_function_knows_its_node_and_its_attempt():
    def who(*_):
        here = taskrunner.current()
        return here.node, here.attempt, here.cancelled, here.sleep(0)

    async def who_async():
        return who(), await asyncio.to_thread(who)

    graph = taskrunner.Graph()
    plain = graph.call(who, id="plain")
    special = graph.call(who, {"x": 1}, id="special", retries=1)
    mapped = graph.map(who, [1, 2], id="m")
    awaited = graph.call(who_async, id="async")
    result = taskrunner.run(graph)
    assert result[plain] == ("plain", 1, False, True)
    assert result[special] == ("special", 1, False, True)
    assert result[mapped] == [("m[0]", 1, False, True), ("m[1]", 1, False, True)]
    assert result[awaited] == (("async", 1, False, True),) * 2


def test_a_node_is_not_taken_for_the_one_before_it():
    def who(*_):
        return taskrunner.current().node, taskrunner.current().attempt

    graph, flaky = taskrunner.Graph(), Flaky(1)
    first = graph.call(flaky, id="first", retries=1, timeout=LONG)
    second = graph.call(who, first, id="second")
    assert taskrunner.run(graph, workers=1)[second] == ("second", 1)


def test_outside_of_a_node_there_is_none():
    with pytest.raises(taskrunner.UsageError, match="outside of a node"):
        taskrunner.current()


# -- what a failure tells ----------------------------------------------------------------------------


class Unshowable:
    def __repr__(self):
        raise SystemExit(3)


def test_a_failure_tells_the_arguments_cut():
    result, ear, _ = one(Flaky(1), "x" * 1000, list(range(100)), Unshowable(), 10**10000)
    shown = result.failures[0].arguments
    assert len(shown) <= 300
    assert "'xxx" in shown
    assert "[0, 1, 2, 3, 4, 5, ...]" in shown
    assert "<Unshowable that cannot be shown>" in shown
    assert ear.of(NodeFailed)[0].arguments == shown


class HostileError(Exception):
    def __str__(self):
        raise SystemExit(7)


def raise_it(error):
    raise error


def deep(n=0):
    return deep(n + 1)


def exhaust():
    raise MemoryError


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (raise_it, [SystemExit(3)]),
        (raise_it, [KeyboardInterrupt()]),
        (raise_it, [GeneratorExit()]),
        (raise_it, [HostileError()]),
        (raise_it, [BaseExceptionGroup("g", [KeyboardInterrupt(), HostileError()])]),
        (exhaust, []),
        (deep, []),
    ],
)
@pytest.mark.parametrize("options", [{}, {"retries": 1}, {"timeout": LONG}, {"allow_failure": True}])
def test_a_hostile_node_fails_and_no_more(function, args, options):
    graph = taskrunner.Graph()
    graph.call(function, *args, id="bad", **options)
    good = graph.call(int, 5, id="good")
    result = taskrunner.run(graph, stop_after=0)
    assert [f.node for f in result.failures] == ["bad"]
    assert result[good] == 5


def test_a_value_that_cannot_be_shown_is_a_value():
    result, _, node = one(Unshowable)
    assert isinstance(result[node], Unshowable)


# -- found by review ---------------------------------------------------------------------------------


class Guarded:
    """Its ``repr`` waits for a lock that the call which has it holds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.over = threading.Event()

    def __repr__(self):
        with self.lock:
            return "guarded"

    def hold(self):
        with self.lock:
            self.over.wait(LONG)


def test_a_lost_call_that_holds_what_its_arguments_wait_for_holds_nobody_else():
    guarded = Guarded()
    graph = taskrunner.Graph()
    graph.call(Guarded.hold, guarded, id="holds", timeout=0.05)
    graph.call(time.sleep, LONG, id="late", timeout=0.1)
    started = time.perf_counter()
    result = taskrunner.run(graph, workers=2, stop_after=0)
    assert time.perf_counter() - started < LONG / 2
    assert {f.node: f.arguments for f in result.failures} == {"holds": "(<Guarded>)", "late": "(60.0)"}
    guarded.over.set()


def test_a_thread_of_an_async_node_that_timed_out_is_told():
    told = threading.Event()

    def look():
        if not taskrunner.current().sleep(LONG) and taskrunner.current().cancelled:
            told.set()

    async def hand_over():
        await asyncio.to_thread(look)

    result, _, _ = one(hand_over, timeout=0.05)
    assert not result.ok
    assert told.wait(LONG)


def test_a_call_that_was_given_up_before_it_began_is_not_made(monkeypatch):
    made, passed = [], threading.Event()
    call = Runner._call

    def late(self, task):
        _, attempt, _ = self._started_task
        while not attempt.is_settled:
            time.sleep(0.001)
        try:
            return call(self, task)
        finally:
            passed.set()

    monkeypatch.setattr(Runner, "_call", late)
    result, _, _ = one(lambda value="default": made.append(value), 42, timeout=0.02)
    assert not result.ok
    assert passed.wait(LONG)
    assert made == []


def test_failures_tell_their_arguments_also_in_a_run_that_is_ordered_by_an_earlier_one(tmp_path):
    graph, told = taskrunner.Graph("g"), []

    def fail_later(value):
        time.sleep(0.005)
        if told:
            raise ValueError(value)

    graph.call(fail_later, 42, id="n")
    for _ in range(2):
        result = taskrunner.run(graph, run_dir=tmp_path)
        told.append([f.arguments for f in result.failures])
    assert told == [[], ["(42)"]]


def test_a_time_out_may_be_as_long_as_one_likes():
    result, _, node = one(int, 3, timeout=1e300, run_timeout=4e6)
    assert result[node] == 3
    assert nanoseconds(float("inf")) == nanoseconds(1e300) < 2**63


def test_an_error_from_outside_leaves_no_timer(monkeypatch):
    def break_off(*_):
        raise RuntimeError("from outside")

    monkeypatch.setattr("taskrunner.engines.local.backend._run_pool", break_off)
    with pytest.raises(RuntimeError, match="from outside"):
        one(int, run_timeout=LONG)
    assert [t.name for t in threading.enumerate() if t.name == "taskrunner-timer"] == []


def test_the_time_out_of_a_mapped_node_is_that_of_each_child():
    def slowly():
        for number in range(3):
            time.sleep(0.05)
            yield number

    graph = taskrunner.Graph()
    mapped = graph.map(abs, graph.call(slowly), timeout=0.1)
    assert taskrunner.run(graph)[mapped] == [0, 1, 2]


def test_what_cleans_up_after_a_stop_is_not_cancelled_by_it():
    def look(*_):
        here = taskrunner.current()
        return here.cancelled, here.sleep(0.01), here.cancelled

    async def look_async(*_):
        return look()

    graph = taskrunner.Graph()
    slow = graph.call(lambda: taskrunner.current().sleep(LONG), id="slow")
    ends = [
        graph.call(look, slow, id="plain", always=True),
        graph.call(look, slow, id="timed", always=True, timeout=LONG),
        graph.call(look_async, slow, id="async", always=True),
        graph.call(look_async, slow, id="async timed", always=True, timeout=LONG),
    ]
    result = taskrunner.run(graph, timeout=0.05)
    assert [result[end] for end in ends] == [(False, True, False)] * 4


def test_what_cleans_up_after_a_run_s_time_out_has_its_grace_and_no_more(monkeypatch):
    monkeypatch.setattr("taskrunner.engines.local.backend.GRACE_PERIOD_S", 0.3)
    over, graph = threading.Event(), taskrunner.Graph()
    slow = graph.call(lambda: taskrunner.current().sleep(LONG), id="slow")
    graph.call(lambda _: over.wait(LONG), slow, id="stuck", always=True)
    graph.call(lambda _: time.sleep(0.1), slow, id="short", always=True)
    started = time.perf_counter()
    result = taskrunner.run(graph, workers=2, timeout=0.05)
    assert time.perf_counter() - started < LONG / 2
    assert [f.node for f in result.failures] == ["stuck"]
    over.set()


def test_what_cleans_up_after_a_failure_waits_for_its_next_attempt_as_it_would():
    graph, flaky = taskrunner.Graph(), Flaky(2)

    def fail():
        raise KeyError("stop")

    bad = graph.call(fail, id="bad")
    graph.call(lambda _: flaky(), bad, always=True, retries=taskrunner.Retry(2, backoff=0.05, factor=1.0))
    taskrunner.run(graph, workers=2)
    assert len(flaky.times) == 3
    assert min(after - before for before, after in zip(flaky.times, flaky.times[1:], strict=False)) >= 0.05
