"""The frame that shows a run, and when it is drawn."""

import pytest

from taskrunner.console.bar import FIRST_FRAME_S, MAX_CPU_SHARE, MAX_INTERVAL_S, MIN_INTERVAL_S, Bar, frame
from taskrunner.console.progress import Progress
from taskrunner.events.observer import Running


class Screen:
    """Keeps what is drawn."""

    is_unicode = True
    is_gone = False

    def __init__(self):
        self.size = (97, 30)
        self.frames, self.above, self.is_drawn = [], [], False
        self.leave = lambda: None

    def prepare(self):
        pass

    def write(self, text):
        self.above.append(text)

    def draw(self, above, frame=()):
        self.above.append(above)
        self.is_drawn = bool(frame)
        self.frames += [text(frame)] if frame else []


def text(lines):
    return ["".join(part for part, _ in line) for line in lines]


@pytest.fixture
def progress(clock, make):
    progress = Progress(clock)
    progress.on_events([make.start(10, workers=2)])
    return progress


@pytest.fixture
def full(progress, clock, make):
    """Return the progress of a run in which there is everything."""
    clock.now += 8
    progress.on_events([make.done("a"), make.done("b", cached=True), make.failed("c"), make.skipped("d")])
    running = [
        Running("each[7]", 1, 1, 3.21),
        Running("bu\x1b[2Jild", -1, 1, 75.0),
        Running("fetch", -1, 3, 2.0),
    ]
    progress.on_running(running, 2)
    return progress


def drawn(progress, width, height=30, written=(), **more):
    return text(frame(progress, width, height, lambda node: dict(written).get(node, ""), **more))


def test_a_frame_of_a_usual_terminal(full):
    assert drawn(full, 97, written={"bu\x1b[2Jild": "gcc -c \x1b[1mfile.c"}) == [
        "━━━━━━━━━━━━━─────────────────────────── 2 of 12 done, 8.0 s, about 32 s left",
        "3 running, 1 failed, 1 skipped, 1 cached",
        "worker 0         -",
        "worker 1     3.2 s  each[7]",
        r"loop      1:15 min  bu\x1b[2Jild       gcc -c \x1b[1mfile.c",
        "loop         2.0 s  fetch (attempt 3)",
    ]


def test_a_frame_of_a_narrow_terminal(full):
    assert drawn(full, 37, written={"bu\x1b[2Jild": "gcc -c file.c"}) == [
        "2 of 12 done, 8.0 s, about 32 s left",
        "3 running, 1 failed, 1 skipped, 1 ca~",
        "w0          -",
        "w1      3.2 s  each[7]",
        r"loop 1:15 min  bu\x1b[2Jild  gcc -c ~",
        "loop    2.0 s  fetch (attempt 3)",
    ]


def test_a_bar_for_terminals_without_unicode(full):
    assert drawn(full, 197, is_unicode=False)[0].startswith("#" * 13 + "-" * 27 + " 2 of 12 done")


@pytest.mark.parametrize("width", [1, 5, 12, 20, 37, 60, 77, 197])
@pytest.mark.parametrize("height", [1, 2, 4, 5, 6, 50])
def test_a_frame_fits_the_terminal(full, width, height):
    wide = "\u8d85\u957f" * 80
    full.on_running([*full.running, *[Running(wide, -1, 1, number) for number in range(40)]], 0)
    from rich.cells import cell_len  # noqa: PLC0415  as the bar does

    lines = drawn(full, width, height, {wide: wide})
    assert 1 <= len(lines) <= max(height - 1, 1)
    assert max(map(cell_len, lines)) <= width


def test_if_not_all_fits_what_runs_longest_is_shown(full):
    full.on_running([Running(f"n{number}", number, 1, float(number)) for number in range(64)], 0)
    full.workers = 64
    lines = drawn(full, 97, height=8)
    assert lines[2:] == [
        "worker 63     1:03 min  n63"[:10] + "1:03 min  n63",
        "worker 62 1:02 min  n62",
        "worker 61 1:01 min  n61",
        "worker 60 1:00 min  n60",
        "and 60 more",
    ]


def test_the_bar_is_full_at_the_end_and_red_after_a_failure(progress, make):
    progress.on_events([make.done(str(number)) for number in range(10)])
    (bar, style), (rest, _), _ = frame(progress, 97, 30, str)[0]
    assert (bar, rest, style) == ("━" * 40, "", "green")
    progress.on_events([make.failed("x")])
    assert frame(progress, 97, 30, str)[0][0][1] == "red"


# -- when it is drawn -------------------------------------------------------------------------------


@pytest.fixture
def screen():
    return Screen()


@pytest.fixture
def bar(screen, progress, clock):
    return Bar(screen, progress, clock=clock, cpu=lambda: 0.0)


def look(bar, clock, seconds, every=0.05, node="n"):
    """Have the bar look at what runs; each time it is another node if ``node`` is empty."""
    for number in range(round(seconds / every)):
        clock.now += every
        bar.on_running([Running(node or str(number), 0, 1, 0.0)], 0)


def test_there_are_at_most_ten_redraws_a_second(bar, clock, screen):
    look(bar, clock, FIRST_FRAME_S)
    screen.frames.clear()
    look(bar, clock, 10, every=0.001, node="")
    assert 90 <= len(screen.frames) <= 10 / MIN_INTERVAL_S
    assert MIN_INTERVAL_S == 0.1


def test_lines_that_are_said_do_not_make_more_of_them(bar, clock, screen):
    look(bar, clock, FIRST_FRAME_S + 0.1)
    screen.frames.clear()
    for number in range(1000):
        bar.write_line(str(number))
        look(bar, clock, 0.001, every=0.001)
    bar.close()
    assert len(screen.frames) <= 10
    assert "".join(screen.above).split() == [str(number) for number in range(1000)]


def test_where_nothing_changes_it_is_drawn_once_a_second(bar, clock, screen):
    look(bar, clock, FIRST_FRAME_S + 0.1)
    screen.frames.clear()
    look(bar, clock, 10)
    assert 9 <= len(screen.frames) <= 10 / MAX_INTERVAL_S


def test_a_terminal_of_another_size_is_something_new(bar, clock, screen):
    look(bar, clock, FIRST_FRAME_S + 0.1)
    screen.frames.clear()
    screen.size = (40, 10)
    look(bar, clock, 0.15)
    assert len(screen.frames) == 1


@pytest.mark.parametrize("cost", [0.002, 0.005])
def test_drawing_takes_no_more_than_its_share_of_a_processor(screen, progress, clock, cost):
    spent = iter(range(1000))
    bar = Bar(screen, progress, clock=clock, cpu=lambda: next(spent) * cost)
    look(bar, clock, 20, node="")
    assert 20 / (cost / MAX_CPU_SHARE) * 0.7 <= len(screen.frames) <= 20 / (cost / MAX_CPU_SHARE) + 1


def test_costly_as_it_may_be_it_is_drawn_once_a_second(screen, progress, clock):
    spent = iter(range(1000))
    bar = Bar(screen, progress, clock=clock, cpu=lambda: next(spent) * 0.5)
    look(bar, clock, 20, node="")
    assert 18 <= len(screen.frames) <= 21


def test_the_imports_of_what_draws_are_no_redraw(screen, progress, clock):
    """They take as long as a hundred redraws: the next one would be seconds away."""
    spent = [0.0]
    bar = Bar(screen, progress, clock=clock, cpu=lambda: spent[0])
    screen.prepare = lambda: spent.__setitem__(0, spent[0] + (0.3 if not screen.frames else 0.0))
    look(bar, clock, FIRST_FRAME_S + 0.5, node="")
    assert len(screen.frames) > 3


def test_a_short_run_draws_nothing_and_its_lines_are_written_at_once(bar, clock, screen):
    bar.write_line("look out")
    look(bar, clock, 0.1)
    bar.write_line("once more")
    bar.close()
    assert screen.frames == []
    assert "".join(screen.above) == "look out\nonce more\n"


def test_at_the_end_the_frame_is_taken_away(bar, clock, screen):
    look(bar, clock, 1)
    assert screen.is_drawn
    bar.write_line("last")
    bar.close()
    assert not screen.is_drawn
    assert screen.above[-1] == "last\n"


def test_what_is_printed_stands_above(screen, progress, clock):
    printed = iter(["one\n", "two\n"])
    bar = Bar(screen, progress, lambda: next(printed, ""), clock=clock, cpu=lambda: 0.0)
    look(bar, clock, 1)
    assert "".join(screen.above) == "one\ntwo\n"


def test_a_terminal_that_is_gone_is_not_drawn_for_and_nothing_is_kept(bar, clock, screen):
    screen.is_gone = True
    bar.write_line("lost")
    look(bar, clock, 2)
    assert screen.frames == []
    assert bar._lines == []
