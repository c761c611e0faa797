"""What commands write, while they write it."""

import os

import pytest

from taskrunner.console.command_files import CommandFiles
from taskrunner.console.command_output import MAX_LINE_BYTES, MAX_READ_BYTES, CommandOutput
from taskrunner.events.observer import Running


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "r" / "commands"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def said():
    return []


@pytest.fixture
def output(folder, said, make):
    files = CommandFiles(folder.parents[1])
    files.on_events([make.start(2)])
    return CommandOutput(said.append, files)


def write(folder, name, text):
    with (folder / name).open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def look(output, *nodes):
    output.on_running([Running(node, -1, 1, 0.1) for node in nodes], 0)


def test_whole_lines_are_said_as_they_come_and_the_rest_at_the_end(folder, output, said, make):
    write(folder, "a.out", "one\ntw")
    look(output, "a")
    assert said == ["[a] one"]
    write(folder, "a.out", "o\nthr")
    write(folder, "a.err", "bad\n")
    look(output, "a")
    assert sorted(said) == ["[a] bad", "[a] one", "[a] two"]
    write(folder, "a.out", "ee")
    look(output, "a")
    assert len(said) == 3
    output.on_events([make.done("a", worker=-1)])
    assert said[3:] == ["[a] three"]


def test_two_commands_at_once_never_share_a_line(folder, output, said, make):
    for part in ("on", "e\ntw", "o\n", "three"):
        for name in "ab":
            write(folder, f"{name}.out", part)
        look(output, "a", "b")
    output.on_events([make.failed("a", worker=-1), make.done("b", worker=-1)])
    assert sorted(said) == [f"[{name}] {line}" for name in "ab" for line in ("one", "three", "two")]


def test_a_command_that_nobody_saw_run_is_said_when_it_has_ended(folder, output, said, make):
    write(folder, "a.out", "quick\n")
    output.on_events([make.done("a", worker=-1)])
    assert said == ["[a] quick"]


def test_a_command_that_was_stopped_is_said_as_far_as_it_came(folder, output, said, make):
    look(output, "a")
    write(folder, "a.out", "begun\n")
    look(output, "a")
    write(folder, "a.out", "half")
    output.on_events([make.skipped("a"), make.skipped("never")])
    assert said == ["[a] begun", "[a] half"]


def test_another_attempt_begins_anew(folder, output, said, make):
    write(folder, "a.out", "a first attempt\n")
    output.on_events([make.retried("a", worker=-1)])
    (folder / "a.out").write_text("second\n")
    look(output, "a")
    assert said == ["[a] a first attempt", "[a] second"]


def test_what_an_earlier_part_of_the_run_has_left_is_not_said(tmp_path, folder, said, make):
    write(folder, "a.out", "old\n")
    files = CommandFiles(tmp_path)
    files.on_events([make.start(1)])
    output = CommandOutput(said.append, files)
    look(output, "a")
    assert (said, files.last_line("a")) == ([], "")
    (folder / "a.out").write_text("new\n")
    os.utime(folder / "a.out", ns=(0, 0))
    look(output, "a")
    assert said == ["[a] new"]


def test_nodes_on_workers_and_async_nodes_have_no_files(output, said, make):
    output.on_running([Running("a", 0, 1, 0.1), Running("b", -1, 1, 0.1)], 0)
    output.on_events([make.done("a"), make.done("b", worker=-1)])
    assert said == []


def test_names_and_lines_are_fit_for_a_terminal(folder, said, output, tmp_path):
    node = "a\n\x1b[2J"
    (path, _) = CommandFiles(tmp_path).find(node) or (None, None)
    assert path is None
    from taskrunner.storage.run_directory import output_files  # noqa: PLC0415  its name is made of a digest

    output_files(folder, node)[0].write_bytes(b"\x1b[1;32mgreen\x1b[0m\ttab\x07\r\n10%\r20%\r30%\n\xff\x1b[2J\n")
    look(output, node)
    assert said == [rf"[a\n\x1b[2J] {line}" for line in ("green   tab\\x07", "30%", "\ufffd\\x1b[2J")]


def test_a_line_without_an_end_is_said_in_pieces(folder, output, said):
    write(folder, "a.out", "x" * (MAX_LINE_BYTES * 2 + 5))
    look(output, "a")
    assert [len(line) - 4 for line in said] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 5]


def test_of_too_much_only_the_end_is_said(folder, output, said):
    write(folder, "a.out", "x" * 9 + "\n")
    look(output, "a")
    write(folder, "a.out", b"y" * 99 + b"\n" + b"z" * (MAX_READ_BYTES - 1) + b"\n")
    look(output, "a")
    assert said[1] == f"[a] (100 bytes omitted; see {folder / 'a.out'})"
    assert sum(len(line) - 4 for line in said[2:]) == MAX_READ_BYTES - 1


@pytest.mark.parametrize(
    ("written", "line"),
    [("", ""), ("one", "one"), ("one\ntwo\n\n \n", "two"), ("1%\r 2%\r", "2%"), ("x" * 5000, "x" * 1000)],
)
def test_the_last_line(tmp_path, folder, make, written, line):
    files = CommandFiles(tmp_path)
    files.on_events([make.start(1)])
    write(folder, "a.out", written)
    assert files.last_line("a") == line


def test_the_last_line_is_that_of_the_file_that_was_written_last(tmp_path, folder, make):
    files = CommandFiles(tmp_path)
    files.on_events([make.start(1)])
    write(folder, "a.out", "out\n")
    write(folder, "a.err", "err\n")
    os.utime(folder / "a.out", ns=(10, 10))
    os.utime(folder / "a.err", ns=(20, 20))
    assert files.last_line("a") == "err"
    os.utime(folder / "a.out", ns=(30, 30))
    assert files.last_line("a") == "out"


def test_another_attempt_may_write_before_the_end_of_the_one_before_is_told(folder, output, said):
    write(folder, "a.out", "a first attempt\nand")
    look(output, "a")
    (folder / "a.out").write_text("second\n")
    look(output, "a")
    assert said == ["[a] a first attempt", "[a] second"]
