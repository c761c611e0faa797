"""The verdict, and what is said of an interpreter, as text."""

import sys
import sysconfig

import msgspec
import pytest

from taskrunner.doctor.environment import interpreter, machine
from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.environment.machine import Machine
from taskrunner.doctor.environment.project import Project
from taskrunner.doctor.report import Module, Package, Report, Verdict
from taskrunner.doctor.text import report_text
from taskrunner.doctor.verdict import judge
from taskrunner.system import gil

OFF = Interpreter(
    version="CPython 3.13", build="main", compiler="GCC", abi="own", free_threaded=True, gil=False, gil_by="default",
    gil_module="", jit="none", debug=False, options=("--x",), flags="-O3",
)  # fmt: skip
GOOD = Module("good", "a", 1, "off", "", "", ())
BAD = Module("bad", "b", 2, "on", "bad._x", "", ("Bad",))
LOST = Module("lost", "c", 1, "unknown", "", "crashed: SIGSEGV", ())
PURE = Package("pure", "1", "pure")
SAFE = Package("safe", "1", "off", modules=("safe",))
GREEDY = Package("greedy", "1", "on", by="greedy", culprit="greedy", modules=("greedy",))
DEEP = Package("deep", "1", "on", by="deep", culprit="deep._x", modules=("deep._x",))
BROKEN = Package("broken", "1", "unknown", problem="timed out after 3 s", modules=("broken",))
MACHINE = Machine("Linux", 8, 4, 4, 1.5, "clock", 1e-9, 4e-8)
PROJECT = Project("1.2", "fresh", 3, ("a 1 (locked: 2)",), ("c",))


def replaced(**changes):
    return msgspec.structs.replace(OFF, **changes)


@pytest.mark.parametrize(
    ("modules", "packages", "status", "message"),
    [
        (None, [PURE, SAFE], "ok", "the GIL is off, and no installed package switches it on"),
        (None, [SAFE, GREEDY, BROKEN], "on", 'importing "greedy" would switch the GIL on'),
        (None, [DEEP, GREEDY], "on",
         'importing "deep" would switch the GIL on (the cause is "deep._x"); and 1 more'),
        (None, [SAFE, BROKEN], "unknown", "no result for broken: timed out after 3 s"),
        ([GOOD], [GREEDY, BROKEN], "ok", "the GIL is off, and no module that the graph names switches it on"),
        ([], [GREEDY], "ok", "the GIL is off, and no module that the graph names switches it on"),
        ([GOOD, BAD, LOST], [], "on",
         'importing "bad" for node "b" would switch the GIL on (the cause is "bad._x")'),
        ([LOST], [], "unknown", 'no result for "lost": crashed: SIGSEGV'),
        ([msgspec.structs.replace(BAD, node="", culprit="bad")], [], "on",
         'importing "bad" for the graph would switch the GIL on'),
    ],
)  # fmt: skip
def test_with_the_gil_off_it_is_about_what_would_switch_it_on(modules, packages, status, message):
    assert judge(OFF, modules, packages) == Verdict(status, message)


@pytest.mark.parametrize(
    ("by", "module", "message"),
    [
        ("build", "",
         "this build always has the GIL; nodes run in parallel on a free-threaded one, such as CPython 3.13t"),
        ("PYTHON_GIL=1", "", "the GIL is on: PYTHON_GIL=1"),
        ("-X gil=1", "", "the GIL is on: -X gil=1"),
        ("import", "old", 'the GIL is on: importing "old" switched it on'),
        ("import", "", "the GIL is on: importing a module switched it on"),
        ("start-up", "",
         "the GIL is on: a module imported at the start of Python (sitecustomize, a .pth file) switched it on"),
    ],
)  # fmt: skip
def test_with_the_gil_on_nothing_else_matters(by, module, message):
    assert judge(replaced(gil=True, gil_by=by, gil_module=module), [GOOD], [SAFE]) == Verdict("on", message)


def test_a_gil_that_is_kept_off_is_ok_whatever_would_have_switched_it_on():
    forced = replaced(gil_by="PYTHON_GIL=0")
    assert judge(forced, None, [SAFE]) == Verdict("ok", "the GIL is off, and PYTHON_GIL=0 keeps it off")
    told = judge(forced, None, [GREEDY]).message
    assert told.endswith('keeps it off, though without that importing "greedy" would switch the GIL on')


def text_of(*, colors=False, **changes):
    report = Report(OFF, MACHINE, PROJECT, "g.json", (GOOD, BAD), (DEEP, SAFE, PURE), judge(OFF, [BAD], []))
    return report_text(msgspec.structs.replace(report, **changes), colors=colors)


def test_the_report_as_text():
    assert (
        text_of()
        == """\
interpreter
  version      CPython 3.13
  build        main, GCC
  GIL          off, until an import switches it on
  JIT          not built in
  ABI          own
  configured   --x
  flags        -O3

machine
  platform     Linux
  processors   8; this process may use 4
  CPU limit    1.5 processors' time
  workers      4 in a run by default, more than the limit: try --workers 1
  clock        clock, resolution 1 ns, shortest step seen 40 ns

project
  uv           1.2
  lock         uv.lock is up to date with pyproject.toml
  environment  3 distributions as locked, 1 at another version: a 1 (locked: 2), 1 not in the lock: c

modules of g.json
  module  node          GIL  packages with extension modules
  good    a             off
  bad     b and 1 more  on   Bad                              by bad._x, which bad imports

packages with extension modules
  package  version  GIL  modules  ABI   cp313t  cp314t  cp315t
  deep     1        on   1        fits  ?       ?       ?       by deep._x, which deep imports
  safe     1        off  1        fits  ?       ?       ?

pure packages
  pure 1

not ok: importing "bad" for node "b" would switch the GIL on (the cause is "bad._x")
"""
    )


def test_colours_change_no_column():
    colored = text_of(colors=True)
    assert "\x1b[31mon\x1b[0m" in colored
    assert "\x1b[31mnot ok\x1b[0m: " in colored
    assert "\x1b[32moff\x1b[0m" in colored
    for code in ("0", "1", "31", "32", "33"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == text_of()


def test_where_there_is_nothing_it_says_none():
    text = text_of(graph="", modules=(), packages=())
    assert "modules of" not in text
    assert "packages with extension modules\n  none\n\npure packages\n  none\n" in text


def test_hostile_names_move_no_cursor():
    evil = "\x1b[31mx\n\u202e"
    module = Module(evil, evil, 1, "on", evil, "", (evil,))
    package = Package(evil, evil, "unknown", problem=evil, modules=(evil,))
    pure = Package(evil, evil, "pure")
    project = Project(evil, "stale", 0, (evil,), (evil,))
    text = text_of(
        graph=evil, modules=(module,), packages=(package, pure), project=project, verdict=Verdict("on", evil)
    )
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count(r"\x1b[31mx\n\u202e") >= 10


def test_this_interpreter_is_looked_at():
    told = interpreter.describe()
    assert (told.free_threaded, told.gil) == (gil.IS_FREE_THREADED, gil.is_enabled())
    assert told.abi == sysconfig.get_config_var("SOABI")
    assert told.gil_by == ("default" if gil.IS_FREE_THREADED else "build")
    assert told.jit in {"none", "off", "on"}
    assert not any("/" in option for option in told.options)


@pytest.mark.parametrize(
    ("options", "variable", "jit"),
    [
        ("", "1", "none"),
        ("'--enable-experimental-jit'", None, "on"),
        ("--enable-experimental-jit=yes", "0", "off"),
        ("--enable-experimental-jit=yes-off", None, "off"),
        ("--enable-experimental-jit=yes-off", "1", "on"),
        ("--enable-experimental-jit=interpreter", "1", "none"),
        ("--enable-experimental-jit=no", "1", "none"),
        ("'never closed", None, "none"),
    ],
)
def test_a_jit_that_was_built_in(monkeypatch, options, variable, jit):
    monkeypatch.delattr(sys, "_jit", raising=False)
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": options}.get)
    monkeypatch.delenv("PYTHON_JIT", raising=False)
    if variable is not None:
        monkeypatch.setenv("PYTHON_JIT", variable)
    assert interpreter.describe().jit == jit


def test_a_jit_that_tells_of_itself(monkeypatch):
    class Jit:
        is_available, is_enabled = staticmethod(lambda: True), staticmethod(lambda: False)

    monkeypatch.setattr(sys, "_jit", Jit, raising=False)
    assert interpreter.describe().jit == "off"


def test_this_machine_is_looked_at():
    told = machine.describe()
    assert told.processors >= told.workers >= 1
    assert told.resolution_s > 0
    assert told.step_s > 0
