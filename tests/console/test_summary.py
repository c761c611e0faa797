import msgspec
import pytest

from taskrunner.analysis.contention import Contention, SlowedFunction
from taskrunner.analysis.formatting import shorten_path
from taskrunner.console.summary import failure_text, summary_text
from taskrunner.nodes.command import CommandError
from taskrunner.plan.outcome import FailedCall, Failure, describe
from taskrunner.session.result import RunResult
from taskrunner.storage.summary import SlowNode, Summary, add_up

SUMMARY = Summary(
    run="20260101-000000-abcdef",
    graph="demo",
    ok=True,
    wall_s=2.0,
    workers=2,
    nodes=3,
    done=2,
    failed=0,
    skipped=1,
    retried=0,
    kept=0,
    busy=(0.5, 1.0),
    steals=1,
    critical_path_s=1.5,
    critical_path=("a", "b"),
    parallelism=1.25,
    slowest=(SlowNode("b", 1.25), SlowNode("a", 0.0025)),
    python="CPython 3.13.9 free-threading",
    free_threaded=True,
    gil=False,
    gil_module="",
    peak_memory_bytes=10 * 2**20,
    signal=0,
    timed_out_s=0.0,
    lost=0,
)


def text_of(failures=(), **changes):
    summary = msgspec.structs.replace(SUMMARY, **changes)
    return summary_text(RunResult(summary.ok, [], {}, failures, 0, lambda: summary))


def test_the_summary_as_text():
    assert text_of() == (
        "ok            demo: 2 done, 1 skipped in 2.00 s\n"
        "workers       2, busy 50% 100%, 1 steals\n"
        "parallelism   1.25 on average\n"
        "critical path 1.50 s: a -> b\n"
        "slowest       b 1.25 s, a 2.5 ms\n"
        "python        CPython 3.13.9 free-threading, GIL off\n"
        "memory        10 MiB at most\n"
        "run           20260101-000000-abcdef\n"
    )


def test_a_run_in_which_nothing_ran_has_no_slowest_node():
    assert [line.split()[0] for line in text_of(critical_path=(), slowest=()).splitlines()] == [
        "ok",
        "workers",
        "parallelism",
        "python",
        "memory",
        "run",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ok": False, "failed": 1}, "failed        demo: 2 done, 1 failed, 1 skipped in 2.00 s"),
        ({"cached": 1}, "ok            demo: 2 done, 1 skipped, 1 cached in 2.00 s"),
        ({"ok": False, "signal": 2}, "interrupted   demo: 2 done, 1 skipped in 2.00 s"),
    ],
)
def test_the_first_line_says_how_the_run_ended(changes, line):
    assert text_of(**changes).splitlines()[0] == line


def test_the_module_that_switched_the_gil_on_is_named():
    text = text_of(gil=True, gil_module="old.ext")
    assert 'CPython 3.13.9 free-threading, GIL on (importing "old.ext" switched it on)\n' in text
    text = text_of(gil=True, gil_module="old.ext", gil_node="a\x1b")
    assert r'GIL on (importing "old.ext" for node "a\x1b" switched it on)' in text


def test_failures_stand_before_the_numbers():
    failure = Failure("b", 1, ValueError("no"), "ValueError: no", "Traceback…\nValueError: no", ("a", "b"))
    assert text_of([failure]).startswith(
        'node "b" failed (path: a -> b)\n    Traceback…\n    ValueError: no\n\nok            demo'
    )


def test_a_command_that_failed_is_told_without_a_traceback():
    error = CommandError("false", 1, "the end")
    assert (
        failure_text(describe(FailedCall("c", ("c",)), error))
        == 'node "c" failed (path: c)\n    exit code 1: false\n    the end\n'
    )


def test_a_long_path_keeps_its_ends():
    path = [f"node-{number}" for number in range(1000)]
    text = shorten_path(path)
    assert len(text) <= 100
    assert text.startswith("node-0 -> node-1 -> ")
    assert text.endswith(" -> node-998 -> node-999")
    shown = text.count("node-")
    assert f" -> ({1000 - shown} more) -> " in text


def test_two_long_names_are_kept():
    names = ["a" * 90, "b" * 90]
    assert shorten_path(names) == " -> ".join(names)
    assert shorten_path([names[0], "c", names[1]]) == f"{names[0]} -> (1 more) -> {names[1]}"


def cpu(*functions):
    return add_up([(call, ran_s, cpu_s) for call, ran_s, cpu_s in functions])


def rows_of(text, name):
    """Return a row and those without a name below it."""
    lines = text.splitlines()
    first = next(row for row, line in enumerate(lines) if line.startswith(name))
    last = next(row for row in range(first + 1, len(lines) + 1) if row == len(lines) or lines[row][0] != " ")
    return [line[14:] for line in lines[first:last]]


def test_the_functions_that_waited_longest_are_named():
    found = rows_of(text_of(cpu=cpu(("m:f", 2.0, 0.5), ("m:g", 2.0, 1.5), ("m:h", 0.2, 0.199))), "cpu ")
    assert found == ["2.20 s of the 4.20 s in calls; waited: m:f 1.50 s, m:g 500.0 ms"]
    assert rows_of(text_of(cpu=cpu(("m:f", 2.0, 2.0))), "cpu ") == ["2.00 s of the 2.00 s in calls"]
    (long,) = rows_of(text_of(cpu=cpu(*[(f"m:{letter * 60}", 2.0, 1.0) for letter in "fgh"])), "cpu ")
    assert long == f"3.00 s of the 6.00 s in calls; waited: m:{'f' * 60} 1.00 s"


def compared(*functions, gil=False):
    found = Contention("r1", 2, gil, 9, functions)
    result = RunResult(SUMMARY.ok, [], {}, [], 0, lambda: SUMMARY)
    return rows_of(summary_text(result, contention=found), "contention")


def test_the_functions_that_have_grown_are_named():
    grown = SlowedFunction("m:f", 64, 60, 0.45, 0.84, None)
    assert compared(grown) == ["m:f 1.87x its time with 1 worker (64 nodes, 450.0 ms -> 840.0 ms)"]
    assert compared(msgspec.structs.replace(grown, waiting=0.925)) == [
        "m:f 1.87x its time with 1 worker (64 nodes, 450.0 ms -> 840.0 ms; 92% of the rise is waiting)"
    ]
    assert compared(grown, gil=True)[1] == "the GIL is on: calls wait for it, whatever else they share"
    assert len(compared(*[grown] * 5)) == 5
    assert compared(*[grown] * 7)[5:] == ["and 2 more of 9 functions"]


def test_where_none_has_grown_it_is_said_what_was_compared():
    assert compared() == ["none in 9 functions: compared with run r1, which had 1 worker"]
    assert "contention" not in text_of()
