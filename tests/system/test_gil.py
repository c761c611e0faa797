import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import SourceFileLoader

import pytest

from taskrunner.system import gil
from taskrunner.system.gil import GilWatch

needs_free_threading = pytest.mark.skipif(not gil.IS_FREE_THREADED, reason="this build always has the GIL")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)")

EXTENSION = """
#include <Python.h>

static int execute(PyObject *module) {{
    return {execute};
}}

static PyModuleDef_Slot slots[] = {{
    {{Py_mod_exec, execute}},
    {slots}
    {{0, NULL}},
}};

static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, 0, NULL, slots}};

PyMODINIT_FUNC PyInit_{name}(void) {{
    return PyModuleDef_Init(&definition);
}}
"""
DECLARED = "{Py_mod_gil, Py_MOD_GIL_NOT_USED},"
IMPORT_PLAIN = 'PyImport_ImportModule("plain") ? 0 : -1'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with three extension modules: plain and rude switch the GIL on, safe does not."""
    folder = tmp_path_factory.mktemp("extensions")
    for name, execute, slots in (
        ("plain", "0", ""),
        ("rude", "0", ""),
        ("safe", "0", DECLARED),
        ("outer", IMPORT_PLAIN, DECLARED),
    ):
        source = folder / f"{name}.c"
        source.write_text(EXTENSION.format(name=name, execute=execute, slots=slots))
        library = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        include = sysconfig.get_path("include")
        command = ["cc", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(library)]
        if sys.platform == "darwin":
            command += ["-undefined", "dynamic_lookup"]
        subprocess.run(command, check=True, capture_output=True)
    return folder


WATCHED = """
import sys
sys.path.insert(0, {folder!r})
from taskrunner.system.gil import GilWatch, is_enabled
with GilWatch() as watch:
    before = is_enabled()
    {code}
assert watch not in sys.meta_path
print(before, is_enabled(), watch.culprit or "nobody")
"""


def watched(folder, code):
    """Run code under a watch, in a process whose GIL is off at first; return the GIL before, after, the culprit."""
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-c", WATCHED.format(folder=str(folder), code=code)]
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stderr == ""
    return done.stdout.split()


@needs_free_threading
@needs_compiler
@pytest.mark.parametrize(
    ("code", "after", "culprit"),
    [
        ("import plain", "True", "plain"),
        ("import safe", "False", "nobody"),
        ("import json, safe, plain", "True", "plain"),
        ("import plain, rude", "True", "plain"),
        ("import rude, plain", "True", "rude"),
        ("import outer", "True", "plain"),
        ("import importlib; importlib.import_module('plain')", "True", "plain"),
        ("import threading; t = threading.Thread(target=__import__, args=('plain',)); t.start(); t.join()", "True",
         "plain"),
        ("pass", "False", "nobody"),
    ],
)  # fmt: skip
def test_culprit_is_the_module_that_switched_the_gil_on(folder, code, after, culprit):
    assert watched(folder, code) == ["False", after, culprit]


@needs_free_threading
@needs_compiler
def test_module_imported_before_the_watch_is_not_blamed(folder):
    code = "pass"
    before = "import sys; sys.path.insert(0, {folder!r}); import plain\n"
    command = [
        sys.executable,
        "-W",
        "ignore::RuntimeWarning",
        "-c",
        (before + WATCHED).format(folder=str(folder), code=code),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "nobody"]


@needs_free_threading
@needs_compiler
def test_watched_module_is_what_it_would_be_without_the_watch(folder):
    code = "import safe; assert safe.__spec__.origin == safe.__file__; import importlib; importlib.reload(safe)"
    assert watched(folder, code) == ["False", "False", "nobody"]


@pytest.mark.skipif(gil.IS_FREE_THREADED, reason="this build can run without the GIL")
def test_there_is_nothing_to_watch_where_the_gil_is_always_on():
    before = list(sys.meta_path)
    with GilWatch() as watch:
        assert sys.meta_path == before
    assert (gil.is_enabled(), watch.culprit) == (True, "")


@needs_free_threading
def test_watch_stands_first_while_it_is_entered_and_goes_with_an_error():
    before = list(sys.meta_path)
    watch = GilWatch()
    with watch:
        assert sys.meta_path == [watch, *before]
    assert sys.meta_path == before
    with pytest.raises(ZeroDivisionError), watch:
        1 / 0  # noqa: B018  it is the error
    assert sys.meta_path == before


def test_modules_in_python_and_unknown_ones_are_left_to_others(tmp_path):
    (tmp_path / "written.py").touch()
    watch = GilWatch()
    assert watch.find_spec("written", [str(tmp_path)]) is None
    assert watch.find_spec("unknown", [str(tmp_path)]) is None


def test_extension_modules_get_a_watched_loader(tmp_path):
    path = tmp_path / f"native{sysconfig.get_config_var('EXT_SUFFIX')}"
    path.touch()
    spec = GilWatch().find_spec("native", [str(tmp_path)])
    assert (spec.name, spec.origin, spec.loader.path) == ("native", str(path), str(path))
    assert not isinstance(spec.loader, SourceFileLoader)


@pytest.mark.parametrize(("was_on", "is_on", "culprit"), [(False, True, "m"), (False, False, ""), (True, True, "")])
def test_only_a_gil_that_went_from_off_to_on_has_a_culprit(monkeypatch, was_on, is_on, culprit):
    monkeypatch.setattr(gil, "is_enabled", lambda: is_on)
    watch = GilWatch()
    watch.record("m", was_on=was_on)
    assert watch.culprit == culprit


def test_first_culprit_stays(monkeypatch):
    monkeypatch.setattr(gil, "is_enabled", lambda: True)
    watch = GilWatch()
    watch.record("first", was_on=False)
    watch.record("second", was_on=False)
    assert watch.culprit == "first"


def test_the_node_is_asked_for_once_and_for_the_culprit_alone(monkeypatch):
    asked = iter(["a"])
    watch = GilWatch(lambda: next(asked))
    monkeypatch.setattr(gil, "is_enabled", lambda: False)
    watch.record("harmless", was_on=False)
    monkeypatch.setattr(gil, "is_enabled", lambda: True)
    watch.record("first", was_on=False)
    watch.record("second", was_on=False)
    assert (watch.culprit, watch.node) == ("first", "a")


@pytest.mark.parametrize(("is_on", "blamed"), [(True, ("m", "a")), (False, ("", ""))])
def test_a_gil_that_is_off_in_the_end_was_switched_on_by_nobody(monkeypatch, is_on, blamed):
    monkeypatch.setattr(gil, "is_enabled", lambda: True)
    watch = GilWatch(lambda: "a")
    watch.record("m", was_on=False)
    monkeypatch.setattr(gil, "is_enabled", lambda: is_on)
    watch.recheck()
    assert (watch.culprit, watch.node) == blamed
