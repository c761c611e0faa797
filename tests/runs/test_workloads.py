"""The workloads: each graph's result against the same computation in plain Python."""

import functools
import hashlib
import re
import subprocess
import time
import zlib
from collections import Counter
from pathlib import Path

import pytest

import taskrunner
from workloads import counter, fib, ingest, spin, stdlib, survey, tour

FOLDER = Path(fib.__file__).parent


def run(name, workers=2, /, **params):
    graph = taskrunner.load(FOLDER / f"{name}.json")
    result = taskrunner.run(graph, params=params, workers=workers)
    assert result.ok, result.failures
    return result.outputs


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(("n", "expected"), [(0, 0), (1, 1), (10, 55), (15, 610)])
def test_fib(n, expected, workers):
    assert run("fib", workers, n=n, copies=6) == {"answer": expected}


def test_fib_refuses_copies_that_differ():
    with pytest.raises(ValueError, match=r"the copies differ: \[1, 2\]"):
        fib.same([2, 1, 2])


def serial_digest(sources, batches, rounds):
    digests = ""
    for source in sources:
        for number in range(batches):
            value = f"source {source}, batch {number}".encode()
            for _ in range(rounds):
                value = hashlib.sha256(value).digest()
            digests += value.hex()
    return hashlib.sha256(digests.encode()).hexdigest()


@pytest.mark.parametrize("workers", [1, 3])
def test_ingest(workers):
    sources = [4, 2, 7]
    found = run("ingest", workers, sources=sources, batches=5, delay=0.001, rounds=20)
    assert found == {"digest": serial_digest(sources, 5, 20)}


def test_ingest_by_its_own_defaults():
    assert run("ingest", delay=0.0) == {"digest": serial_digest([0, 1, 2, 3], 8, 2000)}


def test_ingest_without_sources():
    assert run("ingest", sources=[]) == {"digest": ingest.combine([])}


def test_offload():
    found = run("offload", n=12, copies=4, beats=5, every=0.001)
    assert found.keys() == {"heartbeat", "answer"}
    assert found["answer"] == 144
    heartbeat = found["heartbeat"]
    assert heartbeat.keys() == {"beats", "worst_delay_s", "mean_delay_s"}
    assert heartbeat["beats"] == 5
    assert 0 <= heartbeat["mean_delay_s"] <= heartbeat["worst_delay_s"]
    assert type(heartbeat["worst_delay_s"]) is float


@pytest.mark.parametrize("workers", [1, 4])
def test_counter(workers):
    found = run("counter", workers, nodes=8, steps=200)
    assert found.keys() == {"locked", "unlocked"}
    assert found["locked"] == 1600
    assert 0 < found["unlocked"] <= 1600
    if workers == 1:
        assert found["unlocked"] == 1600


def test_counter_counts_one_object():
    one = counter.Counter()
    counter.count_locked(0, one, 3)
    counter.count_unlocked(0, one, 4)
    assert counter.read(one) == 7


@pytest.mark.parametrize("workers", [1, 4])
def test_sharded_counts_what_counter_counts(workers):
    assert run("sharded", workers, nodes=8, steps=200) == {"total": 1600}


def test_stdlib_on_some_modules():
    found = stdlib.modules()
    every = len(found) // 12
    some = found[::every]
    assert stdlib.modules(every) == some
    expected = stdlib.reduce([stdlib.parse(path) for path in some])
    assert run("stdlib", 3, every=every) == {"statistics": expected}
    assert expected["modules"] == len(some) < 15
    assert expected["lines"] == sum(Path(path).read_bytes().count(b"\n") for path in some)


def test_stdlib_counts(tmp_path):
    source = tmp_path / "small.py"
    source.write_text("class A:\n    def f(self): return [1]\n    async def g(self): pass\n")
    assert stdlib.parse(str(source)) == {"lines": 3, "nodes": 13, "functions": 2, "classes": 1, "depth": 6}


def test_stdlib_leaves_installed_packages_out():
    found = stdlib.modules()
    assert found == sorted(set(found))
    assert len(found) > 100
    assert not [path for path in found if "site-packages" in path]


@pytest.mark.stress
def test_stdlib_in_full():
    assert run("stdlib", 4) == {"statistics": stdlib.reduce([stdlib.parse(path) for path in stdlib.modules()])}


def serial_tour(text, name):
    found = text.split()
    lengths = [len(word) for word in found]
    checksum = subprocess.run(["cksum"], input=text.encode(), capture_output=True, check=True).stdout.decode()  # noqa: S607
    longest = functools.reduce(lambda best, word: word if len(word) > len(best) else best, found)
    summary = {"greeting": f"hello, {name}", "longest": longest, "lengths": lengths, "checksum": checksum}
    return {"summary": summary, "goodbye": ["bye"]}


def test_tour_is_the_same_at_every_run():
    expected = serial_tour("free threads steal work from one another", "world")
    assert [run("tour", workers) for workers in (1, 2, 4)] == [expected] * 3


def test_tour_follows_its_parameters():
    assert run("tour", text="a bbb cc", name="you", verbose=True) == serial_tour("a bbb cc", "you")


def test_tour_s_longest_is_the_first_of_the_longest():
    assert tour.longest(["aa", "b", "cc"], [2, 1, 2]) == "aa"


def test_spin_spends_the_seconds_that_it_is_given():
    before = time.thread_time()
    assert spin.spend(0.01) == 0.01
    assert 0.01 <= time.thread_time() - before < 0.5


@pytest.mark.parametrize("workers", [1, 3])
def test_survey(workers):
    paths = survey.sample(60)
    found = Counter(word for path in paths for word in re.findall(r"[a-z]{4,}", Path(path).read_text()))
    names = Counter(name for path in paths for name in survey.imports(path))
    page = run("survey", workers, every=60, n=3, delay=0.0)["page"]
    assert page.keys() == {"imports", "words", "ratio", "advisory"}
    assert page["advisory"] == "ok"
    assert page["words"] == [word for word, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:3]]
    assert page["imports"] == [name for name, _ in sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))[:3]]
    squeezed = sum(len(zlib.compress(Path(path).read_bytes(), 9)) for path in paths)
    assert page["ratio"] == round(squeezed / sum(Path(path).stat().st_size for path in paths), 3)
