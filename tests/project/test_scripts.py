"""The scripts that measure, on graphs so small that the figures mean nothing: checked is what follows from them."""

import itertools
import json
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import cluster_cost
import false_alarms
import million
import prediction
import taskrunner
from benchmark import bodies, child, graphfile, job, picture, shapes, sides, wakeup, workflow
from benchmark.case import Case
from benchmark.figure import RUN, Figure
from benchmark.sides import Kind, Prepared, Side, WrongResultError
from browser import find_browser

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"
SVG = "{http://www.w3.org/2000/svg}"
PEERS = [name for name in ("dask", "joblib") if find_spec(name)]
RECORDED = {
    "name": "three",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {"id": "c", "name": "c", "parents": ["a", "b"], "children": []},
                {"id": "a", "name": "a", "parents": [], "children": ["c"]},
                {"id": "b", "name": "b", "parents": [], "children": ["c"]},
            ]
        },
        "execution": {"tasks": [{"id": name, "runtimeInSeconds": s} for name, s in (("a", 1), ("b", 2), ("c", 5))]},
    },
}


def script(name, *arguments):
    command = [sys.executable, SCRIPTS / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    (folder / "three.json").write_text(json.dumps(RECORDED))
    choice = "--shapes wide,layered --bodies empty,fib10 --nodes 50 --rounds 2 --wakeups 3 --workers 1,2 --work 0.02"
    files = ("--json", folder / "found.json", "--svg", folder / "found.svg", "--workflow", folder / "three.json")
    done = script("bench.py", *choice.split(), *files)
    assert (done.returncode, done.stderr) == (0, "")
    svg = ET.fromstring((folder / "found.svg").read_text())  # noqa: S314  its own picture
    return done.stdout, json.loads((folder / "found.json").read_text()), svg


def figure_names(shape, body):
    bare = ["bare"] if body == "fib10" else []
    peers = [name for name in PEERS if name == "dask" or shape == "wide"]
    for kind, workers in itertools.product([*bare, "taskrunner", "graphlib", *peers], (1, 2)):
        yield from ((kind, workers, part) for part in (("call", "run") if kind == "taskrunner" else ("call",)))


def test_bench_measures_every_side_that_suits(bench):
    _, found, _ = bench
    assert [(case["body"], case["shape"]) for case in found["cases"]] == [
        ("empty", "wide"),
        ("empty", "layered"),
        ("fib10", "wide"),
        ("fib10", "layered"),
    ]
    for case in found["cases"]:
        names = [(figure["side"], figure["workers"], figure["part"]) for figure in case["figures"]]
        assert names == [("serial", 1, "call"), *figure_names(case["shape"], case["body"])]


def test_bench_ran_every_node_in_every_round(bench):
    _, found, _ = bench
    for case in found["cases"]:
        for figure in case["figures"]:
            assert figure["nodes"] == figure["checked_nodes"] == 50
            assert len(figure["seconds"]) == 2
            assert figure["median_s"] == statistics.median(figure["seconds"])
            assert figure["us_per_node"] == figure["median_s"] / 50 * 1e6
            assert figure["spread"] == max(figure["seconds"]) / min(figure["seconds"])


def test_bench_s_ratios_are_the_quotients_of_the_medians(bench):
    _, found, _ = bench
    for case in found["cases"]:
        medians = {(f["side"], f["workers"], f["part"]): f["median_s"] for f in case["figures"]}
        for figure in case["figures"]:
            expected = {p: figure["median_s"] / medians["taskrunner", figure["workers"], p] for p in ("call", "run")}
            assert figure["over"] == pytest.approx(expected)
        assert [ceiling["workers"] for ceiling in case["ceiling"]] == ([1, 2] if case["body"] == "fib10" else [])
        for ceiling in case["ceiling"]:
            bare = medians["bare", ceiling["workers"], "call"]
            for part in ("call", "run"):
                ours = medians["taskrunner", ceiling["workers"], part]
                assert ceiling[f"share_{part}"] == pytest.approx(bare / ours)


def test_bench_s_lower_bounds_and_wake_ups(bench):
    _, found, _ = bench
    (recorded,) = found["workflows"]
    assert (recorded["workflow"], recorded["nodes"], recorded["scale"]) == ("three", 3, pytest.approx(0.0025))
    for figure in recorded["figures"]:
        pairs = zip(figure["seconds"], figure["bounds_s"], strict=True)
        assert figure["over_bound"] == pytest.approx(statistics.median(taken / bound for taken, bound in pairs))
    assert len(found["wakeups"]) == 8
    for one in found["wakeups"]:
        assert one["median_s"] == statistics.median(one["seconds"])
        assert one["p90_s"] == max(one["seconds"])
        assert len(one["seconds"]) == 3


def test_bench_tells_of_the_machine_and_of_what_is_missing(bench):
    printed, found, _ = bench
    assert found["missing"] == [name for name in ("dask", "joblib") if name not in PEERS]
    for name in found["missing"]:
        assert f"{name} is not installed and is left out\n" in printed
    assert found["machine"]["python"] == sys.version
    assert found["machine"]["gil"] is sys._is_gil_enabled()
    for case in found["cases"]:
        (two,) = [f for f in case["figures"] if (f["side"], f["workers"], f["part"]) == ("taskrunner", 2, "call")]
        name = f"{case['shape']} {case['body']}"
        assert f"{name:16}taskrunner 2: {two['us_per_node']:.2f} us/node; its run " in printed


def test_bench_draws_a_bar_for_each_figure(bench):
    _, found, svg = bench
    bars = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "bar"]
    figures = [(case["shape"], f) for case in found["cases"] if case["body"] == "empty" for f in case["figures"]]
    assert len(bars) == len(figures)
    for bar, (shape, figure) in zip(bars, figures, strict=True):
        told = bar.find(f"{SVG}title").text
        assert told.startswith(f"{shape}, {figure['side']}")
    widths = [float(bar.get("width")) for bar in bars]
    by_width = sorted(range(len(bars)), key=lambda i: widths[i])
    values = [figures[i][1]["us_per_node"] for i in by_width]
    assert values == pytest.approx(sorted(values), rel=0.01)
    assert min(widths) > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--shapes", "wide,ring"], 'there is no "ring": there are wide, chain, tree, layered, diamond'),
        (["--workers", "0"], '"0" is not a whole number above zero'),
        (["--work", "nan"], '"nan" is no time above zero'),
        (["--json", "nowhere/found.json"], 'cannot write "nowhere/found.json"'),
        (["--workflow", "nowhere.json"], 'there is no file "nowhere.json"'),
    ],
)
def test_bench_says_at_once_what_is_wrong(arguments, told):
    done = script("bench.py", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


@pytest.mark.parametrize("n", [1, 2, 3, 4, 11, 50, 300])
@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_a_node_needs_only_nodes_before_it(shape, n):
    needs = shapes.SHAPES[shape](n)
    assert len(needs) == (n - 1 if shape == "tree" and n % 2 == 0 else n)
    for node, needed in enumerate(needs):
        assert len(set(needed)) == len(needed)
        assert all(0 <= other < node for other in needed)
    assert needs == shapes.SHAPES[shape](n)


def test_small_shapes():
    assert shapes.wide(2) == [[], []]
    assert shapes.chain(3) == [[], [0], [1]]
    assert shapes.tree(7) == [[], [], [], [], [0, 1], [2, 3], [4, 5]]
    assert shapes.diamond(7) == [[], [0], [0], [1, 2], [3], [3], [4, 5]]
    assert shapes.sinks([[], [0], [0], [1]]) == [2, 3]
    assert [len(needed) for needed in shapes.layers(12, 4, 2)] == [0] * 4 + [2] * 8


@pytest.mark.parametrize("kind", [kind for kind in sides.KINDS if sides.KINDS[kind].is_there])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_side_hands_results_on(kind, workers):
    side = Side(kind, workers)
    for shape, make in shapes.SHAPES.items():
        if side.suits(shape, "fib10"):
            assert side.check(make(40)) == 39 + (shape != "tree")


@pytest.mark.parametrize("broken", ["twice", "left out", "wrong input"])
def test_a_side_that_is_wrong_is_found_out(monkeypatch, broken):
    def prepare(job, _workers):
        def run():
            for number, function in enumerate(job.functions):
                times = {"twice": 2, "left out": number % 2, "wrong input": 1}[broken]
                for _ in range(times):
                    function("wrong")

        return Prepared(run, lambda _: sides.Read(job.sinks))

    monkeypatch.setitem(sides.KINDS, "serial", Kind(prepare, threaded=False))
    with pytest.raises(WrongResultError, match="serial did not run every node once"):
        Side("serial", 1).check([[], []])


def test_peers_that_are_missing_are_left_out(monkeypatch):
    monkeypatch.setattr(sides, "find_spec", lambda _: None)
    assert sides.missing(["serial", "dask", "joblib"]) == ["dask", "joblib"]
    assert sides.sides(["serial", "dask", "graphlib"], [1, 2]) == [
        Side("serial", 1),
        Side("graphlib", 1),
        Side("graphlib", 2),
    ]


def test_a_difference_within_the_spread_is_noise():
    def figure(*seconds):
        return Figure(Side("graphlib", 1), 10, 10, seconds=list(seconds))

    assert figure(1.0, 1.2, 1.1).is_noise(figure(1.2, 1.2, 1.2))
    assert not figure(1.0, 1.01, 1.0).is_noise(figure(1.2, 1.2, 1.2))
    assert figure(1.0).over(figure(4.0)) == 0.25


def test_a_lower_bound_is_the_critical_path_or_the_work():
    needs = [[], [0], [0], [1, 2]]
    assert workflow.lower_bound([1.0, 2.0, 5.0, 1.0], needs, 2) == 7.0
    assert workflow.lower_bound([1.0, 2.0, 5.0, 1.0], needs, 1) == 9.0
    assert workflow.lower_bound([3.0], [[]], 2) == 3.0


def test_a_workflow_s_nodes_stand_in_an_order_in_which_they_can_run(tmp_path):
    path = tmp_path / "three.json"
    path.write_text(json.dumps(RECORDED))
    read = workflow.read(path, 0.8)
    assert sorted(zip(read.job.names, read.seconds, strict=True)) == [("a", 0.1), ("b", 0.2), ("c", 0.5)]
    assert read.job.names[2] == "c"
    assert read.job.needs == [[], [], [read.job.names.index("a"), read.job.names.index("b")]]


def test_no_wake_ups_are_measured_if_none_are_asked_for():
    assert wakeup.measure(0, 5) == []


def test_the_legend_breaks_its_line_where_it_is_full():
    drawn = [kind for kind in sides.KINDS if Side(kind, 2).suits("wide", "fib10")]
    figures = [Figure(Side(kind, 2), 1, 1, seconds=[1e-6]) for kind in drawn]
    figures.append(Figure(Side("taskrunner", 2), 1, 1, RUN, [1e-6]))
    svg = ET.fromstring(picture.draw([Case("wide", "fib10", figures)], "fib10", "<&>"))  # noqa: S314  its own picture
    rows = [(text.text, text.get("y")) for text in svg.iter(f"{SVG}text")]
    assert ("serial", "68") in rows
    assert ("fainter: fewer workers", "88") in rows


@pytest.mark.parametrize("outputs", [None, []])
def test_graph_files_hold_what_they_should(tmp_path, outputs):
    path = tmp_path / "graph.json"
    needs = shapes.tree(7)
    path.write_text("".join(graphfile.lines(needs, "benchmark.bodies:fib10", outputs)))
    result = taskrunner.run(taskrunner.load(path), workers=2)
    assert result.summary.done == 7
    assert result.outputs == ({"n6": 55} if outputs is None else {})


def test_bodies_return_what_is_expected_of_them():
    for body in bodies.BODIES.values():
        assert body.function("any", "input") == body.result
        graph = job.of_body(body, [[]]).graph()
        assert [node.call for node in graph.file.nodes] == [body.call]


def test_million(tmp_path):
    done = script("million.py", "--sizes", "20,40", "--rounds", "1", "--json", tmp_path / "found.json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [(row["command"], row["nodes"]) for row in rows] == list(itertools.product(million.COMMANDS, (1, 20, 40)))
    for row in rows:
        start = next(other for other in rows if other["command"] == row["command"])
        assert row["us_per_node"] == pytest.approx((row["median_s"] - start["median_s"]) / row["nodes"] * 1e6)
        assert row["bytes_per_node"] * row["nodes"] == row["peak_bytes"][0] - start["peak_bytes"][0]
        assert f"{row['command']:25}{row['nodes']:>10}{row['median_s']:>9.3f} s" in done.stdout


def test_million_writes_layers(tmp_path):
    graph = taskrunner.load(tmp_path / million.write_graph(tmp_path, 2500))
    assert len(graph.file.nodes) == 2500
    assert not graph.file.outputs
    for number, node in enumerate(graph.file.nodes):
        assert node.id == f"n{number}"
        before = {int(reference["$ref"][1:]) // 1000 for reference in node.args}
        assert before == ({number // 1000 - 1} if number >= 1000 else set())


def test_startup(tmp_path):
    done = script("startup.py", "--rounds", "1", "--imports", "--json", tmp_path / "found.json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["seconds"]) == ["exec", "check", "--help", "libraries", "python"]
    medians = found["median_s"]
    assert found["over"] == {name: median / medians["libraries"] for name, median in medians.items()}
    assert "taskrunner.api" in found["imports_us"]
    assert not {"click", "msgspec", "structlog"} & found["imports_us"].keys()
    assert list(found["imports_us"].values()) == sorted(found["imports_us"].values(), reverse=True)
    assert "taskrunner.api\n" in done.stdout


def test_a_child_that_fails_is_told_with_its_errors(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no luck')"]
    with pytest.raises(child.ChildFailedError, match=r"(?s)exit code 1\n.*no luck"):
        child.run(command, tmp_path)


def test_a_child_s_memory_is_its_own():
    """It counts from its parent's size: that is a small one here, not the one that runs these tests."""
    code = "from benchmark import child; import sys; "
    code += "print(child.run([sys.executable, '-c', 'bytearray(300 << 20)'], '.').peak_bytes)"
    found = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, check=True)
    assert 300 << 20 < int(found.stdout) < 600 << 20


def test_prediction(tmp_path):
    (tmp_path / "three.json").write_text(json.dumps(RECORDED))
    files = (tmp_path / "three.json", "--json", tmp_path / "found.json")
    done = script("prediction.py", *files, "--work", "0.08", "--rounds", "2", "--asleep")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    lines = [line.split() for line in done.stdout.splitlines()[-2:]]
    for order, (name, told, *cells) in zip(prediction.ORDERS, lines, strict=True):
        assert (name, told) == ("three", order)
        measured, ratios = row["measured_s"][order], row["ratios"][order]
        assert [len(found) for found in (*measured.values(), *ratios.values())] == [2] * 6
        assert cells[0] == f"{statistics.median(measured['1']):.3f}s"
        assert cells[4] == f"{statistics.median(ratios['1 to 1']):.3f}"
        assert cells[5] == f"{prediction.furthest(ratios['1 to 1']):.3f}"


def test_the_furthest_ratio_may_lie_on_either_side():
    assert prediction.furthest([0.9, 1.05, 1.0]) == 0.9
    assert prediction.furthest([0.5, 3.0]) == 3.0


def test_progress_measures_both_sides_and_counts_inside(tmp_path):
    done = script("progress.py", "--seconds", "0.7", "--rounds", "1", "--json", tmp_path / "found.json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "found.json").read_text())["seconds"]
    assert set(found) == {"calls of 0.5 s", "calls of 1 ms", "one that waits"}
    for taken in found.values():
        assert {side: len(rounds) for side, rounds in taken.items()} == {"bar": 1, "none": 1, "inside": 1}
        assert 0 < taken["inside"][0] < 1


def test_cluster_cost_measures_threads_and_a_cluster(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cluster_cost, "LENGTHS", (0.001,))
    monkeypatch.setattr(cluster_cost, "WORK_S", 0.005)
    words = ["--rounds", "1", "--nodes", "40", "--large", "30", "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr(sys, "argv", ["cluster_cost.py", *words])
    cluster_cost.main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["large"]["nodes"] == 30
    assert found["large"]["peak_bytes"] > 0
    assert set(found["cost"]) == {"wide", "layered", "chains of 20"}
    for measured in found["cost"].values():
        assert {side: len(rounds) for side, rounds in measured.items()} == {
            "threads": 1,
            "dask": 1,
            "dask, not fused": 1,
        }
    best, rounds = found["lengths"]["1 ms"]
    assert (best, set(rounds)) == (0.005, {"threads", "dask"})
    told = capsys.readouterr().out
    assert "\n30 nodes: " in told
    assert "microseconds a node, 40 empty nodes" in told


def test_false_alarms_searches_clean_graphs():
    done = script("false_alarms.py", "--runs", 3, "--graphs", "offload,sharded")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()[-2:]]
    assert [row[:5] for row in rows] == [["offload", "5", "8", "1", "0"], ["sharded", "5", "8", "1", "0"]]


def test_false_alarms_names_what_cannot_run(monkeypatch, capsys):
    monkeypatch.setitem(false_alarms.CASES, "frames", false_alarms.Case(module="no_such_module"))
    monkeypatch.setattr(sys, "argv", ["false_alarms.py", "--graphs", "frames"])
    assert false_alarms.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "frames: no_such_module is not installed"


def test_false_alarms_tells_of_an_alarm_and_how_to_see_it_again(monkeypatch, capsys):
    monkeypatch.setitem(false_alarms.CASES, "counter", false_alarms.Case({"nodes": 2, "steps": 20}))
    monkeypatch.setattr(sys, "argv", ["false_alarms.py", "--graphs", "counter"])
    assert false_alarms.main() == 1
    told = capsys.readouterr().out
    assert "\nfirst node    unlocked: " in told
    command = next(line for line in told.splitlines() if line.startswith("reproduce"))
    assert command.endswith(" --set nodes=2 --set steps=20")
    assert " stress workloads/counter.json --workers 2 --runs 1 --seed " in command


def test_every_workload_is_searched_or_is_there_to_be_found():
    named = {path.stem for path in (SCRIPTS.parent / "workloads").glob("*.json")}
    assert named - false_alarms.CASES.keys() == {"racy", "racy-edge"}


def test_pages_measures_the_page_of_a_run():
    done = script("pages.py", "--nodes", 30, "--rounds", 1)
    assert (done.returncode, done.stderr) == (0, "")
    figures = dict(zip(done.stdout.split()[1::2], done.stdout.split()[2::2], strict=True))
    in_browser = {"loaded", "draw", "sort", "search"} if find_browser() else set()
    assert figures.keys() == {"read", "make", "MB"} | in_browser
    assert all(float(value) >= 0 for value in figures.values())
