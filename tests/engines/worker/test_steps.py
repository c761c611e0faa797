"""A process runs a work that has come to it, here this one: what it returns, and what it tells."""

import os
import pickle
import threading
import uuid

import pytest
from msgspec import UNSET
from nodes import ClosedError, TwoPartsError, WorseError

import taskrunner
from taskrunner.engines.messages import (
    BEGUN,
    DONE,
    FAILED,
    MAX_ENTRY_BYTES,
    MISSING_RESULT,
    PICK,
    PREVIOUS,
    SKIPPED,
    STOPPED,
    FailedResult,
    GatheredResults,
    Placeholder,
    Step,
    WorkItem,
    from_bytes,
    to_bytes,
)
from taskrunner.engines.worker.steps import read_output_files, run_item
from taskrunner.engines.worker.worker_run import drop_run, get_run
from taskrunner.graph.dag import Templates
from taskrunner.graph.spec import Retry
from taskrunner.graph.template import ListOf, Ref
from taskrunner.nodes.errors import CommandError
from taskrunner.plan.task import CALL, MAP
from taskrunner.storage.journal import result_of
from taskrunner.storage.serialization import deserialize


@pytest.fixture
def run():
    """Return what runs steps as one work, as a run of its own; it returns the result and the reports."""
    name = str(uuid.uuid4())

    def run(*steps, results=(), quiet=False):
        told = []
        work = WorkItem(name, "key", steps, suppress_reports=quiet)
        value = run_item(work, results, "here", lambda reports: told.extend(from_bytes(to_bytes(reports))))
        return value, [report for report in told if report.state != BEGUN]  # whether a step takes long is the clock's

    run.name = name
    yield run
    drop_run(name)


def step(function, *args, node="n", **fields):
    return Step(node, CALL, call=function, args=args, is_flat=True, **fields)


def boom(error):
    raise error


def test_a_step_returns_its_result_and_tells_of_it(run):
    value, (told,) = run(step("operator:add", 1, Placeholder(0)), results=[2])
    assert value == 3
    assert (told.key, told.step, told.worker, told.state) == ("key", 0, "here", DONE)
    assert (told.thread, told.failure, told.entry) == (threading.get_ident(), None, None)
    assert told.ran >= 0


def test_a_step_that_takes_long_is_told_of_while_it_goes_on():
    told, is_told = [], threading.Event()

    def send(reports):
        told.extend(reports)
        if told[-1].state == BEGUN:
            is_told.set()

    steps = (step("operator:add", 1, 1, node="a"), step(is_told.wait, 30, node="b"))
    assert run_item(WorkItem("goes-on", "key", steps), [], "here", send)
    assert [(report.step, report.state) for report in told] == [(0, DONE), (1, BEGUN), (1, DONE)]
    assert told[1].began == told[2].began
    assert 0 < told[1].ran <= told[2].ran
    drop_run("goes-on")


def test_each_step_takes_what_the_one_before_returned(run):
    steps = [
        step("operator:add", 1, 1),
        step("operator:mul", PREVIOUS, 5),
        step("operator:sub", PREVIOUS, Placeholder(0)),
    ]
    value, told = run(*steps, results=[3])
    assert value == 7
    assert [(report.step, report.state) for report in told] == [(0, DONE), (1, DONE), (2, DONE)]


def test_steps_behind_one_that_fails_do_not_run(run):
    calls = []
    value, told = run(step(calls.append, 1), step(boom, ValueError("no")), step(calls.append, 3))
    assert calls == [1]
    assert value == FailedResult("n", "ValueError: no")
    assert [report.state for report in told] == [DONE, FAILED]
    assert "ValueError: no" in told[1].failure.traceback
    assert "taskrunner/engines/" not in told[1].failure.traceback
    assert told[1].failure.arguments == "(ValueError('no'))"


def test_a_quiet_work_tells_nothing(run):
    assert run(Step("m", PICK, args=(Placeholder(0),), item=1), results=[["a", "b"]], quiet=True) == ("b", [])


def test_slots_stand_for_results_at_any_place(run):
    gathered = GatheredResults([Placeholder(1), MISSING_RESULT, Placeholder(0), 5])
    value, _ = run(step(lambda *args: args, Placeholder(0), gathered, MISSING_RESULT, "x"), results=[1, [2]])
    assert value[:2] == (1, [[2], None, 1, 5])
    assert value[3] == "x"


class Odd:
    """Whoever compares it learns nothing, and it has no length."""

    def __eq__(self, other):
        raise TypeError("compared")

    def __len__(self):
        raise TypeError("measured")

    __hash__ = None


@pytest.mark.parametrize("is_journaled", [False, True])
def test_arguments_and_results_of_any_kind_pass(run, is_journaled):
    odd = Odd()
    value, (told,) = run(step(lambda value: value, odd, is_journaled=is_journaled))
    assert value is odd
    assert (told.state, told.entry) == (DONE, ["n"] if is_journaled else None)


def test_templates_are_filled_where_the_results_are(run):
    templates = Templates(condition=Ref("a", ("go",)))
    given = {"a": Placeholder(0), "b": Placeholder(1)}
    args = (ListOf((Ref("a", ("x",)), Ref("b", ()))),)
    made = Step("n", CALL, call="builtins:tuple", args=args, templates=templates, inputs=given, has_condition=True)
    value, (told,) = run(made, results=[{"go": 1, "x": 2}, "b"])
    assert (value, told.state) == ((2, "b"), DONE)
    value, (told,) = run(made, results=[{"go": 0, "x": 2}, "b"])
    assert (value, told.state, told.failure) == (FailedResult("n", "skipped"), SKIPPED, None)
    _, (told,) = run(made, results=[{"x": 2}, "b"])
    assert told.state == FAILED


def test_a_mapped_node_s_items_are_counted_and_told_if_they_are_small(run):
    made = Step("m", MAP, templates=Templates(items=Ref("a", ())), inputs={"a": Placeholder(0)})
    value, (told,) = run(made, results=[(1, "x")])
    assert (value, told.count, deserialize(told.items)) == ([1, "x"], 2, [1, "x"])
    for large in (["x" * MAX_ENTRY_BYTES], [object(), 1], range(MAX_ENTRY_BYTES + 1)):
        value, (told,) = run(made, results=[large])
        assert (value, told.count, told.items) == (list(large), len(large), None)
    _, (told,) = run(made, results=["text"])
    assert "map needs a list, not str" in told.failure.message


def test_a_broken_result_fails_who_takes_it(run):
    _, (told,) = run(step("builtins:len", Placeholder(0)), results=[FailedResult("lost", "ValueError: no")])
    assert told.failure.message == 'needs "lost", which failed when it ran again: ValueError: no'


def test_the_journal_s_entry_comes_with_the_report(run):
    _, (told,) = run(step("builtins:dict", [("a", 1)], is_journaled=True))
    assert result_of(tuple(told.entry)) == {"a": 1}
    _, (told,) = run(step("builtins:bytes", MAX_ENTRY_BYTES, is_journaled=True))
    assert told.entry == ["n"]


def test_a_function_knows_which_node_it_runs_as(run):
    def who():
        here = taskrunner.current()
        return here.node, here.attempt, here.cancelled

    assert run(step(who, node="w", attempt=3))[0] == ("w", 3, False)
    assert run(step(who, node="w", timeout=30.0))[0] == ("w", 1, False)
    with pytest.raises(taskrunner.UsageError):
        taskrunner.current()


def test_a_call_that_takes_too_long_is_told_to_be_lost(run):
    returned = threading.Event()

    def wait():
        assert not taskrunner.current().sleep(30)
        returned.set()

    value, (told,) = run(step(wait, timeout=0.05))
    assert (told.state, told.failure.timeout_s, told.failure.is_lost) == (FAILED, 0.05, True)
    assert isinstance(value, FailedResult)
    assert returned.wait(30)


@pytest.mark.parametrize(("on", "wait_s"), [((), 1.0), (("ValueError",), 1.0), (("OSError",), None)])
def test_whether_another_attempt_is_worth_it_is_told(run, on, wait_s):
    _, (told,) = run(step(boom, ValueError("no"), retry=Retry(2, backoff=1.0, on=on)))
    assert told.failure.wait_s == wait_s
    _, (told,) = run(step(boom, ValueError("no"), retry=Retry(2, backoff=1.0, on=on), attempt=3))
    assert told.failure.wait_s is None


def test_a_step_is_told_of_while_the_next_one_takes_long(run):
    told = []
    is_told = threading.Event()

    def hear(reports):
        told.append([report.step for report in reports if report.state != BEGUN])
        is_told.set()

    steps = [step("builtins:int", 1), step("builtins:int", 2), step(lambda: is_told.wait(30)), step("builtins:int", 3)]
    assert run_item(WorkItem(run.name, "key", tuple(steps)), [], "here", hear) == 3
    assert [number for numbers in told for number in numbers] == [0, 1, 2, 3]
    assert 3 not in told[0]


# -- a run that is stopped -------------------------------------------------------------------------------


def test_nothing_begins_in_a_run_that_is_stopped_but_what_runs_always(run):
    get_run(run.name).stop(cancel=False)
    value, (told,) = run(step("builtins:int", 1))
    assert (value, told.state, told.failure) == (FailedResult("n", "stopped"), STOPPED, None)
    value, (told,) = run(step("builtins:int", 1, always=True))
    assert (value, told.state) == (1, DONE)


def test_a_chain_ends_where_the_run_is_stopped(run):
    halt = lambda: get_run(run.name).stop(cancel=False)  # noqa: E731
    value, told = run(step(halt, node="a"), step("builtins:int", 1, node="b"), step("builtins:int", 2, node="c"))
    assert [(report.step, report.state) for report in told] == [(0, DONE), (1, STOPPED)]
    assert value == FailedResult("b", "stopped")


def test_what_runs_is_told_to_be_cancelled(run):
    begun = threading.Event()

    def wait():
        begun.set()
        return taskrunner.current().sleep(30)

    found = []
    thread = threading.Thread(target=lambda: found.append(run(step(wait))))
    thread.start()
    assert begun.wait(30)
    get_run(run.name).stop(cancel=True)
    thread.join(30)
    assert found[0][0] == FailedResult("n", "stopped")  # case 1: it has seen its cancellation


def test_runs_do_not_mind_each_other(run):
    other = str(uuid.uuid4())
    get_run(other).stop(cancel=True)
    assert run(step("builtins:int", 1))[0] == 1
    drop_run(other)


# -- errors ----------------------------------------------------------------------------------------------


class OwnReduceError(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b

    def __reduce__(self):
        return OwnReduceError, (self.args[0], self.b)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"), TwoPartsError(1, b"2"), WorseError(5, "input/output"), OwnReduceError(1, 2), SystemExit(3),
        CommandError("false", 1, "tail"), FileNotFoundError(2, "no", "name"), KeyError("k"),
        ExceptionGroup("g", [TwoPartsError(1, 2), ValueError("v")]), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_errors_travel_as_they_are(run, error):
    error.add_note("noted")
    _, (told,) = run(step(boom, error))
    found = pickle.loads(told.failure.error)  # noqa: S301  it is our own
    assert (type(found), str(found), repr(found.args)) == (type(error), str(error), repr(error.args))
    assert found.__dict__.keys() | {"__notes__"} == error.__dict__.keys()  # whose own ``__reduce__`` may drop notes


class WorstError(Exception):
    def __str__(self):
        raise KeyboardInterrupt

    __repr__ = __str__

    def __reduce__(self):
        raise SystemExit


@pytest.mark.parametrize("error", [ClosedError("x"), WorstError(), ValueError("x" * MAX_ENTRY_BYTES)], ids=type)
def test_an_error_that_cannot_travel_is_told_in_words(run, error):
    _, (told,) = run(step(boom, error))
    assert told.failure.error == b""
    assert type(error).__name__ in told.failure.message


def test_texts_of_any_kind_are_told(run):
    _, (told,) = run(step(boom, ValueError("\ud800")))
    assert told.failure.message == r"ValueError: \ud800"


def test_what_a_command_has_written_is_told(tmp_path):
    small, large = tmp_path / "out", tmp_path / "err"
    small.write_bytes(b"x")
    large.write_bytes(bytes(MAX_ENTRY_BYTES + 1))
    out, err = read_output_files((small, large))
    assert (out.path, out.size, out.data) == (str(small), 1, b"x")
    assert (err.size, err.data) == (MAX_ENTRY_BYTES + 1, None)
    missing, _ = read_output_files((tmp_path / "no", small))
    assert (missing.size, missing.data) == (0, b"")


def test_a_call_that_cannot_be_imported_is_a_failure(run):
    _, (told,) = run(step("no_such_module:f"))
    assert 'no module named "no_such_module"' in told.failure.message


def test_a_run_that_is_forgotten_is_not_stopped_any_more(run):
    get_run(run.name).stop(cancel=False)
    drop_run(run.name)
    assert run(step("os:getpid"))[0] == os.getpid()
    assert UNSET is not None
