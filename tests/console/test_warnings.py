"""What a user ought to know while a run goes on."""

import pytest

from taskrunner.console.warnings import WarningLines
from taskrunner.events.types import GilSwitchedOn, RunWarning


def test_warnings_are_plain_lines_and_nothing_else_is_said(make):
    said = []
    WarningLines(said.append).on_events(
        [make.done("a"), RunWarning("look out"), make.failed("a\x1b"), GilSwitchedOn("old.ext"), GilSwitchedOn("")]
    )
    assert said == [
        "taskrunner: warning: look out",
        'taskrunner: warning: the GIL is on: importing "old.ext" switched it on; nodes will not run in parallel',
        "taskrunner: warning: the GIL is on: by PYTHON_GIL, -X gil, or an import before this run; nodes will not run in parallel",  # noqa: E501
    ]


@pytest.mark.parametrize(("allowed", "more"), [(False, ""), (True, ", which is allowed")])
def test_failures_are_said_where_they_are_wanted(allowed, more, make):
    said = []
    WarningLines(said.append, failures=True).on_events([make.failed("a\x1b", allowed=allowed)])
    assert said == [f'taskrunner: "a\\x1b" failed{more}: ValueError: no']


def test_so_many_attempts_and_failures_are_said_and_no_more(make):
    said = []
    WarningLines(said.append, failures=True).on_events([make.retried("a"), make.failed("a\x1b")] * 50)
    assert len(said) == 21
    assert said[-1] == "taskrunner: warning: more attempts failed; they are not listed individually"
