import io
import json

import msgspec
import pytest

from taskrunner.errors import TaskrunnerError
from taskrunner.observe.log import ConsoleLog, JsonLog, level_of, open_log, wants_colors
from taskrunner.observe.warnings import WarningLines
from taskrunner.run.events import GilSwitchedOn, NodeDone, NodeFailed, NodeSkipped, RunDone, RunWarning

DONE = NodeDone("a", 0, 1, 0.25, 0.5, stolen=False, started_at=1.0)
FAILED = NodeFailed("b", 1, 1, 0.0, 0.5, stolen=True, started_at=1.0, error="E", traceback="T")
STOPPED = NodeSkipped("c", "stopped", "b")
SKIPPED = NodeSkipped("d", "needs", "b")
WARNING = RunWarning("look out")
GIL = GilSwitchedOn("old.ext")
ENDED = RunDone(False, 1.0, 1, 1, 2, (0.5,), 0, 0.5, ("a",), 0.5, False, 1)  # noqa: FBT003


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
        },
        {"event": "node.skipped", "level": "info", "node": "d", "reason": "needs", "because": "b"},
    ]


@pytest.mark.parametrize(
    ("event", "level"),
    [
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
    assert level_of(event) == level
    assert lines_of(level, event)[0]["level"] == level


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


def test_the_console_has_a_line_for_people_without_colours():
    file = io.StringIO()
    ConsoleLog(file).on_events([SKIPPED])
    assert file.getvalue().split() == ["[info", "]", "node.skipped", "node=d", "reason=needs", "because=b"]


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
    assert wants_colors(Terminal())
    assert not wants_colors(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colors(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colors(Terminal())


def test_warnings_are_plain_lines_and_nothing_else_is_written():
    file = io.StringIO()
    WarningLines(file).on_events([DONE, WARNING, GIL, FAILED, GilSwitchedOn("")])
    assert file.getvalue().splitlines() == [
        "taskrunner: warning: look out",
        'taskrunner: warning: the GIL is on: importing "old.ext" switched it on; nodes will not run in parallel',
        "taskrunner: warning: the GIL is on: by PYTHON_GIL, -X gil, or an import before this run; nodes will not run in parallel",  # noqa: E501
    ]
