"""A dry run predicts the executions of the run that follows, and writes nothing.

A random project has calls with and without a cache, async calls, commands with declared files, mapped nodes,
conditions, equal nodes and ``always`` nodes. Between the runs inputs are edited, products are removed and nodes break.
"""

import asyncio
import dataclasses
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import taskrunner
from taskrunner.execution.dry.decision import FAILS, MAY_RUN, RUNS
from taskrunner.session.dry_run import dry_run
from taskrunner.session.options import RunOptions

EXECUTED = []
LOCK = threading.Lock()
LOG = "executed.log"
SCRIPT = f"""
echo "$NAME" >> {LOG}; test ! -e broken-$NAME || exit 3
mkdir -p out; cat in-$NUMBER - > out/$NAME; cat out/$NAME
"""


def record():
    name = taskrunner.current().node
    with LOCK:
        EXECUTED.append(name)
    if Path(f"broken-{name.partition('[')[0]}").exists():
        raise ValueError(name)


def work(*arguments):
    record()
    return list(arguments)


async def work_async(*arguments):
    record()
    await asyncio.sleep(0)
    return list(arguments)


def flag(value):
    record()
    return value


def child(item, *arguments):
    record()
    return [item, *arguments]


# -- random projects ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Spec:
    """One node. ``uses``, ``needs``, ``when`` and ``items`` are numbers of earlier nodes; ``file`` that of an input."""

    kind: str
    uses: tuple[int, ...]
    needs: tuple[int, ...]
    when: object
    items: int | None
    constant: int
    file: int
    cache: bool
    creates: bool
    always: bool


@st.composite
def specs(draw):
    found = []
    for number in range(draw(st.integers(1, 6))):
        earlier = st.integers(0, number - 1)
        some = st.lists(earlier, max_size=2, unique=True).map(tuple) if number else st.just(())
        maybe = st.none() | earlier if number else st.none()
        kinds = ["work", "work", "async", "flag", "map", "command", "command"]
        condition = st.sampled_from([True, False, "param"]) | (
            earlier.map(lambda n: ("node", n)) if number else st.nothing()
        )
        found.append(
            Spec(
                kind=draw(st.sampled_from(kinds)), uses=draw(some), needs=draw(some),
                when=draw(st.none() | st.none() | condition), items=draw(maybe), constant=draw(st.integers(0, 1)),
                file=draw(st.integers(0, 1)), cache=draw(st.booleans()), creates=draw(st.integers(0, 3)) > 0,
                always=draw(st.integers(0, 9)) == 9,
            )
        )  # fmt: skip
    return found


def build(found):
    graph = taskrunner.Graph("dry", params={"go": True})
    param = graph.param("go")
    handles = []
    for number, spec in enumerate(found):
        name = f"n{number}"
        options = {"id": name, "needs": [f"n{need}" for need in spec.needs], "always": spec.always}
        if spec.when is not None:
            options["when"] = handles[spec.when[1]] if isinstance(spec.when, tuple) else spec.when
            options["when"] = param if spec.when == "param" else options["when"]
        parts = [handles[use] for use in spec.uses]
        cached = {"cache": spec.cache} | ({"files": [f"in-{spec.file}"]} if spec.cache else {})
        if spec.kind in ("work", "async"):
            handle = graph.call(work if spec.kind == "work" else work_async, spec.constant, *parts, **options, **cached)
        elif spec.kind == "flag":
            handle = graph.call(flag, spec.constant, **options, **cached)
        elif spec.kind == "map":
            items = [1, 2, 1] if spec.items is None else handles[spec.items]
            handle = graph.map(child, items, spec.constant, *parts, **options, **cached)
        else:
            env = {"NAME": name, "NUMBER": str(spec.file), "CONSTANT": str(spec.constant)}
            made = {"files": [f"in-{spec.file}"], "creates": [f"out/{name}"]} if spec.creates else {}
            handle = graph.run(SCRIPT, env=env, stdin=parts, **options, **made)
        handles.append(handle)
    graph.output(*handles)
    return graph


def files():
    """Return every file and directory with its stamp; the access time does not count."""
    found = {}
    for path in Path().rglob("*"):
        status = path.stat()
        found[str(path)] = status.st_mtime_ns, status.st_size, status.st_ino
    return found


def edit(draw, found):
    number = draw(st.integers(0, len(found) - 1))
    name, spec = f"n{number}", found[number]
    action = draw(st.sampled_from(["constant", "input", "touch", "product", "when", "break", "repair"]))
    if action == "constant":
        spec.constant ^= 1
    elif action == "input":
        Path(f"in-{spec.file}").write_text(f"{Path(f'in-{spec.file}').read_text()}+")
    elif action == "touch":
        os.utime(f"in-{spec.file}")
    elif action == "product":
        Path("out", name).unlink(missing_ok=True)
    elif action == "when" and not isinstance(spec.when, tuple):
        spec.when = {None: False, False: True, True: "param", "param": None}[spec.when]
    elif action == "break":
        Path(f"broken-{name}").touch()
    else:
        for path in Path().glob("broken-*"):
            path.unlink()


def execute(graph, options):
    """Return the ids of the executed nodes and children of a run, and those of failed ones."""
    EXECUTED.clear()
    Path(LOG).unlink(missing_ok=True)
    result = taskrunner.run(graph, options)
    log = Path(LOG)
    commands = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return {*EXECUTED, *commands}, {failure.node for failure in result.failures}


def is_leaf(found, node):
    """Return whether a decision is about an execution, and not about the children of a mapped node."""
    return "[" in node or found[int(node[1:])].kind != "map"


def check_prediction(found, options):
    before = files()
    EXECUTED.clear()
    decisions = dry_run(build(found), options).decisions
    assert (files(), EXECUTED) == (before, [])
    executed, failed = execute(build(found), options)
    of = {node: decision.status for node, decision in decisions.items()}
    certain = {node for node, status in of.items() if status == RUNS and is_leaf(found, node)}
    possible = {node for node, status in of.items() if status == MAY_RUN}
    children = {node for node in executed if "[" in node and of[node.partition("[")[0]] == MAY_RUN}
    assert executed <= certain | possible | children, decisions
    assert failed or certain <= executed, decisions
    assert {node for node, status in of.items() if status == FAILS} <= failed, decisions
    for node in possible:  # a decision is open only if it depends on an execution
        assert any(name in decisions[node].reason for name in certain | possible | of.keys()), decisions[node]


PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)


@pytest.mark.parametrize("examples", [40, pytest.param(600, marks=[pytest.mark.stress, pytest.mark.timeout(3600)])])
def test_a_dry_run_predicts_the_executions_of_a_run(examples, tmp_path, monkeypatch):  # case 24
    @settings(SETTINGS, max_examples=examples)
    @given(st.data(), specs())
    def check(data, found):
        draw = data.draw
        with tempfile.TemporaryDirectory(dir=tmp_path) as directory:
            monkeypatch.chdir(directory)
            for number in range(2):
                Path(f"in-{number}").write_text("one")
            has_run = False
            for _ in range(draw(st.integers(1, 4))):
                options = RunOptions(
                    targets=draw(st.sampled_from([(), (), (f"n{len(found) - 1}",)])),
                    params={"go": draw(st.booleans())},
                    run_dir="runs",
                    resume="last" if has_run and draw(st.booleans()) else "",
                    cache_dir=draw(st.sampled_from(["cache", "cache", None])),
                    force=draw(st.integers(0, 5)) == 5,
                    workers=draw(st.integers(1, 2)),
                    stop_after=0,
                )
                check_prediction(found, options)
                has_run = True
                for _ in range(draw(st.integers(0, 2))):
                    edit(draw, found)
            monkeypatch.chdir(tmp_path)

    check()
