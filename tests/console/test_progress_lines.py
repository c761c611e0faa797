"""Progress where there is no terminal: which lines, and when."""

import itertools

import pytest

from taskrunner.console.progress import Progress
from taskrunner.console.progress_lines import ProgressLines
from taskrunner.events.observer import Running


@pytest.fixture
def lines_at(clock, make):
    """Return what gives the lines of a run of so many seconds, each with its moment."""

    def lines(seconds, events=(), running=()):
        said = []
        plain = ProgressLines(lambda line: said.append((clock.now - 100, line)), Progress(clock))
        plain.on_events([make.start(1000), *events])
        while clock.now < 100 + seconds:
            clock.now += 0.25
            plain.on_running(running, 0)
        plain.close()
        return said

    return lines


def test_a_line_says_how_far_the_run_has_come(lines_at, make):
    (told,) = lines_at(
        10, [make.failed("f"), *[make.done(str(number)) for number in range(99)]], [Running("a", 0, 1, 0.1)] * 4
    )
    assert told == (10.0, "taskrunner: 99 of 1000 done, 4 running, 1 failed, 10 s, about 1:30 min left")


def test_a_short_run_has_no_line(lines_at):
    assert lines_at(9.75) == []


def test_lines_come_ever_more_seldom_down_to_one_a_minute(lines_at):
    moments = [moment for moment, _ in lines_at(3600)]
    assert moments[:6] == [10.0, 20.0, 30.0, 40.0, 50.0, 62.5]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (10.0, 60.0)
    assert len(moments) < 70
