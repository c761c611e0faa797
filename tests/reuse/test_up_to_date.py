import os
import time
from pathlib import Path

import pytest
from msgspec import UNSET

from taskrunner.nodes.binding import MISSING
from taskrunner.nodes.command import Command
from taskrunner.reuse.cache import Cache
from taskrunner.reuse.up_to_date import CommandOutputs

NOW = time.time()


class Make:
    """One command in a folder: ``given`` are what may change of it."""

    def __init__(self, folder):
        self.cache = Cache(folder / "cache")
        self.given = {"argv": ["cc", "a.c"], "env": {}, "cwd": None, "stdin": UNSET, "capture": "text"}
        self.files, self.creates = ["a.c", "*.h"], ["a.o", "a.d"]
        for name in ("a.c", "a.h"):
            self.write(name, 100)

    @staticmethod
    def write(name, seconds_ago, text=""):
        Path(name).write_text(text)
        os.utime(name, (NOW - seconds_ago, NOW - seconds_ago))

    def outputs(self, **given):
        return CommandOutputs(self.cache, Command(**{**self.given, **given}), self.files, self.creates)

    def make(self, result="made", **given):
        """Run the command, in effect."""
        outputs = self.outputs(**given)
        outputs.invalidate()
        for name in self.creates:
            self.write(name, 50)
        return outputs.store(result)

    def is_up_to_date(self, **given):
        return self.outputs(**given).result() is not MISSING


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Make(tmp_path)


@pytest.mark.parametrize("result", ["made", ["a", "b"], {"a": 1}, b"x", None])
def test_what_was_made_is_up_to_date_and_keeps_its_result(make, result):
    assert not make.is_up_to_date()
    assert make.make(result) == ""
    found = make.outputs().result()
    assert (type(found), found) == (type(result), result)


@pytest.mark.parametrize(
    "given",
    [
        {"argv": ["cc", "-O", "a.c"]},
        {"argv": "cc a.c"},
        {"env": {"A": "1"}},
        {"cwd": "/"},
        {"stdin": "a"},
        {"capture": "bytes"},
    ],
)
def test_another_command_is_not(make, given):
    make.make()
    assert not make.is_up_to_date(**given)
    make.make(**given)
    assert make.is_up_to_date(**given)
    assert not make.is_up_to_date()  # though it was, and its own entry is still there


def test_the_order_of_the_environment_says_nothing(make):
    make.make(env={"A": 1, "B": 2})
    assert make.is_up_to_date(env={"B": 2, "A": 1})


@pytest.mark.parametrize(("seconds_ago", "is_up_to_date"), [(51, True), (50, True), (49, False)])
@pytest.mark.parametrize("name", ["a.c", "a.h"])
def test_a_file_that_is_newer_than_what_was_made_of_it(make, name, seconds_ago, is_up_to_date):
    make.make()
    make.write(name, seconds_ago)
    assert make.is_up_to_date() == is_up_to_date


def test_one_output_that_is_older_is_enough(make):
    make.make()
    make.write("a.d", 101)
    assert not make.is_up_to_date()


@pytest.mark.parametrize("name", ["a.o", "a.d", "a.c", "a.h"])
def test_a_file_that_is_missing(make, name):
    make.make()
    Path(name).unlink()
    assert not make.is_up_to_date()


def test_a_file_that_has_come_into_a_glob_though_it_is_old(make):
    make.make()
    make.write("b.h", 200)
    assert not make.is_up_to_date()


def test_what_another_command_has_made_in_the_meantime_is_not_up_to_date(make):
    make.make()
    other = CommandOutputs(make.cache, Command(["touch", "a.d"], {}, None, UNSET, "text"), [], ["a.d"])
    other.invalidate()
    other.store("")
    assert not make.is_up_to_date()


def test_what_a_command_left_that_died_half_way_is_not_up_to_date(make):
    make.make()
    make.outputs().invalidate()
    make.write("a.o", 0, "half")
    assert not make.is_up_to_date()


@pytest.mark.parametrize("number", range(3))
def test_without_any_of_its_entries_it_is_not_up_to_date(make, number):
    make.make()
    make.cache.entries()[number].path.unlink()
    assert not make.is_up_to_date()
    make.make()
    make.cache.entries()[number].path.write_bytes(b"damaged")
    assert not make.is_up_to_date()


def test_what_was_not_created_is_told_and_not_kept(make):
    outputs = make.outputs()
    make.write("a.o", 50)
    assert outputs.store("") == "it did not create a.d"
    make.write("a.d", 50)
    assert not make.is_up_to_date()


def test_what_was_written_to_while_the_command_ran_is_told_and_not_kept(make):
    outputs = make.outputs()
    for name in make.creates:
        make.write(name, 50)
    make.write("a.c", 100, "other")
    assert outputs.store("") == "an input file changed while the node ran"
    assert not make.is_up_to_date()


def test_the_same_names_in_another_folder_are_other_files(make, tmp_path, monkeypatch):
    make.make()
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    for name, age in (("a.c", 100), ("a.h", 100), ("a.o", 50), ("a.d", 50)):
        make.write(name, age)
    assert not make.is_up_to_date()
