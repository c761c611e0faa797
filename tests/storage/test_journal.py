import os
import subprocess
import sys
import threading
import time

import pytest

import taskrunner
from taskrunner.errors import TaskrunnerError
from taskrunner.storage import journal as room
from taskrunner.storage.journal import MAGIC, Journal, entry, read, result_of, tombstone
from taskrunner.storage.serialization import SerializationError


def written(path, *batches):
    journal = Journal(path)
    try:
        for batch in batches:
            journal.append(batch)
    finally:
        journal.close()
    return path.read_bytes()


def values(path):
    found = {}
    for node, one in read(path).items():
        try:
            found[node] = result_of(one)
        except SerializationError:
            found[node] = "not stored"
    return found


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "journal"
    written(path, [entry("a", 1), entry("b", (1, [2]))], [entry("c", object()), entry("d", None)])
    assert values(path) == {"a": 1, "b": (1, [2]), "c": "not stored", "d": None}


def test_a_journal_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "journal"
    written(path, [entry("a", 1)])
    written(path, [entry("b", 2)], [entry("a", 3)])
    assert values(path) == {"a": 3, "b": 2}


def test_no_journal_is_an_empty_one(tmp_path):
    assert read(tmp_path / "journal") == {}


def test_a_forgotten_node_has_not_finished(tmp_path):
    path = tmp_path / "journal"
    written(path, [entry("a", 1), entry("b", 1)], [tombstone("a")], [tombstone("b"), entry("b", 2)])
    assert values(path) == {"b": 2}


def test_a_value_that_is_changed_later_is_stored_as_it_was(tmp_path):
    value = [1]
    made = entry("a", value)
    value.append(2)
    written(tmp_path / "journal", [made])
    assert values(tmp_path / "journal") == {"a": [1]}


def test_one_bad_entry_does_not_spoil_its_batch(tmp_path):
    path = tmp_path / "journal"
    written(path, [entry("a", 1), entry("b", 2**70), entry("c", "\ud800"), entry("\ud800", 1), entry("d", 4)])
    assert values(path) == {"a": 1, "b": 2**70, "c": "\ud800", "d": 4}


def test_a_big_batch_becomes_several_records(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MAX_RECORD_ENTRIES", 3)
    path = tmp_path / "journal"
    data = written(path, [entry(str(number), number) for number in range(10)])
    assert values(path) == {str(number): number for number in range(10)}
    path.write_bytes(data[:-1])
    assert len(values(path)) == 9


BATCHES = [[entry("a", 1), entry("b", "two")], [entry("c", (3, [4]))], [entry("d", object())], [entry("e", 2.5)]]
EXPECTED = [{"a": 1, "b": "two"}, {"c": (3, [4])}, {"d": "not stored"}, {"e": 2.5}]


def prefixes():
    """Return what each number of whole records holds."""
    found = [{}]
    for record in EXPECTED:
        found.append(found[-1] | record)
    return found


def ends(path):
    """Return where each record ends, the beginning of the file included."""
    found = [len(MAGIC)]
    for number in range(len(BATCHES)):
        path.unlink(missing_ok=True)
        found.append(len(written(path, *BATCHES[: number + 1])))
    return found


def test_a_journal_cut_anywhere_gives_its_longest_good_prefix_and_goes_on(tmp_path):
    path = tmp_path / "journal"
    borders = ends(path)
    data = path.read_bytes()
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        whole = prefixes()[max(sum(border <= length for border in borders) - 1, 0)]
        assert values(path) == whole, length
        written(path, [entry("new", "x")])
        assert values(path) == whole | {"new": "x"}, length


@pytest.mark.parametrize("bits", [0xFF, 0x01, 0x80])
def test_a_journal_with_any_byte_flipped_gives_the_records_before_it(tmp_path, bits):
    path = tmp_path / "journal"
    borders = ends(path)
    data = bytearray(path.read_bytes())
    for place in range(len(data)):
        data[place] ^= bits
        path.write_bytes(data)
        before = sum(border <= place for border in borders)
        assert values(path) == prefixes()[max(before - 1, 0)], place
        data[place] ^= bits


def test_a_journal_that_is_written_is_locked_for_others(tmp_path):
    path = tmp_path / "journal"
    first = Journal(path)
    with pytest.raises(TaskrunnerError, match="another process is using"):
        Journal(path)
    first.close()
    Journal(path).close()


def test_a_killed_process_leaves_no_lock(tmp_path):
    path = tmp_path / "journal"
    code = (
        "import os, sys; from pathlib import Path; from taskrunner.storage.journal import Journal, entry\n"
        "journal = Journal(Path(sys.argv[1])); journal.append([entry('a', 1)]); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -9
    written(path, [entry("b", 2)])
    assert values(path) == {"a": 1, "b": 2}


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(TaskrunnerError, match=r"cannot write .*journal: No such file"):
        Journal(tmp_path / "none" / "journal")


def test_fsync_is_called_for_each_batch(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", calls.append)
    journal = Journal(tmp_path / "journal", fsync=True)
    journal.append([entry("a", 1)])
    journal.append([entry("b", 1)])
    journal.close()
    assert len(calls) == 2


def test_entries_are_made_on_any_thread(tmp_path):
    made = []
    threads = [
        threading.Thread(target=lambda n=n: made.extend(entry(f"{n}-{i}", [n, i]) for i in range(200)))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written(tmp_path / "journal", made)
    assert len(values(tmp_path / "journal")) == 800


NEXT_LOOK = 2.55  # seconds from the start: a twentieth, then twice as long each time, and a second at most


@pytest.mark.parametrize("seconds", [1.58, 1.7])  # soon after a look, and in the middle between two
def test_what_finishes_after_a_long_rest_is_written_as_soon_as_ever(tmp_path, seconds):
    """The journal's thread looks seldom while nothing happens; whoever has an entry then wakes it."""

    def seen(_):
        began = time.perf_counter()
        while not any(b"rested" in path.read_bytes() for path in tmp_path.glob("*/journal")):
            if time.perf_counter() > began + 10:
                break
            time.sleep(0.005)
        return time.perf_counter() - began

    graph = taskrunner.Graph()
    rested = graph.call(time.sleep, seconds, id="rested")
    waited = graph.call(seen, rested)
    assert taskrunner.run(graph, workers=1, run_dir=tmp_path)[waited] < 0.8 * (NEXT_LOOK - seconds)
