import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from taskrunner.reuse.cache import MAGIC, Cache

ROOT = Path(__file__).parents[2]
KEY, OTHER, THIRD = "ab" * 32, "cd" * 32, "ef" * 32


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "some" / "cache")


def file_of(cache, key=KEY):
    return cache.directory / key[:2] / key


def used(cache, key, days_ago):
    """Have an entry look as if it was used last so many days ago."""
    at = time.time() - 86_400 * days_ago
    os.utime(file_of(cache, key), (at, at))


def keys(entries):
    return [entry.path.name for entry in entries]


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 100])
def test_what_was_put_is_found_under_its_key_and_no_other(cache, payload):
    assert cache.get(KEY) is None
    cache.put(KEY, payload)
    assert cache.get(KEY) == payload
    assert Cache(cache.directory).get(KEY) == payload
    assert cache.get(OTHER) is None
    cache.put(KEY, b"anew")
    assert cache.get(KEY) == b"anew"


def test_what_was_removed_is_gone(cache):
    cache.put(KEY, b"x")
    cache.remove(KEY)
    cache.remove(OTHER)
    assert cache.get(KEY) is None


def test_nothing_is_made_before_there_is_something_to_put(cache):
    assert (cache.get(KEY), cache.entries(), cache.prune(max_bytes=0)) == (None, [], [])
    assert not cache.directory.exists()


def test_an_entry_is_damaged_wherever_it_is_changed(cache):
    cache.put(KEY, b"some payload")
    whole = file_of(cache).read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            file_of(cache).write_bytes(changed)
            assert cache.get(KEY) is None
    for length in range(len(whole)):
        file_of(cache).write_bytes(whole[:length])
        assert cache.get(KEY) is None
    file_of(cache).write_bytes(whole + b"\0")
    assert cache.get(KEY) is None
    cache.put(KEY, b"some payload")
    assert cache.get(KEY) == b"some payload"


def test_an_entry_in_an_earlier_form_is_none(cache):
    """Case 8: that form lost the sharing of lists and the time zones of dates."""
    cache.put(KEY, b"x")
    path = file_of(cache)
    path.write_bytes(path.read_bytes().replace(MAGIC, b"taskrunner cache 1\n"))
    assert cache.get(KEY) is None


def test_an_entry_under_another_s_name_is_none(cache):
    cache.put(KEY, b"x")
    cache.put(OTHER, b"y")
    file_of(cache).replace(file_of(cache, OTHER))
    assert cache.get(OTHER) is None


def test_nobody_else_may_look_into_it(cache):
    before = os.umask(0)
    try:
        cache.put(KEY, b"x")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (cache.directory, file_of(cache).parent, file_of(cache))]
    assert modes == [0o700, 0o700, 0o600]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(cache, monkeypatch):
    cache.put(KEY, b"x")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        cache.put(KEY, b"y")
    assert cache.get(KEY) == b"x"
    assert [path.name for path in file_of(cache).parent.iterdir()] == [KEY]


def test_a_reader_never_sees_half_an_entry(cache):
    """One thread writes two payloads in turn; each read finds one of them, whole."""
    payloads = [b"a" * 100_000, b"b" * 200_000]
    cache.put(KEY, payloads[0])
    seen, is_done = [], threading.Event()

    def read():
        while not is_done.is_set():
            seen.append(cache.get(KEY))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(200):
        cache.put(KEY, payloads[number % 2])
    is_done.set()
    for reader in readers:
        reader.join()
    assert set(seen) <= set(payloads)


def test_two_processes_write_and_read_the_same_entries(cache):
    code = f"""
import sys
from pathlib import Path
from taskrunner.reuse.cache import Cache
cache = Cache(Path({str(cache.directory)!r}))
for _ in range(20):
    for number in range(20):
        key = f"{{number:02x}}" * 32
        found = cache.get(key)
        assert found in (None, bytes([number]) * 5000), found
        cache.put(key, bytes([number]) * 5000)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(cache.entries()) == 20
    assert len(list(cache.directory.glob("*/*"))) == 20


def test_entries_come_in_the_order_of_their_last_use(cache):
    for number, key in enumerate((KEY, OTHER, THIRD)):
        cache.put(key, b"x" * number)
        used(cache, key, 3 - number)
    found = cache.entries()
    assert keys(found) == [KEY, OTHER, THIRD]
    assert [entry.size for entry in found] == [entry.path.stat().st_size for entry in found]
    cache.get(KEY)
    assert keys(cache.entries()) == [OTHER, THIRD, KEY]


@pytest.mark.parametrize(
    ("days", "entries", "left"),
    [
        (None, None, 3),
        (2.5, None, 2),
        (0.5, None, 0),
        (4, None, 3),
        (None, 2, 2),
        (None, 0, 0),
        (None, 3, 3),
        (1.5, 2, 1),
    ],
)
def test_what_was_used_longest_ago_is_pruned_first(cache, days, entries, left):
    for number, key in enumerate((KEY, OTHER, THIRD)):
        cache.put(key, b"x")
        used(cache, key, 3 - number)
    size = file_of(cache).stat().st_size
    removed = cache.prune(
        older_than=None if days is None else days * 86_400, max_bytes=None if entries is None else entries * size
    )
    assert keys(removed) == [KEY, OTHER, THIRD][: 3 - left]
    assert keys(cache.entries()) == [KEY, OTHER, THIRD][3 - left :]


def test_what_is_no_entry_is_left_alone(cache):
    cache.put(KEY, b"x")
    others = [
        cache.directory / "notes.txt",
        cache.directory / "ab" / "notes.txt",
        cache.directory / "ab" / OTHER,
        cache.directory / "ab" / f"{KEY}.young.new",
        cache.directory / "deep" / KEY,
    ]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert keys(cache.entries()) == keys(cache.prune(max_bytes=0)) == [KEY]
    assert all(path.exists() for path in others)


def test_what_a_killed_run_was_writing_is_pruned(cache):
    cache.put(KEY, b"x")
    torn = cache.directory / "ab" / f"{KEY}.0123.new"
    torn.write_bytes(b"half")
    at = time.time() - 7200
    os.utime(torn, (at, at))
    assert cache.prune(max_bytes=10_000) == []
    assert (torn.exists(), cache.get(KEY)) == (False, b"x")


def test_a_cache_that_cannot_be_written_is_an_error_and_still_none_that_cannot_be_read(tmp_path):
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache")
    assert cache.get(KEY) is None
    with pytest.raises(OSError, match="Not a directory"):
        cache.put(KEY, b"x")
