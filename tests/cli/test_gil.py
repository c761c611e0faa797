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

LATE = """
    import asyncio, threading

    def f(item=None):
        import greedy
        return 1

    async def wait():
        return f()

    async def hand_over():
        return await asyncio.to_thread(f)

    def start():
        thread = threading.Thread(target=f)
        thread.start()
        thread.join()
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
    cli.write("late.py", LATE)


def told_by_events(cli):
    """Return the module and the node of each event that tells of the GIL."""
    events = [json.loads(line) for line in (cli.last_run() / "events.jsonl").read_text().splitlines()]
    return [(event["module"], event["node"]) for event in events if event["event"] == "gil.on"]


@pytest.mark.usefixtures("_greedy")
@pytest.mark.parametrize("call", ["early:f", "late:f", "late:wait", "late:hand_over"])
def test_the_module_that_switched_the_gil_on_is_named_with_the_node(cli, call):
    told = cli("exec", cli.graph({"id": "b", "call": "functions:give"}, {"id": "a", "call": call, "needs": ["b"]}))
    assert (told.code, told.json) == (0, {"a": 1})
    assert 'taskrunner: warning: the GIL is on: importing "greedy" for node "a" switched it on;' in told.err
    assert 'GIL on (importing "greedy" for node "a" switched it on)' in told.err
    assert told_by_events(cli) == [("greedy", "a")]
    summary = json.loads((cli.last_run() / "summary.json").read_text())
    assert (summary["gil"], summary["gil_module"], summary["gil_node"]) == (True, "greedy", "a")


@pytest.mark.usefixtures("_greedy")
def test_the_node_is_a_child_where_a_child_imported_it(cli):
    graph = cli.graph({"id": "m", "call": "late:f", "map": [1], "args": [{"$item": True}]})
    assert 'importing "greedy" for node "m[0]" switched it on' in cli("exec", graph).err


@pytest.mark.usefixtures("_greedy")
def test_a_thread_that_a_node_has_started_itself_is_nobody_s(cli):
    told = cli("exec", cli.graph({"id": "a", "call": "late:start"}))
    assert 'GIL on (importing "greedy" switched it on)' in told.err
    assert told_by_events(cli) == [("greedy", "")]


@pytest.mark.usefixtures("_greedy")
def test_nogil_that_is_required_names_the_module_and_the_node(cli):
    told = cli("exec", cli.graph({"id": "a", "call": "early:f"}), "--require-nogil")
    assert told.code == 5
    assert told.err.splitlines()[-1] == 'taskrunner: the GIL is on: importing "greedy" for node "a" switched it on'
