import functools
import math
import operator
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from taskrunner.errors import GraphError, Problem, UsageError
from taskrunner.graph.graph import Graph, load
from taskrunner.nodes.resolve import import_paths, is_async, resolve, resolve_all, resolve_attribute


@pytest.fixture(autouse=True)
def _forget_modules():
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    assert sys.path == path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the working directory, in which a test writes its modules."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def found(name):
    with import_paths(""):
        return resolve(name)


def told(name):
    problem = found(name)
    assert isinstance(problem, Problem)
    return problem.message, problem.hint


def graph_of(*nodes):
    return Graph.decode(
        b'{"taskrunner": 1, "nodes": [' + b",\n".join(node.encode() for node in nodes) + b"]}", "json", ""
    )


def problems(graph, among=None):
    dag = graph.link()
    with pytest.raises(GraphError) as caught, import_paths(""):
        resolve_all(dag, graph.functions, among)
    return [(p.where, p.message, p.hint) for p in caught.value.problems]


def callables(graph, among=None):
    """Return what each node of a graph calls, by the node's id."""
    dag = graph.link()
    functions = resolve_all(dag, graph.functions, among)
    chosen = [vertex for vertex in dag.vertices if vertex.call and (among is None or vertex.index in among)]
    return {v.id: functions.by_node[v.id] if v.id in functions.by_node else functions.by_call[v.call] for v in chosen}


# -- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("math:floor", math.floor),
        ("builtins:str.upper", str.upper),
        ("os.path:join", Path.joinpath.__globals__["os"].path.join),
        ("pathlib:Path.cwd", Path.cwd),
    ],
)
def test_callable_is_found_by_its_name(name, value):
    assert resolve(name) == value


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("helpres:run", 'no module named "helpres"', 'did you mean "helpers"?'),
        ("zzqqxx:run", 'no module named "zzqqxx"', ""),
        ("zzqqxx.inner:run", 'no module named "zzqqxx"', ""),
        ("pack.inside.deep:run", 'no module named "pack.inside"', 'did you mean "pack.inner"?'),
        ("pack.iner:run", 'no module named "pack.iner"', 'did you mean "pack.inner"?'),
        ("helpers.x:run", 'no module named "helpers.x"', ""),
        ("helpers:rnu", '"helpers" has no "rnu"', 'did you mean "run"?'),
        ("helpers:Tool.star", '"helpers" has no "Tool.star"', 'did you mean "start"?'),
        ("helpers:zzqqxx", '"helpers" has no "zzqqxx"', ""),
        ("helpers:number", '"helpers:number" is not callable', ""),
    ],
)
def test_name_that_leads_nowhere_is_told_with_what_was_meant(folder, name, message, hint):
    (folder / "helpers.py").write_text("number = 3\ndef run(): ...\nclass Tool:\n    def start(self): ...\n")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").touch()
    (folder / "pack" / "inner.py").touch()
    assert told(name) == (message, hint)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit('no display')", "SystemExit: no display"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ImportError('too old')", "ImportError: too old"),
        ("import zzqqxx", "No module named 'zzqqxx'"),
        ("from math import zzqqxx", "ImportError: cannot import name 'zzqqxx' from 'math'"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise ModuleNotFoundError('by hand')", "by hand"),
    ],
)
def test_import_that_raises_is_told(folder, source, message):
    (folder / "broken.py").write_text(source)
    text, hint = told("broken:run")
    assert text.startswith(f'importing "broken" failed: {message}')
    assert hint == ""


def test_interrupt_during_an_import_is_not_swallowed(folder):
    (folder / "broken.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        found("broken:run")


def test_attribute_whose_code_raises_is_told(folder):
    (folder / "lazy.py").write_text("def __getattr__(name):\n    raise ImportError('needs numpy')\n")
    (text, _) = told("lazy:thing")
    assert "needs numpy" in text


def test_attribute_need_not_be_callable():
    assert resolve_attribute("math:pi") == math.pi


def test_attribute_that_is_not_there_is_wrong_use():
    with pytest.raises(UsageError) as caught:
        resolve_attribute("math:flor")
    assert str(caught.value) == '"math" has no "flor"; did you mean "floor"?'
    with pytest.raises(UsageError, match=r'^no module named "zzqqxx"$'):
        resolve_attribute("zzqqxx:a")


# -- all of a graph ------------------------------------------------------------------------------------


def test_functions_are_found_for_the_nodes_that_call_one():
    graph = graph_of(
        '{"id": "a", "call": "math:floor", "args": [1.5]}',
        '{"id": "b", "run": "ls"}',
        '{"id": "c", "call": "operator:add", "args": [1, 2]}',
    )
    assert callables(graph) == {"a": math.floor, "c": operator.add}


def test_only_the_wanted_nodes_are_looked_up():
    graph = graph_of('{"id": "a", "call": "zzqqxx:f"}', '{"id": "b", "call": "os:getpid"}')
    assert callables(graph, {1}) == {"b": os.getpid}
    assert resolve_all(graph.link(), {}, {1}).by_call == {"os:getpid": os.getpid}


def test_independent_problems_are_told_together_in_order(folder):
    (folder / "helpers.py").write_text("number = 3\ndef run(a, *, key=0): ...\n")
    assert problems(
        graph_of(
            '{"id": "a", "call": "helpres:run"}',
            '{"id": "b", "call": "helpers:run", "args": [1]}',
            '{"id": "c", "call": "helpers:rnu"}',
            '{"id": "d", "call": "helpers:number"}',
            '{"id": "e", "call": "helpers:run"}',
            '{"id": "f", "call": "helpres:run"}',
        )
    ) == [
        ("nodes[0].call", 'no module named "helpres"', 'did you mean "helpers"?'),
        ("nodes[2].call", '"helpers" has no "rnu"', 'did you mean "run"?'),
        ("nodes[3].call", '"helpers:number" is not callable', ""),
        ("nodes[4].args", "helpers:run does not accept its arguments: missing a required argument: 'a'", ""),
        ("nodes[5].call", 'no module named "helpres"', 'did you mean "helpers"?'),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "missing a required argument: 'a'"),
        (', "args": [1, 2]', "too many positional arguments"),
        (', "args": [1], "kwargs": {"other": 2}', "got an unexpected keyword argument 'other'"),
        (', "args": [1], "kwargs": {"a": 2}', "multiple values for argument 'a'"),
    ],
)
def test_arguments_that_do_not_fit_are_told(folder, fields, message):
    (folder / "helpers.py").write_text("def run(a, *, key=0): ...\n")
    node = f'{{"id": "x", "call": "helpers:run"{fields}}}'
    assert problems(graph_of(node)) == [
        ("nodes[0].args", f"helpers:run does not accept its arguments: {message}", ""),
    ]


def test_arguments_that_fit_are_taken(folder):
    (folder / "helpers.py").write_text("def run(a, *, key=0): ...\ndef all(*a, **k): ...\nclass New:\n  x = 1\n")
    graph = graph_of(
        '{"id": "a", "call": "helpers:run", "args": [1]}',
        '{"id": "b", "call": "helpers:run", "kwargs": {"a": 1, "key": 2}}',
        '{"id": "c", "call": "helpers:all", "args": [1, 2], "kwargs": {"self": 3}}',
        '{"id": "d", "call": "helpers:New"}',
        '{"id": "e", "call": "builtins:max", "args": [1, 2]}',
    )
    with import_paths(""):
        assert list(callables(graph)) == ["a", "b", "c", "d", "e"]


def test_problems_get_the_line_of_the_file(tmp_path):
    path = tmp_path / "g.json"
    path.write_text('{"taskrunner": 1, "nodes": [\n {"id": "a",\n  "call": "math:flor"}]}')
    graph = load(path)
    with pytest.raises(GraphError) as caught:
        resolve_all(graph.link(), {})
    assert str(graph.error(caught.value)) == (
        f'{path}:3:11: nodes[0].call: "math" has no "flor"; did you mean "floor"?'
    )


class Falsy:
    def __bool__(self):
        return False

    def __call__(self):
        """Stand for a callable that is also an empty collection."""


@dataclass
class Unhashable:
    size: int = 0

    def __call__(self):
        """Stand for a callable that compares by value."""


@pytest.mark.parametrize("function", [lambda: 0, functools.partial(int, "3"), Falsy(), Unhashable(), [].copy])
def test_function_given_in_python_is_taken_as_it_is(function):
    graph = Graph()
    graph.call(function)
    (called,) = callables(graph).values()
    assert called is function


def test_function_given_in_python_stands_before_its_name_and_for_its_node_alone():
    graph = graph_of('{"id": "a", "call": "operator:neg", "args": [1]}', '{"id": "b", "run": "ls"}')
    graph.call(operator.neg, 1, id="c")
    graph.functions["c"] = math.floor
    assert callables(graph) == {"a": operator.neg, "c": math.floor}


def test_every_node_of_a_call_that_does_not_fit_is_told_in_the_order_of_the_file():
    graph = graph_of(
        '{"id": "a", "call": "operator:add", "args": [1]}',
        '{"id": "b", "call": "operator:add", "args": [1, 2]}',
        '{"id": "c", "call": "math:flor", "args": [1]}',
        '{"id": "d", "call": "operator:add", "args": [3]}',
        '{"id": "e", "call": "operator:add", "args": [1, 2], "kwargs": {"x": 1}}',
    )
    places = ["nodes[0].args", "nodes[2].call", "nodes[3].args", "nodes[4].args"]
    assert [where for where, _, _ in problems(graph)] == places
    assert [where for where, _, _ in problems(graph, {3, 1, 0})] == [places[0], places[2]]


def test_arguments_of_a_function_given_in_python_are_checked():
    graph = Graph()
    graph.call(lambda a: a, 1)
    graph.call(lambda a: a, id="bad")
    ((where, message, _),) = problems(graph)
    assert where == "nodes[1].args"
    assert message.endswith("does not accept its arguments: missing a required argument: 'a'")


# -- plain or async ------------------------------------------------------------------------------------


async def coroutine(_):
    """Stand for an async function."""


def plain(_):
    """Stand for a plain function."""


class Both:
    def plain(self):
        """Stand for a plain method."""

    async def coroutine(self):
        """Stand for an async method."""

    @staticmethod
    async def static():
        """Stand for an async static method."""

    def __call__(self):
        """Stand for a plain call."""


class Awaited:
    async def __call__(self):
        """Stand for an async call."""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (plain, False),
        (coroutine, True),
        (functools.partial(plain, 1), False),
        (functools.partial(coroutine, 1), True),
        (functools.partial(functools.partial(coroutine), 1), True),
        (Both().plain, False),
        (Both().coroutine, True),
        (Both.static, True),
        (Both(), False),
        (Awaited(), True),
        (functools.partial(Awaited()), True),
        (functools.wraps(coroutine)(lambda x: x), False),
        (Both, False),
        (Awaited, False),
        (math.floor, False),
        (int, False),
    ],
)
def test_async_is_told_from_plain(function, expected):
    assert is_async(function) is expected


# -- where modules are looked up -----------------------------------------------------------------------


@pytest.fixture
def places(tmp_path, folder, monkeypatch):
    """Return the working directory, a graph's folder and one of what is installed."""
    beside, installed = tmp_path / "beside", tmp_path / "installed"
    beside.mkdir()
    installed.mkdir()
    monkeypatch.setattr(sys, "path", [str(installed), *sys.path])
    return {"cwd": folder, "beside": beside, "installed": installed}


@pytest.mark.parametrize(
    ("having", "first"),
    [
        (["cwd", "beside", "installed"], "cwd"),
        (["beside", "installed"], "beside"),
        (["cwd", "installed"], "cwd"),
        (["installed"], "installed"),
    ],
)
def test_modules_are_looked_up_in_cwd_then_beside_the_graph_then_installed(places, having, first):
    for place in having:
        (places[place] / "looked_up.py").write_text(f"def {place}(): ...")
    with import_paths(str(places["beside"] / "graph.json")):
        assert resolve(f"looked_up:{first}").__name__ == first


def test_relative_source_is_beside_its_folder(places, monkeypatch):
    monkeypatch.chdir(places["beside"].parent)
    with import_paths("beside/graph.json"):
        assert sys.path[:2] == [str(places["beside"].parent), str(places["beside"])]


@pytest.mark.parametrize("source", ["", "<stdin>"])
def test_graph_without_a_file_has_no_folder(places, source):
    before = list(sys.path)
    with import_paths(source):
        assert sys.path == [str(places["cwd"]), *before]


def test_lookup_path_is_restored_also_after_an_error(places):
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError), import_paths(str(places["beside"] / "graph.json")):
        1 / 0  # noqa: B018  it is the error
    assert sys.path == before


def test_folder_that_was_in_the_path_comes_first_and_goes_back(places):
    sys.path.append(str(places["beside"]))
    before = list(sys.path)
    with import_paths(str(places["beside"] / "graph.json")):
        assert sys.path[1] == str(places["beside"])
    assert sys.path == before


@pytest.mark.parametrize("position", [0, 1, 99])
def test_entry_that_a_module_adds_is_kept(places, position):
    before, plugins = list(sys.path), str(places["beside"] / "plugins")
    with import_paths(str(places["beside"] / "graph.json")):
        sys.path.insert(position, plugins)
    assert plugins in sys.path
    assert [entry for entry in sys.path if entry != plugins] == before


def test_entry_that_a_module_takes_out_is_no_error(places):
    before = list(sys.path)
    with import_paths(""):
        sys.path.remove(str(places["cwd"]))
    assert sys.path == before


def test_lookups_may_overlap(places):
    before = list(sys.path)
    first, second = import_paths(""), import_paths(str(places["beside"] / "graph.json"))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert str(places["beside"]) in sys.path
    second.__exit__(None, None, None)
    assert sys.path == before


def test_module_written_after_an_earlier_lookup_is_found(folder):
    with import_paths(""):
        assert isinstance(resolve("made_late:run"), Problem)
    (folder / "made_late.py").write_text("def run(): ...")
    assert found("made_late:run").__name__ == "run"
