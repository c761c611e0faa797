"""``taskrunner doctor``: what it says of extension modules of every kind, of this interpreter, and of a graph."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest

from taskrunner.cli.commands.doctor import doctor
from taskrunner.doctor import report
from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.environment.machine import Machine
from taskrunner.doctor.environment.project import Project
from taskrunner.engines.engine import WorkerProcess as DaskSite

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "doctor.md").read_text()
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
needs_free_threading = pytest.mark.skipif(not FREE_THREADED, reason="this build always has the GIL")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)")

SOURCE = """
#include <Python.h>
#include <stdlib.h>
#include <unistd.h>

static int execute(PyObject *module) {{
    {execute}
    return 0;
}}

static PyModuleDef_Slot slots[] = {{
    {{Py_mod_exec, execute}},
    {slots}
    {{0, NULL}},
}};

static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, 0, NULL, slots}};

PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModuleDef_Init(&definition); }}
"""
DECLARED = "{Py_mod_gil, Py_MOD_GIL_NOT_USED},"
KINDS = {
    "greedy": ("", ""),
    "modest": ("", DECLARED),
    "aborts": ("abort();", DECLARED),
    "hangs": ("for (;;) pause();", DECLARED),
    "marks": ('fclose(fopen(getenv("MARK"), "w"));', DECLARED),
    "raises": ('PyErr_SetString(PyExc_OSError, "no \\x1b luck"); return -1;', DECLARED),
}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Return a folder with an extension module of each kind."""
    folder = tmp_path_factory.mktemp("libraries")
    for name, (execute, slots) in KINDS.items():
        source = folder / f"{name}.c"
        source.write_text(SOURCE.format(name=name, execute=execute, slots=slots if FREE_THREADED else ""))
        command = ["cc", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(source), "-o"]
        subprocess.run([*command, str(folder / f"{name}{SUFFIX}")], check=True, capture_output=True)
    return folder


class Site:
    """A folder that stands for installed packages, and a doctor who looks at it."""

    def __init__(self, cli, libraries):
        self.cli = cli
        self.folder = cli.folder / "site"
        self.folder.mkdir()
        self._libraries = libraries

    def install(self, name, *files, tag="cp313-cp313t-any"):
        """Install a distribution; a file of a kind's name is its extension module."""
        info = self.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "WHEEL").write_text(f"Tag: {tag}\n")
        (info / "RECORD").write_text("".join(f"{self._put(file)},,\n" for file in files))

    def _put(self, file):
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name not in KINDS:
            path.touch()
            return file
        shutil.copy(self._libraries / f"{path.name}{SUFFIX}", path.parent)
        return f"{file}{SUFFIX}"

    def __call__(self, *words, env=None, python=()):
        path = f"{self.folder}:{ROOT}"
        return self.cli("doctor", *words, env={"PYTHONPATH": path, **(env or {})}, python=python)

    def rows(self, *words, **more):
        """Return the packages that were installed here, by name."""
        names = {path.name.partition("-")[0] for path in self.folder.glob("*.dist-info")}
        told = self("--json", *words, **more)
        assert told.err == ""
        return {row["name"]: row for row in told.json["packages"] if row["name"] in names}


@pytest.fixture
def site(cli, libraries):
    return Site(cli, libraries)


def kept(row, *names):
    return tuple(row[name] for name in names)


# -- packages ------------------------------------------------------------------------------------------


@needs_free_threading
@needs_compiler
def test_a_package_that_switches_the_gil_on_is_named_and_strict_exits_with_5(site):
    site.install("greedy", "greedy")
    told = site("--no-cache")
    assert told.code == 0
    assert re.search(r"^  greedy +1\.0 +on +1 +fits +yes +\? +\? +by greedy$", told.out, re.MULTILINE)
    assert told.out.endswith('\n\nnot ok: importing "greedy" would switch the GIL on\n')
    assert site("--strict", "--json", "--no-cache").code == 5


@pytest.mark.slow
@needs_free_threading
@needs_compiler
def test_packages_that_do_not_are_ok_and_strict_exits_with_0(site):
    site.install("modest", "modest/__init__.py", "modest")
    site.install("written", "written.py", tag="py3-none-any")
    rows = site.rows("--strict")
    assert kept(rows["modest"], "gil", "modules", "fits", "problem") == ("off", ["modest"], True, "")
    assert kept(rows["written"], "gil", "modules", "wheels") == (
        "pure",
        [],
        {"cp313t": "any", "cp314t": "any", "cp315t": "any"},
    )
    told = site("--strict")
    assert (told.code, told.out.splitlines()[-1]) == (0, "ok: the GIL is off, and no installed package switches it on")
    assert "written 1.0" in told.out.partition("pure packages")[2]


@needs_free_threading
@needs_compiler
def test_an_inner_module_that_its_package_does_not_import_is_tried_as_well(site):
    site.install("outer", "outer/__init__.py", "outer/deep/__init__.py", "outer/deep/greedy", "outer/modest")
    row = site.rows()["outer"]
    assert kept(row, "gil", "by", "culprit") == ("on", "outer.deep.greedy", "outer.deep.greedy")


@needs_free_threading
@needs_compiler
def test_a_package_that_imports_another_s_module_names_it(site):
    site.install("greedy", "greedy")
    site.install("outer", "outer/__init__.py", "outer/modest")
    (site.folder / "outer" / "__init__.py").write_text("import greedy")
    told = site("--no-cache")
    assert re.search(r"^  outer .* on .* by greedy, which outer imports$", told.out, re.MULTILINE)


@pytest.mark.slow
@needs_free_threading
@needs_compiler
def test_what_crashes_hangs_or_raises_is_a_row(site):
    for name in ("aborts", "hangs", "raises"):
        site.install(name, name)
    rows = site.rows("--timeout", "5", "--no-cache")
    assert kept(rows["aborts"], "gil", "problem") == ("unknown", "crashed: SIGABRT")
    assert kept(rows["hangs"], "gil", "problem") == ("unknown", "timed out after 5 s")
    assert kept(rows["raises"], "gil", "problem") == ("unknown", "OSError: no \x1b luck")


@needs_free_threading
@needs_compiler
def test_what_cannot_be_told_is_not_ok_either(site):
    site.install("raises", "raises")
    told = site("--strict")
    assert (told.code, told.out.splitlines()[-1]) == (5, r"unknown: no result for raises: OSError: no \x1b luck")


@needs_free_threading
@needs_compiler
def test_an_inner_module_that_only_raises_leaves_its_package_ok(site):
    site.install("outer", "outer/__init__.py", "outer/modest", "outer/raises")
    row = site.rows()["outer"]
    assert kept(row, "gil", "problem") == ("off", "outer.raises cannot be imported alone")


@needs_compiler
def test_a_module_for_another_build_is_told(site):
    site.install("foreign", "foreign/__init__.py", "foreign/_x.cpython-39-x86_64-linux-gnu.so", tag="cp39-cp39-any")
    row = site.rows("--no-import")["foreign"]
    assert kept(row, "fits", "modules", "tags") == (False, ["foreign._x"], ["cp39-cp39-any"])


@needs_compiler
def test_the_lock_says_for_which_builds_there_are_wheels(site, cli):
    wheels = [{"url": f"https://example.org/modest-1.0-{tag}-any.whl"} for tag in ("cp314-cp314t", "cp315-abi3.abi3t")]
    package = {"name": "modest", "version": "1.0", "wheels": wheels}
    (cli.folder / "uv.lock").write_bytes(msgspec.toml.encode({"version": 1, "package": [package]}))
    site.install("modest", "modest", tag="cp313-cp313-any")
    assert site.rows("--no-import")["modest"]["wheels"] == {
        "cp313t": "none", "cp314t": "listed", "cp315t": "listed",  # case 33
    }  # fmt: skip


@needs_compiler
def test_hostile_metadata_is_shown_and_moves_no_cursor(site):
    site.install("plain", "plain.py")
    info = site.folder / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: \x1b[31mevil\x07\nVersion: \u202e1\n")
    (info / "WHEEL").write_bytes(b"Tag: \xff\xfe\nTag: a\n")
    (info / "RECORD").write_bytes(b'\xff"\n')
    for name, metadata in (("none-1.0", None), ("empty-1.0", b""), ("bytes-1.0", b"\xff\x00Name: x")):
        (site.folder / f"{name}.dist-info").mkdir()
        if metadata is not None:
            (site.folder / f"{name}.dist-info" / "METADATA").write_bytes(metadata)
    told = site("--no-import")
    assert (told.code, told.err) == (0, "")
    assert r"\x1b[31mevil\x07" in told.out
    assert r"\u202e1" in told.out
    assert all(line.isprintable() for line in told.out.split("\n"))


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_path_may_hold_anything(cli, words):
    graph = cli.graph({"id": "a", "call": "functions:give"}, file="\udcff.json")
    told = cli("doctor", graph, *words, env={"PYTHONPATH": f"{ROOT}:{cli.folder}/\udcff"})
    assert (told.code, told.err) == (0, "")
    assert "functions" in told.out


def test_without_a_record_it_is_unknown(site):
    site.install("bare", "bare.py")
    (site.folder / "bare-1.0.dist-info" / "RECORD").unlink()
    assert kept(site.rows("--no-import")["bare"], "gil", "problem") == (
        "unknown",
        "no list of its files (RECORD is missing)",
    )


# -- imports and the cache ------------------------------------------------------------------------------


@pytest.mark.slow
@needs_free_threading
@needs_compiler
def test_an_import_is_remembered_until_something_changes(site, cli):
    site.install("marks", "marks")
    mark = cli.folder / "mark"
    env = {"MARK": str(mark)}

    def is_imported(*words):
        mark.unlink(missing_ok=True)
        row = site.rows(*words, env=env)["marks"]
        assert row["gil"] == "off"
        assert row["cached"] != mark.exists()
        return mark.exists()

    assert is_imported()
    assert not is_imported()
    assert not is_imported("--no-import")
    assert is_imported("--no-cache")
    assert is_imported("--cache-dir", "elsewhere")
    with (site.folder / f"marks{SUFFIX}").open("ab") as library:
        library.write(b"\0")  # the same size would do: it is the contents that count
    assert is_imported()
    site.install("another", "another.py")
    assert is_imported()


@needs_compiler
def test_no_import_imports_nothing(site, cli):
    site.install("marks", "marks")
    cli.write("noted.py", f"open({str(cli.folder / 'mark')!r}, 'w')\ndef f(): pass")
    told = site("--no-import", cli.graph({"id": "a", "call": "noted:f"}), env={"MARK": str(cli.folder / "mark")})
    assert told.code == 0
    assert not (cli.folder / "mark").exists()
    assert not (cli.folder / ".taskrunner").exists()


@needs_free_threading
def test_what_was_not_tried_is_unknown(site, cli):
    told = site("--no-import", cli.graph({"id": "a", "call": "functions:give"}))
    assert told.out.splitlines()[-1] == 'unknown: no result for "functions": not tested'


@needs_free_threading
@needs_compiler
def test_what_is_kept_is_the_user_s_alone(site, cli):
    site.install("modest", "modest")
    site()
    found = [path for path in (cli.folder / ".taskrunner").rglob("*") if path.is_file()]
    assert found
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}


# -- a graph ----------------------------------------------------------------------------------------------


@needs_free_threading
@needs_compiler
def test_a_graph_s_modules_come_first_and_name_their_nodes(site, cli):
    site.install("greedy", "greedy")
    site.install("a-modest", "modest")
    cli.write("early.py", "import greedy\ndef f(): return 1")
    cli.write("plain.py", "open('graph.json').close()\ndef f(): return 1")
    graph = cli.graph(
        {"id": "p", "call": "plain:f"}, {"id": "e\x1b", "call": "early:f"}, {"id": "q", "call": "plain:f"},
        {"id": "r", "run": "true"}, {"id": "again", "call": "early:f"},
    )  # fmt: skip
    told = site(graph, "--json", "--strict")
    assert told.code == 5
    rows = [kept(row, "module", "node", "nodes", "gil", "culprit", "uses") for row in told.json["modules"]]
    assert rows == [("plain", "p", 2, "off", "", []), ("early", "e\x1b", 2, "on", "greedy", ["greedy"])]
    assert kept(told.json["packages"][0], "name", "used") == ("greedy", True)
    assert r'not ok: importing "early" for node "e\x1b" would switch the GIL on' in site(graph).out


@needs_free_threading
@needs_compiler
def test_what_a_graph_does_not_import_does_not_matter_to_it(site, cli):
    site.install("greedy", "greedy")
    told = site(cli.graph({"id": "a", "call": "functions:give"}), "--strict")
    assert (told.code, told.out.splitlines()[-1]) == (
        0,
        "ok: the GIL is off, and no module that the graph names switches it on",
    )


@needs_free_threading
def test_each_module_of_a_graph_gets_a_row_though_one_crashes(cli):
    for name, source in (("one", "import os; os.abort()"), ("two", "raise ValueError('no')"), ("three", "")):
        cli.write(f"{name}.py", f"def f(): pass\n{source}")
    nodes = [{"id": name, "call": f"{name}:f"} for name in ("one", "two", "nowhere", "three")]
    told = cli("doctor", cli.graph(*nodes), "--json")
    assert told.code == 0
    assert [kept(row, "gil", "problem") for row in told.json["modules"]] == [
        ("unknown", "crashed: SIGABRT"),
        ("unknown", "ValueError: no"),
        ("unknown", "ModuleNotFoundError: No module named 'nowhere'"),
        ("off", ""),
    ]


@needs_free_threading
def test_an_interrupt_ends_it_at_once_with_its_children(cli):
    cli.write(
        "waits.py",
        "import os, signal\nopen('pid', 'w').write(str(os.getpid()))\nos.rename('pid', 'there')\nsignal.pause()",
    )
    process = cli.start("doctor", cli.graph({"id": "a", "call": "waits:f"}), "--timeout", "1000")
    pid = int(cli.wait_for("there", process).read_text())
    process.send_signal(signal.SIGINT)
    told = cli.end(process)
    assert (told.code, told.out, told.err) == (130, "", "")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("bad.json",), 3),
        (("missing.json",), 2),
        (("graph.json", "--no-commands"), 3),
        (("graph.json", "--allow", "functions:*"), 3),
        (("functions:give",), 2),
        (("crashes:graph",), 2),
        (("crashes:graph", "--no-import"), 2),
        (("--timeout", "0"), 2),
    ],
)
def test_a_graph_that_is_bad_or_not_allowed_is_refused_before_anything_is_imported(cli, words, code):
    cli.write("bad.json", "{")
    cli.write("noted.py", "open('mark', 'w')\ndef f(): pass")
    cli.write("crashes.py", "import os; os.abort()")
    cli.graph({"id": "a", "call": "noted:f"}, {"id": "b", "run": "true"})
    told = cli("doctor", *words)
    assert (told.code, told.out) == (code, "")
    assert "Traceback" not in told.err
    assert told.err
    assert not (cli.folder / "mark").exists()


@needs_free_threading
def test_a_graph_built_in_python_names_its_own_module_and_those_of_its_functions(cli):
    cli.write("built.py", "import taskrunner, functions\ng = taskrunner.Graph('g')\ng.call(functions.give)\n")
    told = cli("doctor", "built:g", "--json", "--strict")
    assert told.code == 0
    assert [kept(row, "module", "nodes", "gil") for row in told.json["modules"]] == [
        ("built", 0, "off"),
        ("functions", 1, "off"),
    ]


def test_a_graph_comes_from_standard_input(cli):
    graph = json.dumps({"taskrunner": 1, "nodes": [{"id": "a", "call": "functions:give"}]})
    assert [row["module"] for row in cli("doctor", "-", "--json", stdin=graph.encode()).json["modules"]] == [
        "functions"
    ]


# -- the interpreter ---------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_free_threading
@pytest.mark.parametrize(
    ("env", "python", "code", "by", "last"),
    [
        ({"PYTHON_GIL": "1"}, (), 5, "PYTHON_GIL=1", "not ok: the GIL is on: PYTHON_GIL=1"),
        ({}, ("-X", "gil=1"), 5, "-X gil=1", "not ok: the GIL is on: -X gil=1"),
        ({"PYTHON_GIL": "0"}, (), 0, "PYTHON_GIL=0", "ok: the GIL is off, and PYTHON_GIL=0 keeps it off"),
        ({"PYTHON_GIL": "1"}, ("-X", "gil=0"), 0, "-X gil=0", "ok: the GIL is off, and -X gil=0 keeps it off"),
    ],
)
def test_why_the_gil_is_as_it_is(cli, env, python, code, by, last):
    told = cli("doctor", "--strict", env=env, python=python)
    assert (told.code, told.out.splitlines()[-1]) == (code, last)
    assert cli("doctor", "--json", env=env, python=python).json["interpreter"]["gil_by"] == by


@needs_free_threading
@needs_compiler
def test_something_that_python_imports_at_its_start_is_blamed(site):
    site.install("greedy", "greedy")
    (site.folder / "sitecustomize.py").write_text("import warnings; warnings.simplefilter('ignore'); import greedy")
    told = site("--strict")
    assert told.code == 5
    assert "the GIL is on: a module imported at the start of Python" in told.out.splitlines()[-1]


@needs_free_threading
@needs_compiler
def test_a_module_that_taskrunner_s_own_process_imports_is_blamed(site, cli):
    site.install("greedy", "greedy")
    code = "import modest, greedy; from taskrunner.cli.main import main; main()"
    site.install("modest", "modest")
    command = [sys.executable, "-W", "ignore", "-c", code, "doctor", "--json"]
    env = {"PYTHONPATH": f"{site.folder}:{ROOT}", "PATH": "/usr/bin:/bin"}
    told = subprocess.run(command, cwd=cli.folder, env=env, capture_output=True, check=True)
    found = json.loads(told.stdout)
    assert kept(found["interpreter"], "gil", "gil_by", "gil_module") == (True, "import", "greedy")
    assert found["verdict"] == {"status": "on", "message": 'the GIL is on: importing "greedy" switched it on'}


@pytest.mark.skipif(FREE_THREADED, reason="this build can run without the GIL")
@needs_compiler
def test_a_build_with_a_gil_imports_nothing_and_says_so(site, cli):
    site.install("marks", "marks")
    told = site("--json", "--strict", env={"MARK": str(cli.folder / "mark")})
    assert told.code == 5
    assert told.json["interpreter"]["gil_by"] == "build"
    (row,) = [row for row in told.json["packages"] if row["name"] == "marks"]
    assert kept(row, "gil", "problem") == ("unknown", "this build always has the GIL")
    assert told.json["verdict"]["message"].startswith("this build always has the GIL")
    assert not (cli.folder / "mark").exists()


def test_a_run_imports_nothing_of_it():
    code = "import taskrunner.cli.commands.exec, sys; print([name for name in sys.modules if 'doctor' in name])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


# -- the docs ------------------------------------------------------------------------------------------------


def names_of(text):
    return re.findall(r"^  (\w+(?: \w+)?)  ", text, re.MULTILINE)


def test_the_docs_show_what_it_prints(cli):
    shown = re.search(r"^```text\n(.*?)^```$", DOC, re.DOTALL | re.MULTILINE).group(1)
    told = cli("doctor", cli.graph({"id": "pages", "call": "functions:give"}, file="crawl.json"), "--no-import").out
    titles = [[line for line in text.splitlines() if line and not line.startswith(" ")][:-1] for text in (shown, told)]
    assert titles[0] == titles[1]
    parts = [text.partition("modules of")[0] for text in (shown, told)]
    assert names_of(parts[0]) == names_of(parts[1])
    assert "  package   version  GIL  modules  ABI   cp313t  cp314t  cp315t\n" in shown


def test_every_option_is_documented():
    options = [name for parameter in doctor.params for name in parameter.opts if name.startswith("--")]
    assert [name for name in options if f"`{name}" not in DOC] == []


@pytest.mark.parametrize(
    ("key", "struct"),
    [
        ("interpreter", Interpreter), ("machine", Machine), ("project", Project), ("modules", report.Module),
        ("packages", report.Package), ("verdict", report.Verdict), ("sites", DaskSite),
    ],
)  # fmt: skip
def test_every_key_of_the_json_is_documented(key, struct):
    (row,) = re.findall(rf"^\| `{key}` \| (.*) \|$", DOC, re.MULTILINE)
    assert [name for name in struct.__struct_encode_fields__ if f"`{name}`" not in row] == []
    assert f"| `{key}` |" in DOC
    assert set(report.Report.__struct_fields__) == set(re.findall(r"^\| `(\w+)` \|", DOC, re.MULTILINE))


def test_help_says_that_an_import_runs_code(inside):
    assert "An import runs the module's code" in " ".join(inside("doctor", "--help").out.split())
