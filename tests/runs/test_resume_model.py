"""Model of resumed runs: after any edits and stops, a resumed run ends as a fresh run in an empty directory.

A random graph has calls, commands with declared files, mapped nodes, conditions, allowed failures and ``always`` nodes.
Nodes exchange results, and products that they do not declare. The last node may remove all products.
"""

import dataclasses
import itertools
import math
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import taskrunner
from taskrunner.storage.journal import MAGIC
from taskrunner.storage.run_directory import run_ids

# In pairs that are easily confused.
CONSTANTS = [1, True, (1, 2), [1, 2], b"a", "YQ==", math.inf, -math.inf, {1: 2}, {"1": 2}, 1.0, 1 + 0j]
BOUND = 20.0


class Executions:
    """The executed nodes of a run; the run is stopped at the start of execution ``stop_at``."""

    def __init__(self):
        self.begin()

    def begin(self, stop_at=0):
        self.names = []
        self.stopped = threading.Event()
        self._stop_at = stop_at
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, name):
        """Return whether the node is cancelled, which it then has seen."""
        with self._lock:
            self.names.append(name)
            is_stop = next(self._numbers) == self._stop_at
        if not is_stop:
            return False
        os.kill(os.getpid(), signal.SIGTERM)
        assert self.stopped.wait(BOUND)
        return taskrunner.current().cancelled


EXECUTIONS = Executions()
SYNCED = {}  # inode of a journal -> its size when it was synced


# -- functions of the nodes --------------------------------------------------------------------------------


def work(name, constant, parts, needs, fails):
    """Return a value made of the arguments, an input file and the products of the needed nodes."""
    product = Path("out", name)
    product.unlink(missing_ok=True)
    if EXECUTIONS.add(name):
        return "half"
    if fails or Path(f"broken-{name}").exists():
        raise ValueError(name)
    read = [Path("out", need).read_text() if Path("out", need).exists() else None for need in needs]
    value = [name, repr(constant), parts, read, Path(f"in-{name}").read_text()]
    product.parent.mkdir(exist_ok=True)
    product.write_text(repr(value))
    return value


def flag(name, constant):
    return None if EXECUTIONS.add(name) else bool(constant)


def child(item, name, constant, parts):
    broken = Path(f"broken-{name}")
    if EXECUTIONS.add(f"{name}[]"):
        return "half"
    if broken.exists() and (not isinstance(item, int) or item % 2):
        raise ValueError(name)
    return [name, item, repr(constant), parts]


def clean(*_):
    EXECUTIONS.add("clean")
    shutil.rmtree("out", ignore_errors=True)


SCRIPT = """
rm -f out/$NAME; mkdir -p out; test ! -e broken-$NAME || exit 3; {
cat in-$NAME; echo "$CONSTANT"; cat; for need in $NEEDS; do cat out/$need 2> /dev/null || echo none; done
} > out/$NAME; cat out/$NAME
"""


# -- random graphs -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Spec:
    """One node. ``uses``, ``needs`` and ``when`` are numbers of earlier nodes."""

    kind: str
    uses: tuple[int, ...]
    needs: tuple[int, ...]
    when: int | None
    allow_failure: bool
    always: bool
    constant: int  # a position in CONSTANTS
    items: int | None  # None: two literal items
    fails: bool = False


@st.composite
def specs(draw):
    found = []
    for number in range(draw(st.integers(2, 6))):
        earlier = st.integers(0, number - 1) if number else st.nothing()
        some = st.lists(earlier, max_size=2, unique=True).map(tuple) if number else st.just(())
        maybe = st.none() | earlier if number else st.none()
        spec = Spec(
            kind=draw(st.sampled_from(["work", "work", "work", "command", "map", "flag"])),
            uses=draw(some),
            needs=draw(some),
            when=draw(maybe) if draw(st.integers(0, 3)) == 3 else None,
            allow_failure=draw(st.booleans()),
            always=draw(st.integers(0, 7)) == 7,
            constant=draw(st.integers(0, len(CONSTANTS) - 1)),
            items=draw(maybe),
        )
        found.append(spec)
    return found


def build(found, *, cleans):
    graph = taskrunner.Graph("model")
    handles = []
    for number, spec in enumerate(found):
        name = f"n{number}"
        needs = [f"n{need}" for need in spec.needs]
        options = {"id": name, "needs": needs, "allow_failure": spec.allow_failure, "always": spec.always}
        if spec.when is not None:
            options["when"] = handles[spec.when]
        parts, constant = [handles[use] for use in spec.uses], CONSTANTS[spec.constant]
        if spec.kind == "work":
            files = {"files": [f"in-{name}"], "cache": True}
            handle = graph.call(work, name, constant, parts, needs, spec.fails, **options, **files)
        elif spec.kind == "flag":
            handle = graph.call(flag, name, constant, **options)
        elif spec.kind == "map":
            items = [1, 2] if spec.items is None else handles[spec.items]
            handle = graph.map(child, items, name, constant, parts, **options)
        else:
            env = {"NAME": name, "CONSTANT": repr(constant), "NEEDS": " ".join(needs)}
            stdin = [handles[use] for use in spec.uses]
            files = {"files": [f"in-{name}"], "creates": [f"out/{name}"]}
            handle = graph.run(SCRIPT, env=env, stdin=stdin, **options, **files)
        handles.append(handle)
    if cleans:
        graph.call(clean, id="clean", needs=[f"n{number}" for number in range(len(found))], always=True)
    graph.output(*handles)
    return graph


# -- steps -------------------------------------------------------------------------------------------------


def edit(draw, found):
    """Change a definition or an input, remove a product, or repair a node."""
    number = draw(st.integers(0, len(found) - 1))
    name, spec = f"n{number}", found[number]
    action = draw(st.sampled_from(["constant", "input", "product", "repair", "fails", "needs"]))
    if action == "constant":
        spec.constant ^= 1
    elif action == "input":
        Path(f"in-{name}").write_text(f"{Path(f'in-{name}').read_text()}+")
    elif action == "product" and spec.kind == "command":
        Path("out", name).unlink(missing_ok=True)
    elif action == "repair":
        for path in Path().glob("broken-*"):
            path.unlink()
    elif action == "fails":
        spec.fails = not spec.fails
    elif action == "needs" and number:
        spec.needs = (draw(st.integers(0, number - 1)),)


def cut_journal(kept):
    """Lose the last entries, as a power failure does, and keep a part; no entry that was synced is lost."""
    for run in run_ids(Path("runs")):
        journal = Path("runs", run, "journal")
        data, synced = journal.read_bytes(), SYNCED.get(journal.stat().st_ino, len(MAGIC))
        journal.write_bytes(data[: synced + int(kept * (len(data) - synced))])


def execute(graph, resume, **options):
    return taskrunner.run(
        graph, run_dir="runs", resume=resume, workers=1, on_interrupt=EXECUTIONS.stopped.set, **options
    )


def outcome(result):
    """Return the outcome of a run, without its texts that name the time or a directory."""
    failed = sorted(failure.node for failure in result.failures)
    return result.outputs, failed, {node: (skip.reason, skip.because) for node, skip in result.skipped.items()}


def fresh(graph):
    """Return the outcome of a run in an empty directory with the same inputs."""
    executed = EXECUTIONS.names
    with tempfile.TemporaryDirectory() as directory:
        here = Path.cwd()
        for path in here.iterdir():
            if path.name.startswith(("in-", "broken-")):
                shutil.copy(path, directory)
        os.chdir(directory)
        try:
            EXECUTIONS.begin()
            return outcome(execute(graph, "", stop_after=0))
        finally:
            os.chdir(here)
            EXECUTIONS.names = executed


def check_model(data, found, *, cleans):
    draw = data.draw
    for number in range(len(found)):
        Path(f"in-n{number}").write_text("one")
        if draw(st.integers(0, 3)) == 3:
            Path(f"broken-n{number}").touch()
    resume, is_settled = "", False
    for _ in range(draw(st.integers(2, 5))):
        mode = draw(st.sampled_from(["whole", "stop", "whole", "stop", "first failure"]))
        graph = build(found, cleans=cleans)
        EXECUTIONS.begin(draw(st.integers(1, 3)) if mode == "stop" else 0)
        result = execute(graph, resume, stop_after=0 if mode != "first failure" else 1)
        if mode == "whole":
            assert outcome(result) == fresh(build(found, cleans=cleans))
            has_always = cleans or any(spec.always for spec in found)
            assert not (is_settled and not has_always and EXECUTIONS.names), EXECUTIONS.names
        is_settled = mode == "whole" and result.ok and not result.skipped and not result.failures
        resume = "last"
        if mode != "stop" or draw(st.integers(0, 3)) == 3:
            for _ in range(draw(st.integers(0, 2))):
                edit(draw, found)
                is_settled = False
        elif draw(st.integers(0, 3)) == 3:
            cut_journal(draw(st.floats(0, 1)))
    EXECUTIONS.begin()
    assert outcome(execute(build(found, cleans=cleans), resume, stop_after=0)) == fresh(build(found, cleans=cleans))


def sync(file):
    """Remember the size of a file that is synced, in place of ``os.fsync``."""
    state = os.fstat(file)
    SYNCED[state.st_ino] = state.st_size


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("examples", [30, pytest.param(300, marks=[pytest.mark.stress, pytest.mark.timeout(3600)])])
def test_a_resumed_run_ends_as_a_fresh_one(examples, tmp_path, monkeypatch):  # cases 1, 3, 4, 5 and 42
    @settings(SETTINGS, max_examples=examples)
    @given(st.data(), specs(), st.booleans())
    def check(data, found, cleans):
        SYNCED.clear()
        with tempfile.TemporaryDirectory(dir=tmp_path) as directory:
            monkeypatch.chdir(directory)
            check_model(data, found, cleans=cleans)
            monkeypatch.chdir(tmp_path)

    monkeypatch.setattr(os, "fsync", sync)
    check()
