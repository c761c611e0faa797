"""What is remembered of a try, and when it is not any more."""

import pytest

from taskrunner.doctor.environment.distributions import Distribution, Extension
from taskrunner.doctor.imports.cache import ImportCache
from taskrunner.doctor.imports.probe import OFF, ON, UNKNOWN, ImportOutcome
from taskrunner.reuse.cache import Cache

CLEAR = [ImportOutcome("a", ON, "a._b")]


@pytest.fixture
def environment(tmp_path):
    """Return what gives the memory of an environment with two distributions, and the first of these."""

    def make(version="1", data=b"1", path=("p",), abi="own", folder="cache"):
        file = tmp_path / "b.so"
        file.write_bytes(data)
        first = Distribution("a", "1", (), (), is_listed=True)
        other = Distribution("b", version, (Extension("b", str(file), "own"),), (), is_listed=True)
        cached = Cache(tmp_path / folder) if folder else None
        return ImportCache(cached, [first, other], path, abi), first

    return make


def test_a_clear_outcome_is_remembered(environment):
    tries, first = environment()
    assert tries.get(first) is None
    tries.put(first, CLEAR)
    again, first = environment()
    assert again.get(first) == CLEAR


@pytest.mark.parametrize("change", [{"version": "2"}, {"data": b"2"}, {"path": ("q",)}, {"abi": "other"}])
def test_any_change_of_the_environment_forgets_it(environment, change):
    tries, first = environment()
    tries.put(first, CLEAR)
    tries, first = environment(**change)
    assert tries.get(first) is None


def test_another_distribution_has_its_own(environment):
    tries, first = environment()
    tries.put(first, CLEAR)
    assert tries.get(Distribution("b", "1", (), (), is_listed=True)) is None


@pytest.mark.parametrize(
    "tried", [[ImportOutcome("a", UNKNOWN, problem="crashed")], [ImportOutcome("a", OFF), ImportOutcome("b", UNKNOWN)]]
)
def test_what_is_not_clear_is_tried_again(environment, tried):
    tries, first = environment()
    tries.put(first, tried)
    assert tries.get(first) is None


def test_without_a_cache_nothing_is_remembered(environment, tmp_path):
    tries, first = environment(folder="")
    tries.put(first, CLEAR)
    assert tries.get(first) is None
    assert [path.name for path in tmp_path.iterdir()] == ["b.so"]


def test_a_damaged_entry_is_none_and_a_cache_that_cannot_be_written_fails_nothing(environment, tmp_path):
    tries, first = environment()
    tries.put(first, CLEAR)
    (entry,) = (tmp_path / "cache").glob("*/*")
    Cache(tmp_path / "cache").put(entry.name, b'{"not": "a list"}')
    assert tries.get(first) is None
    (tmp_path / "file").touch()
    broken = ImportCache(Cache(tmp_path / "file"), [first], (), "own")
    broken.put(first, CLEAR)
    assert broken.get(first) is None
