"""What nodes print while something is drawn."""

import threading

import pytest

from taskrunner.console.captured_output import CapturedOutput


@pytest.fixture
def file(tmp_path):
    with (tmp_path / "terminal").open("w", encoding="utf-8") as file:
        yield file


def test_whole_lines_are_kept_until_they_are_taken(file):
    printed = CapturedOutput(file)
    text = printed.text()
    print("a", "b", file=text)
    text.buffer.write(b"bytes")
    text.flush()
    assert printed.take() == "a b\n"
    print(" and more", file=text)
    assert printed.take() == "bytes and more\n"
    print("rest", end="", file=text, flush=True)
    assert printed.take() == ""
    assert printed.take(is_over=True) == "rest"
    assert file.tell() == 0


def test_in_the_end_it_goes_where_it_would_have_gone(file, tmp_path):
    printed = CapturedOutput(file)
    text = printed.text()
    printed.stop_capturing()
    print("late", file=text)
    assert printed.take() == ""
    assert (tmp_path / "terminal").read_text() == "late\n"


def test_it_is_no_terminal_and_has_the_number_of_one(file):
    text = CapturedOutput(file).text()
    assert (text.isatty(), text.fileno()) == (False, file.fileno())


def test_nothing_is_lost_that_several_threads_print(file):
    printed = CapturedOutput(file)
    text, taken = printed.text(), []

    def write(number):
        for line in range(2000):
            text.write(f"{number} {line}\n")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(printed.take())
    taken.append(printed.take(is_over=True))
    lines = "".join(taken).splitlines()
    assert sorted(lines) == sorted(f"{number} {line}" for number in range(4) for line in range(2000))
