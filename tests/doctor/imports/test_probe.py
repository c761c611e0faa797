"""Imports in child processes: what crashes, hangs, leaves or lies is told, and ends nothing else.

The modules are of Python, so that all of it holds for every build;
tests/cli/commands/test_doctor.py has extension modules.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from taskrunner.doctor.imports.probe import ALREADY, OFF, UNKNOWN, ImportOutcome, Prober, unclear
from taskrunner.system import gil

LONG = 60.0
# What a harmless import is, and how it is told: where the GIL is always on, it is on before.
HARMLESS = (OFF, "") if gil.IS_FREE_THREADED else (UNKNOWN, ALREADY)


@pytest.fixture
def modules(tmp_path):
    """Return what writes modules and tries them in their order: (module, GIL, problem) of each."""

    def write(seconds=LONG, *, every=True, folder=None, **sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        tried = Prober(seconds).probe_in_order(list(sources), [str(tmp_path), *sys.path], folder, probe_all=every)
        return [(each.module, each.gil, each.problem) for each in tried]

    return write


def test_harmless_modules_are_told_in_their_order(modules):
    assert modules(b="", a="import b", json="") == [("b", *HARMLESS), ("a", *HARMLESS), ("json", *HARMLESS)]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import os; os.abort()", "crashed: SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crashed: SIGKILL"),
        ("import os; os._exit(0)", "exited with code 0"),
        ("import os; os._exit(3)", "exited with code 3"),
        ("import os; os.write(2, b'one\\nlast \\xff words\\n\\n'); os._exit(1)",
         "exited with code 1: last \ufffd words"),
        ("raise ValueError('no luck')", "ValueError: no luck"),
        ("raise ValueError('\\udcff')", r"ValueError: \udcff"),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("def f(:", "SyntaxError: invalid syntax (bad.py, line 1)"),
        ("raise ValueError('x' * 1000)", f"ValueError: {'x' * 288}"),
        ("class E(Exception):\n  def __str__(self): raise self\nraise E", "E: "),
    ],
)  # fmt: skip
def test_a_module_that_does_not_end_well_is_told_and_the_others_are_tried(modules, source, problem):
    expected = (
        problem
        if gil.IS_FREE_THREADED or not source.startswith(("raise", "import nowhere", "def", "class"))
        else ALREADY
    )
    assert modules(a="", bad=source, b="") == [("a", *HARMLESS), ("bad", UNKNOWN, expected), ("b", *HARMLESS)]


def test_one_that_hangs_is_killed_with_what_it_has_started(modules, tmp_path):
    child = "import os, subprocess, sys\np = subprocess.Popen(['sleep', '1000'])\n"
    hangs = f"{child}open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))\np.wait()"
    assert modules(2.0, hangs=hangs, b="") == [("hangs", UNKNOWN, "timed out after 2 s"), ("b", *HARMLESS)]
    pid, end = int((tmp_path / "pid").read_text()), time.monotonic() + LONG
    while is_alive(pid):  # the system reaps it, when it comes to that
        assert time.monotonic() < end
        os.sched_yield()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_together_they_have_the_time_of_one(modules):
    told = modules(1.0, every=False, hangs="import signal; signal.pause()", b="")
    assert [problem for *_, problem in told] == [
        "timed out after 1 s",
        "not tested: the time limit of 1 s is over",
    ]


def test_a_thread_that_is_left_behind_holds_nothing_up(modules):
    source = "import threading; threading.Thread(target=threading.Event().wait).start()"
    assert modules(a=source) == [("a", *HARMLESS)]


def test_what_a_module_prints_or_closes_is_not_taken_for_a_report(modules):
    source = "import os, sys; print('{}'); os.write(1, b'x'); sys.stdout.close(); os.close(0)"
    assert modules(a=source, b="") == [("a", *HARMLESS), ("b", *HARMLESS)]


def test_a_report_that_makes_no_sense_is_not_believed(modules):
    source = """
import os
for fd in range(3, 20):
    try: os.write(fd, b'{"module": "a", "before": 7}')
    except OSError: pass
"""
    ((module, state, _),) = modules(a=source)
    assert (module, state) == ("a", UNKNOWN)


def test_a_module_reads_nothing_and_works_in_an_empty_folder(modules):
    source = "import os, sys\nassert (sys.stdin.read(), os.listdir()) == ('', [])"
    assert modules(a=source) == [("a", *HARMLESS)]


def test_a_graph_s_modules_work_where_they_are_told_to(modules, tmp_path):
    source = f"import os\nassert os.getcwd() == {str(tmp_path)!r}"
    assert modules(a=source, folder=tmp_path) == [("a", *HARMLESS)]


def test_the_child_is_an_interpreter_as_it_begins_by_itself(modules, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHON_GIL", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONSTARTUP", "nowhere")
    source = (
        "import os, sys, warnings\nwarnings.warn('x')\nassert not {'PYTHON_GIL', 'PYTHONSTARTUP'} & set(os.environ)"
    )
    source += "\nassert not [name for name in sys.modules if name.startswith(('taskrunner', 'msgspec', 'click'))]"
    assert modules(a=source) == [("a", *HARMLESS)]
    assert not (tmp_path / "__pycache__").exists()


def test_it_leaves_no_image_of_a_crash(modules):
    assert modules(a="import resource\nassert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)") == [("a", *HARMLESS)]


def test_it_ends_by_itself_if_nobody_is_left_to_end_it(modules):
    source = "import signal\nassert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 65"
    assert modules(a=source) == [("a", *HARMLESS)]


def test_nothing_is_tried_once_it_is_stopped():
    prober = Prober(LONG)
    prober.stop()
    (tried,) = prober.probe_in_order(["json"], sys.path)
    assert tried.problem == "not tested: the time limit of 60 s is over"


@pytest.mark.parametrize(
    ("tried", "is_clear"),
    [
        (ImportOutcome("a", OFF), True),
        (ImportOutcome("a", UNKNOWN, problem="ValueError", is_whole=True), False),
        (ImportOutcome("a._b", UNKNOWN, problem="ValueError", is_whole=True), True),
        (ImportOutcome("a._b", UNKNOWN, problem="crashed"), False),
    ],
)
def test_only_an_inner_module_that_raises_leaves_nothing_open(tried, is_clear):
    assert unclear([tried]) == ([] if is_clear else [tried])
