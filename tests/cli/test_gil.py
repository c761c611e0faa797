"""A run in which an import switches the GIL on says which module did: before the run, and in the middle of it."""

import json
import shutil
import subprocess
import sysconfig

import pytest

pytestmark = [
    pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this build always has the GIL"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)"),
]

SOURCE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "greedy", NULL, 0, NULL, NULL};
PyMODINIT_FUNC PyInit_greedy(void) { return PyModuleDef_Init(&definition); }
"""


@pytest.fixture
def _greedy(cli):
    """Put an extension module that does not declare itself safe, and two modules that import it, into the folder."""
    source = cli.folder / "greedy.c"
    source.write_text(SOURCE)
    library = cli.folder / f"greedy{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = ["cc", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(source), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True)
    cli.write("early.py", "import greedy\ndef f(): return 1")
    cli.write("late.py", "def f():\n    import greedy\n    return 1")


@pytest.mark.usefixtures("_greedy")
@pytest.mark.parametrize("module", ["early", "late"])
def test_the_module_that_switched_the_gil_on_is_named(cli, module):
    told = cli("exec", cli.graph({"id": "a", "call": f"{module}:f"}))
    assert (told.code, told.json) == (0, {"a": 1})
    assert 'taskrunner: warning: the GIL is on: importing "greedy" switched it on' in told.err
    assert 'GIL on (importing "greedy" switched it on)' in told.err
    events = [json.loads(line) for line in (cli.last_run() / "events.jsonl").read_text().splitlines()]
    assert [event["module"] for event in events if event["event"] == "gil.on"] == ["greedy"]


@pytest.mark.usefixtures("_greedy")
def test_nogil_that_is_required_names_the_module(cli):
    told = cli("exec", cli.graph({"id": "a", "call": "early:f"}), "--require-nogil")
    assert told.code == 5
    assert told.err.splitlines()[-1] == 'taskrunner: the GIL is on: importing "greedy" switched it on'
