"""Standard output holds results and nothing else, whatever nodes print, close or return (cases 20 to 22 and 43)."""

import json

import pytest

NOISE = """
import ctypes, os, subprocess, sys, threading, time

def give(value=None):
    return value

def shell():
    os.system("echo noise-shell")
    return 1

def child():
    subprocess.run(["echo", "noise-child"], check=True)
    return 2

def raw():
    os.write(1, b"noise-raw\\n")
    return 3

def c_code():
    ctypes.CDLL(None).puts(b"noise-c")  # in a buffer of the C library until the process ends
    return 4

def printed():
    print("noise-print")
    sys.stdout.write("noise-write\\n")
    sys.__stdout__.write("noise-dunder\\n")
    return 5

def forked():
    if os.fork() == 0:
        os.write(1, b"noise-fork\\n")
        os._exit(0)
    os.wait()
    return 6

def closes():
    sys.stdout.close()
    sys.__stdout__.close()
    return 7

def closes_stderr():
    sys.stderr.close()
    return 8

def closes_descriptor():
    os.close(1)
    return 9

def chatters(seconds):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        print("noise-late")

def lingers():
    threading.Thread(target=chatters, args=(30,), daemon=True).start()
"""
MODULE = """
print("noise-import")
import os
os.system("echo noise-import-shell")
import taskrunner
g = taskrunner.Graph()
g.call(int, id="a")
"""
QUIET = ("shell", "child", "raw", "c_code", "printed", "forked")


@pytest.fixture
def noisy(cli):
    cli.write("noise.py", NOISE)
    cli.write("built.py", MODULE)
    return cli


def call(name, *args, **fields):
    return {"id": name, "call": f"noise:{name}", "args": list(args), **fields}


@pytest.mark.parametrize("words", [(), ("-q", "--json"), ("--log-format", "json"), ("-v",), ("--no-progress",)])
def test_output_of_nodes_goes_to_standard_error(noisy, words):  # case 22
    ended = noisy("exec", noisy.graph(*map(call, QUIET)), *words)
    assert ended.code == 0
    found = json.loads(ended.out)
    assert found.get("outputs", found) == {name: number for number, name in enumerate(QUIET, 1)}
    missing = [name for name in ("shell", "child", "raw", "fork", "print", "write") if f"noise-{name}" not in ended.err]
    assert missing == [], ended.err


@pytest.mark.parametrize("name", ["closes", "closes_stderr", "closes_descriptor"])
def test_results_survive_a_node_that_closes_the_output(noisy, name):  # case 43
    ended = noisy("exec", noisy.graph(call(name), call("give", 1)))
    assert (ended.code, json.loads(ended.out)["give"]) == (0, 1)


def test_abandoned_call_that_prints_does_not_mix_with_the_results(noisy):
    graph = noisy.graph(call("chatters", 0, timeout=0.2, allow_failure=True), call("give", list(range(20_000))))
    ended = noisy("exec", graph)
    assert (ended.code, json.loads(ended.out)["give"]) == (0, list(range(20_000)))
    assert "noise-late" in ended.err


def test_thread_that_outlives_the_run_does_not_mix_with_the_results(noisy):
    ended = noisy("exec", noisy.graph(call("lingers"), call("give", list(range(20_000)))))
    assert (ended.code, json.loads(ended.out)["give"]) == (0, list(range(20_000)))


@pytest.mark.parametrize(
    "words",
    [
        ("exec", "built:g"),
        ("check", "built:g"),
        ("show", "built:g", "--format", "json"),
        ("exec", "built:g", "--dry-run"),
    ],
)
def test_output_of_an_imported_module_goes_to_standard_error(noisy, words):  # case 43
    ended = noisy(*words)
    assert (ended.code, "noise" in ended.out) == (0, False)
    assert {"noise-import", "noise-import-shell"} <= set(ended.err.split())


def test_stress_prints_only_its_report(noisy):  # case 43
    ended = noisy("stress", noisy.graph(*map(call, QUIET[:5])), "--runs", 2, "--json")
    assert ended.code == 0
    json.loads(ended.out)


def test_results_are_utf_8_where_the_locale_has_no_such_characters(noisy):  # case 43
    ended = noisy("exec", noisy.graph(call("give", "\u4e2d")), env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert (ended.code, json.loads(ended.raw)) == (0, {"give": "\u4e2d"})
    graph = noisy.graph({"id": "\u4e2d", "call": "noise:give"})
    text = noisy("exec", graph, "--dry-run", env={"PYTHONIOENCODING": "latin-1"})
    assert (text.code, r"\u4e2d" in text.out) == (0, True)


def deep(levels):
    return [[]] if not levels else [deep(levels - 1)]


@pytest.mark.parametrize(
    ("function", "args", "shown"),
    [
        ("math:factorial", [2000], None),  # case 20: more digits than Python prints
        ("builtins:float", ["nan"], "nan"),  # case 21
        ("builtins:float", ["-inf"], "-inf"),
        ("noise:give", [[1.5, None]], [1.5, None]),
    ],
)
def test_every_output_is_displayed(noisy, function, args, shown):
    ended = noisy("exec", noisy.graph({"id": "a", "call": function, "args": args}, call("give", 1)))
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    found = json.loads(ended.out, parse_constant=pytest.fail)
    assert found["give"] == 1
    assert found["a"] == shown if shown else found["a"].startswith("0x")


def test_nested_values_that_json_lacks_are_displayed_as_their_repr(noisy):
    noisy.write(
        "odd.py",
        "import dataclasses, datetime, math\n"
        "@dataclasses.dataclass\nclass Point:\n    x: float\n    when: datetime.date\n"
        "def give():\n"
        "    cycle = [math.nan]\n    cycle.append(cycle)\n"
        "    point = Point(math.inf, datetime.date(2026, 1, 2))\n"
        "    return {'p': point, 'n': [None, math.nan], 's': '\\udcff', 'c': cycle}\n",
    )
    ended = noisy("exec", noisy.graph({"id": "a", "call": "odd:give"}))
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    found = json.loads(ended.out, parse_constant=pytest.fail)["a"]
    assert (found["p"], found["n"], found["s"]) == ({"x": "inf", "when": "2026-01-02"}, [None, "nan"], "\\udcff")
    assert found["c"][0] == "nan"


def test_deep_result_is_printed_without_indentation(noisy):  # case 20
    noisy.write("deeply.py", "def give():\n    a = []\n    for _ in range(400):\n        a = [a]\n    return a\n")
    ended = noisy("exec", noisy.graph({"id": "a", "call": "deeply:give"}))
    assert ended.code == 0
    assert len(ended.out) < 10_000
    json.loads(ended.out)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_strict_output_names_the_node_of_a_number_that_json_lacks(noisy, number):  # case 21
    graph = noisy.graph({"id": "a", "call": "builtins:float", "args": [number]}, call("give", 1))
    ended = noisy("exec", graph, "-o", "out.json")
    assert ended.code == 1
    assert f'cannot write the result of "a" to out.json: JSON has no {number}' in ended.err
    assert json.loads(ended.out) == {"a": number, "give": 1}
    assert not (noisy.folder / "out.json").exists()
    assert noisy("exec", graph, "-o", "out.msgpack").code == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"run": ["echo", {"$ref": "a"}]},
        {"run": "cat", "stdin": {"$ref": "a"}},
        {"run": "true", "env": {"N": {"$ref": "a"}}},
    ],
)
def test_command_is_not_given_null_for_a_number_that_json_lacks(noisy, fields):  # case 21
    graph = noisy.graph({"id": "a", "call": "builtins:float", "args": ["nan"]}, {"id": "c", **fields})
    ended = noisy("exec", graph)
    assert (ended.code, "JSON has no nan" in ended.err) == (1, True)
