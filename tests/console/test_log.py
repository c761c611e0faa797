import io
import json

import msgspec
import pytest

from taskrunner.console.log import ConsoleLog, can_use_colors
from taskrunner.errors import TaskrunnerError
from taskrunner.events.json_log import JsonLog, open_log
from taskrunner.events.types import (
    LEVELS,
    Event,
    GilSwitchedOn,
    NodeDone,
    NodeFailed,
    NodeSkipped,
    RunDone,
    RunStart,
    RunWarning,
)

DONE = NodeDone("a", 0, 1, 0.25, 0.5, stolen=False, started_at=1.0)
FAILED = NodeFailed("b", 1, 1, 0.0, 0.5, stolen=True, started_at=1.0, error="E", traceback="T", arguments="(1)")
STOPPED = NodeSkipped("c", "stopped", "b")
SKIPPED = NodeSkipped("d", "needs", "b")
WARNING = RunWarning("look out")
GIL = GilSwitchedOn("old.ext")
ENDED = RunDone(False, 1.0, 1, 1, 2, (0.5,), 0, 0.5, ("a",), 0.5, False, 1, level="error")  # noqa: FBT003
BEGUN = RunStart("r", "g", 1, 1, "3.13", True, False, "linux", 1.0)  # noqa: FBT003


def lines_of(level, *events):
    file = io.BytesIO()
    log = JsonLog(file, level)
    log.on_events(events)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_an_event_is_one_json_object_on_a_line():
    assert lines_of("info", DONE, SKIPPED) == [
        {
            "event": "node.done",
            "level": "info",
            "node": "a",
            "worker": 0,
            "attempt": 1,
            "queued_s": 0.25,
            "ran_s": 0.5,
            "stolen": False,
            "started_at": 1.0,
            "cached": False,
        },
        {"event": "node.skipped", "level": "info", "node": "d", "reason": "needs", "because": "b"},
    ]


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (BEGUN, "info"),
        (DONE, "info"),
        (SKIPPED, "info"),
        (STOPPED, "info"),
        (WARNING, "warning"),
        (GIL, "warning"),
        (FAILED, "error"),
        (ENDED, "error"),
    ],
)
def test_the_level_of_each_event(event, level):
    assert event.level == level
    assert lines_of(level, event)[0]["level"] == level
    higher = [name for name, number in LEVELS.items() if number > LEVELS[level]]
    assert [lines_of(name, event) for name in higher] == [[]] * len(higher)


def test_what_is_below_the_level_is_left_out():
    events = [DONE, STOPPED, WARNING, FAILED]
    assert [line["event"] for line in lines_of("warning", *events)] == ["run.warning", "node.failed"]
    assert len(lines_of("debug", *events)) == 4


def test_batches_follow_each_other():
    file = io.BytesIO()
    log = JsonLog(file)
    for _ in range(3):
        log.on_events([DONE, DONE])
    assert file.getvalue().count(b"\n") == 6


def test_a_line_begins_with_its_event():
    file = io.BytesIO()
    JsonLog(file).on_events([DONE, WARNING])
    assert [line.split(b":")[0] for line in file.getvalue().splitlines()] == [b'{"event"'] * 2


def test_a_batch_is_written_at_once_and_ends_its_last_line():
    class Slow(io.BytesIO):
        def write(self, data):
            writes.append(data)
            return super().write(data)

    writes = []
    file = Slow()
    JsonLog(file).on_events([DONE, SKIPPED, FAILED])
    assert b"".join(writes) == file.getvalue()
    assert writes[0].count(b"\n") >= 2
    assert file.getvalue().endswith(b"}\n")


def test_a_batch_in_which_nothing_is_wanted_writes_nothing():
    file = io.BytesIO()
    log = JsonLog(file, "error")
    log.on_events([DONE, WARNING])
    log.on_events([])
    assert file.getvalue() == b""


@pytest.mark.parametrize("value", ["a\udcff", "two\nlines\r", "\u2028\x00\x1b[0m\x85\x1e", '"}{\\'], ids=ascii)
def test_a_hostile_value_still_gives_one_line_an_event_and_its_neighbours_are_as_ever(value):
    file = io.BytesIO()
    hostile = msgspec.structs.replace(FAILED, node=value, error=value, traceback=value)
    JsonLog(file).on_events([DONE, hostile, SKIPPED])
    lines = [json.loads(line) for line in file.getvalue().split(b"\n")[:-1]]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("node.done", "info"),
        ("node.failed", "error"),
        ("node.skipped", "info"),
    ]
    assert lines[::2] == lines_of("info", DONE, SKIPPED)
    assert list(lines[1]) == ["event", *[name for name in NodeFailed.__struct_fields__ if name != "cpu_s"]]
    assert lines[1]["error"] == value.encode(errors="backslashreplace").decode()


def leaves(struct):
    below = struct.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [struct]


def test_every_event_has_a_name_of_its_own_and_a_level():
    events = leaves(Event)
    assert len({event.__struct_config__.tag for event in events}) == len(events) == 12
    assert all("." in event.__struct_config__.tag for event in events)
    levels = [msgspec.structs.fields(event)[event.__struct_fields__.index("level")].default for event in events]
    assert set(levels) <= set(LEVELS)


def test_the_console_has_a_line_for_people_without_colours():
    file = io.StringIO()
    ConsoleLog(file).on_events([SKIPPED])
    assert file.getvalue().split() == ["[info", "]", "node.skipped", "node=d", "reason=needs", "because=b"]


def test_the_console_names_the_level_once_and_leaves_out_what_is_below_its_own():
    file = io.StringIO()
    ConsoleLog(file, "warning").on_events([DONE, WARNING, FAILED])
    lines = file.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["[warning", "]"], ["[error", "]"]]
    assert "level" not in file.getvalue()


def test_the_console_rounds_seconds_and_writes_paths_with_arrows():
    file = io.StringIO()
    ConsoleLog(file).on_events([msgspec.structs.replace(ENDED, wall_s=1 / 3, critical_path=("a", "b"))])
    assert "wall_s=0.333333 " in file.getvalue()
    assert "critical_path='a -> b'" in file.getvalue()
    assert "busy=[0.5]" in file.getvalue()


def test_the_console_in_colour():
    file = io.StringIO()
    ConsoleLog(file, colors=True).on_events([SKIPPED])
    assert "\x1b[" in file.getvalue()


def test_closing_closes_the_file():
    file = io.BytesIO()
    JsonLog(file).close()
    assert file.closed


def test_a_log_that_cannot_be_opened_is_a_clear_error(tmp_path):
    with pytest.raises(TaskrunnerError, match="cannot write the log"):
        open_log(tmp_path / "missing" / "log")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_for_terminals_whose_users_want_them(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert can_use_colors(Terminal())
    assert not can_use_colors(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not can_use_colors(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not can_use_colors(Terminal())


def test_what_is_not_known_of_an_attempt_stands_in_no_log():
    known = msgspec.structs.replace(DONE, cpu_s=0.25)
    assert [line.get("cpu_s", "none") for line in lines_of("info", DONE, known)] == ["none", 0.25]
    file = io.StringIO()
    ConsoleLog(file).on_events([DONE, known])
    assert ["cpu_s=0.25" in line for line in file.getvalue().splitlines()] == [False, True]
    assert "UNSET" not in file.getvalue()
