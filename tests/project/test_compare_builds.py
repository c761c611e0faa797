"""The comparison of builds: on the running interpreter, and on that of the other environment if it is there."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pyperf = pytest.importorskip("pyperf", reason="the comparison's statistics are pyperf's")

import builds.trial as trials  # noqa: E402  it needs pyperf
from builds import build, chart, noise, text, webpage  # noqa: E402
from builds.build import Build, MissingError  # noqa: E402
from builds.case import Case  # noqa: E402
from builds.row import Cell, Row, Rows  # noqa: E402
from builds.trial import Key, Taken, Trials  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
IS_FREE = "free-threading" in sys.version
HERE, OTHER = ("3.13t", "3.13") if IS_FREE else ("3.13", "3.13t")
OTHER_PYTHON = ROOT / (".venv-3.13" if IS_FREE else ".venv") / "bin" / "python"
PYTHONS = {HERE: sys.executable} | ({OTHER: str(OTHER_PYTHON)} if OTHER_PYTHON.exists() else {})
NAMES = [side for name in PYTHONS for side in ([name, f"{name}+gil"] if name.endswith("t") else [name])]
FACTS = {"version": "3.13.9", "free_threaded": False, "gil": True, "compiler": "cc", "configured": ""}


def compare(*arguments, cwd=None):
    command = [sys.executable, ROOT / "scripts" / "compare_builds.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    pythons = [f"--python={name}={python}" for name, python in PYTHONS.items()]
    files = [f"--{kind}={folder / f'found.{kind}'}" for kind in ("json", "svg", "html")]
    choice = ["--quick", "--cases", "fib,sharded,counter unlocked", "--workers", "2", "--rounds", "2"]
    done = compare(*choice, *pythons, *files, "--pyperf", folder / "pyperf", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, folder


def test_every_graph_runs_on_every_build_in_every_round(compared):
    _, folder = compared
    found = json.loads((folder / "found.json").read_text())
    assert list(found["builds"]) == NAMES
    rows = {(row["section"], row["name"]): row for row in found["rows"]}
    for row in rows.values():
        assert list(row["cells"]) == NAMES
        assert all(len(cell["values"]) == 2 for cell in row["cells"].values())
    for name in ("fib", "sharded", "counter unlocked"):
        one, two = (rows[f"time, {words}", name]["cells"] for words in ("1 worker", "2 workers"))
        ups = rows["speed-up, 2 workers over 1", name]["cells"]
        for side in NAMES:
            pairs = zip(one[side]["values"], two[side]["values"], strict=True)
            assert ups[side]["values"] == [alone / together for alone, together in pairs]
            assert one[side]["ratio"] in (None, one[side]["median"] / one[NAMES[0]]["median"])
        costs = rows["processor time, 2 workers over 1", name]["cells"]
        assert all(value > 0 for side in NAMES for value in costs[side]["values"])
    assert rows["start-up", "exec, one node"]["cells"][HERE]["median"] > 10


def test_the_gil_is_as_the_build_s_name_says(compared):
    _, folder = compared
    found = json.loads((folder / "found.json").read_text())["interpreters"]
    assert {name: facts["gil"] for name, facts in found.items()} == {name: name != "3.13t" for name in NAMES}


def test_results_are_equal_and_what_differs_by_nature_is_not_asked(compared):
    printed, folder = compared
    assert json.loads((folder / "found.json").read_text())["results"] == {
        "fib": "equal",
        "counter unlocked": trials.VARY,
        "sharded": "equal",
    }
    assert "results of sharded: equal\n" in printed


def test_the_table_has_a_line_for_each_row(compared):
    printed, folder = compared
    found = json.loads((folder / "found.json").read_text())
    lines = [line for line in printed.splitlines() if line.startswith("  ") and line.strip()]
    heads = {" ".join(NAMES)}
    assert [line.split("  ")[1] for line in lines if " ".join(line.split()) not in heads] == [
        row["name"] for row in found["rows"]
    ]


def test_the_picture_has_a_bar_for_each_build(compared):
    _, folder = compared
    svg = ET.parse(folder / "found.svg")  # noqa: S314  its own picture
    bars = [bar for bar in svg.iter(f"{SVG}rect") if bar.get("class") == "bar"]
    assert len(bars) == 2 * 3 * len(NAMES)
    assert all(float(bar.get("width")) > 0 for bar in bars)


def test_the_page_fetches_nothing_and_holds_the_picture_and_the_tables(compared):
    _, folder = compared
    tags = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append(tag)
            assert not {"src", "href"} & dict(attributes).keys()

    Reader().feed((folder / "found.html").read_text())
    found = json.loads((folder / "found.json").read_text())
    assert tags.count("svg") == 1
    assert tags.count("table") == len({row["section"] for row in found["rows"]})


def test_pyperf_reads_what_is_written(compared):
    _, folder = compared
    suite = pyperf.BenchmarkSuite.load(str(folder / "pyperf" / f"{HERE}.json"))
    found = json.loads((folder / "found.json").read_text())
    (row,) = [row for row in found["rows"] if (row["section"], row["name"]) == ("time, 1 worker", "fib")]
    assert list(suite.get_benchmark("fib, 1").get_values()) == row["cells"][HERE]["values"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--builds", "3.13,pypy"], '"pypy" is not a build such as 3.13'),
        (["--python", "3.13t"], '"3.13t" is not NAME=PYTHON'),
        (["--cases", "fob"], 'there is no "fob"'),
        (["nowhere.json"], 'there is no file "nowhere.json"'),
    ],
)
def test_what_is_wrong_is_said_at_once(arguments, told):
    done = compare(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_without_any_build_it_says_why():
    done = compare("--quick", "--python", "3.14=/nowhere/python")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("there is no build to measure\n3.14: ")
    assert "/nowhere/python" in done.stdout


def installed(name, version, variant="default", implementation="cpython"):
    parts = dict(zip(("major", "minor", "patch"), version, strict=True))
    return {"path": name, "version_parts": parts, "variant": variant, "implementation": implementation}


def test_of_the_installed_builds_the_first_of_each_name_counts():
    found = [
        installed("a", (3, 13, 9)),
        installed("b", (3, 13, 8)),
        installed("c", (3, 13, 9), "freethreaded"),
        installed("d", (3, 15, 0), "freethreaded"),
        installed("e", (3, 14, 0), "debug"),
        installed("f", (3, 12, 1)),
        installed("g", (3, 14, 1), implementation="pypy"),
    ]
    assert build.names_of(found) == {"3.13": "a", "3.13t": "c", "3.15t": "d"}


def fake_uv(folder, monkeypatch, script):
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    monkeypatch.setenv("UV", str(path))


def test_a_build_that_is_missing_is_named_with_the_way_to_it(tmp_path, monkeypatch):
    fake_uv(tmp_path, monkeypatch, "echo '[]'")
    found, missing = build.at_hand(tmp_path, [])
    assert (found, list(missing)) == ([], ["3.13", "3.13t", "3.14", "3.14t"])
    assert missing["3.14t"] == "not installed; TASKRUNNER_PYTHON=3.14t scripts/bootstrap true would get it"


def test_an_environment_that_cannot_be_made_is_named_with_uv_s_reason(tmp_path, monkeypatch):
    listed = json.dumps([installed("/nowhere/python", (3, 14, 0))])
    errors = "Using CPython\nerror: it did not work\n  Caused by: no network\n"
    fake_uv(tmp_path, monkeypatch, f"[ $1 = python ] && echo '{listed}' && exit\nprintf '{errors}' >&2\nexit 2\n")
    assert build.at_hand(tmp_path, ["3.14"]) == ([], {"3.14": "Caused by: no network"})


def test_each_build_has_a_locked_environment_of_its_own(tmp_path, monkeypatch):
    listed = json.dumps([installed("/a", (3, 13, 9), "freethreaded"), installed("/b", (3, 13, 9))])
    says = (
        f"[ $1 = python ] && echo '{listed}' && exit\necho \"$UV_PROJECT_ENVIRONMENT $*\" >> {tmp_path}/log\nexit 1\n"
    )
    fake_uv(tmp_path, monkeypatch, says)
    build.at_hand(tmp_path, ["3.13", "3.13t+gil"])
    lines = (tmp_path / "log").read_text().splitlines()
    started = [line for line in lines if " run " in line]
    assert [line.split()[0] for line in started] == [f"{tmp_path}/.venv-3.13", f"{tmp_path}/.venv"]
    assert [line.partition("--python ")[2].split()[0] for line in started] == ["/b", "/a"]
    assert all(" run --locked " in line for line in started)


def test_an_interpreter_that_lacks_the_runner_is_missing(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no click' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(MissingError, match="no click"):
        build.both("3.13", str(python))


def a_build(name, version="3.13.9", **facts):
    return Build(name, "python", {}, FACTS | {"version": version} | facts)


def test_a_pair_is_fair_if_the_gil_alone_differs():
    def pair(one, other):
        return [a_build("3.13", configured=one), a_build("3.13t", configured=other)]

    assert (
        list(build.built_alike(pair("'--prefix=/a' '-O2' '--enable-gil'", "'--prefix=/b' '-O2' '--disable-gil'"))) == []
    )
    assert len(list(build.built_alike(pair("'-O2'", "'-O3'")))) == 1


def trials_of(**results):
    """Return trials of one case with two runs on each build: ``name=("first", "second")``."""
    taken = {Key("c", name, 1): [Taken(1.0, 2.0, 1.5, 3, one, 0.0) for one in given] for name, given in results.items()}
    return Trials(taken)


@pytest.mark.parametrize(
    ("results", "per_version", "told"),
    [
        ({"a": "11", "b": "11"}, False, "equal"),
        ({"a": "11", "b": "22"}, False, "differ: a 1; b 2"),
        ({"a": "11", "b": "22"}, True, "equal on each version"),
        ({"a": "12", "b": "12"}, False, trials.VARY),
        ({"a": "11", "b": "12"}, False, "differ: a 1; b 1 or 2"),
        ({"a": "11", "b": "12"}, True, "differ: a 1; b 1 or 2"),
    ],
)
def test_results_are_compared(results, per_version, told):
    both = [a_build("a"), a_build("b", "3.14.0")]
    assert trials.results(Case("c", Path("c"), per_version=per_version), both, trials_of(**results)) == told


def test_the_builds_run_in_turn(monkeypatch):
    order = []
    monkeypatch.setattr(trials, "take", lambda case, build, workers: order.append((case.name, build.name, workers)))
    trials.measure([Case("c", Path("c"))], [a_build("a"), a_build("b")], [1, 2], 2, lambda _: None)
    first = [("c", "a", 1), ("c", "a", 2), ("c", "b", 1), ("c", "b", 2)]
    assert order == [*first, *first[1:], first[0]]


def test_a_graph_that_fails_is_left_out_and_named(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"taskrunner": 1, "nodes": [{"id": "a", "call": "builtins:int", "args": ["x"]}]}')
    ours = build.both(HERE, sys.executable)[:1]
    found = trials.measure([Case("bad", path)], ours, [1], 2, lambda _: None)
    assert found.taken == {}
    assert list(found.failed) == [Key("bad", HERE, 1)]


def test_a_difference_is_judged_as_pyperf_does():
    assert noise.differs([1.0, 1.1, 0.9], [2.0, 2.1, 1.9]) is True
    assert noise.differs([1.0, 1.5, 0.5], [1.2, 1.6, 0.7]) is False
    assert noise.differs([1.0], [2.0]) is None
    assert noise.differs([1.0, 1.0], [1.0, 1.0]) is False
    assert noise.differs([1.0, 1.0], [2.0, 2.0]) is True
    assert noise.deviation([1.0, 2.0, 3.0, 10.0]) == 1.0


def test_noise_and_what_cannot_be_judged_have_marks():
    cells = {
        "a": Cell([2.0, 2.0], None, None),
        "b": Cell([4.0, 4.0], 2.0, changed=True),
        "c": Cell([4.0], 2.0, None),
        "d": Cell([2.0, 2.1], 1.025, changed=False),
    }
    row = Row("time", "x", "s", cells)
    assert [text.cell_text(row, name) for name in "abcde"] == [
        "2.00 s",
        "4.00 s (2.00x)",
        "4.00 s (?2.00x)",
        "2.05 s (~1.02x)",
        "-",
    ]
    up = Row(
        "speed-up", "x", "x", {"a": Cell([1.9, 2.0], None, changed=True), "b": Cell([1.0, 1.1], None, changed=False)}
    )
    assert [text.cell_text(up, name) for name in "ab"] == ["1.95x", "~1.05x"]


def test_a_build_that_failed_leaves_a_gap():
    found = trials_of(b="11")
    rows = Rows([a_build("a"), a_build("b")], 1, found).all([Case("c", Path("c"))])
    assert [text.cell_text(rows[0], name) for name in "ab"] == ["-", "1.00 s"]


def test_hostile_names_are_shown_escaped():
    name = "<b>|\n\x1b[31m"
    rows = [Row("time, 1 worker", name, "s", {"a": Cell([1.0, 1.0], None, None)})]
    (line,) = [line for line in text.markdown(rows, ["a"]) if "1.00 s" in line]
    assert line == "| <b>&#124;\\n\\x1b[31m | 1.00 s |"
    assert all("\x1b" not in line for line in text.table(rows, ["a"]))
    drawn = chart.picture([("t", rows)], ["a"])
    assert [word.text for word in ET.fromstring(drawn).iter(f"{SVG}text")].count("<b>|\\n\\x1b[31m") == 1  # noqa: S314
    facts = {"machine": "m", "builds": {"a": "w"}, "missing": {"z": name}, "notes": [name], "results": {name: name}}
    page = webpage.comparison_page(rows, ["a"], facts, drawn)
    assert "<b>" not in page
    assert "\x1b" not in page
