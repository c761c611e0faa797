"""What ``exec`` shows while a run goes on: on a terminal of its own, and elsewhere."""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
import threading
import time

import pytest

BOUND = 20.0
LATER = 10.0  # seconds after which there is a plain line
ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal that is read by a thread; ``shown`` is all that was written to it."""

    def __init__(self, columns=100):
        self.ours, self.theirs = pty.openpty()
        self.resize(columns)
        self.data = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))

    @property
    def shown(self):
        return self.data.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, pattern):
        """Wait until something stands on the terminal."""
        end = time.monotonic() + BOUND
        with self._changed:
            while not re.search(pattern, ESCAPE.sub("", self.shown)):
                assert self._changed.wait(max(end - time.monotonic(), 0)), (pattern, self.shown)

    def close(self):
        """Close our end's counterpart, and read what is left."""
        os.close(self.theirs)
        self._reader.join(BOUND)
        os.close(self.ours)

    def _read(self):
        data = b"start"
        while data:
            try:
                data = os.read(self.ours, 65536)
            except OSError:  # nobody has it open any more
                data = b""
            with self._changed:
                self.data += data
                self._changed.notify_all()


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def start(cli, terminal):
    """Return what starts a command line whose standard error is the terminal."""

    def start(*words, **env):
        return cli.start(*words, env={"TERM": "xterm-256color", "NO_COLOR": "", **env}, stderr=terminal.theirs)

    return start


@pytest.fixture
def waiting(cli):
    """Write a graph whose nodes wait for a file ``end``."""
    return cli.graph(
        {"id": "poll", "call": "functions:poll", "args": ["end"]},
        {"id": "shout\x1b[2J", "run": "echo so far; until test -e end; do sleep 0.02; done; echo over"},
    )


def end(cli, process):
    (cli.folder / "end").touch()
    return cli.end(process)


def test_a_terminal_shows_a_bar_while_the_run_goes_on_and_the_summary_alone_at_the_end(cli, start, terminal, waiting):
    process = start("exec", waiting, "-w", "2")
    terminal.wait_for("worker [01] .* poll\n")
    terminal.wait_for(r"loop .* shout\\x1b\[2J +so far")
    assert "\x1b[32m" in terminal.shown or "\x1b[90m" in terminal.shown
    ended = end(cli, process)
    assert (ended.code, ended.json) == (0, {"poll": None, "shout\x1b[2J": "so far\nover\n"})
    terminal.wait_for("run  +20")
    whole = terminal.shown
    assert "\x1b[?25l" not in whole  # the cursor was never hidden
    last = whole.rindex("\x1b[J")
    assert whole[last + 3 :].startswith("ok            graph: 2 done")


def test_no_color_shows_a_bar_without_colours(cli, start, terminal, waiting):
    process = start("exec", waiting, NO_COLOR="1")
    terminal.wait_for("poll\n")
    assert end(cli, process).code == 0
    assert set(re.findall(r"\x1b\[([0-9;]*)m", terminal.shown)) <= {"0", "1", "2"}


@pytest.mark.parametrize("words", [("--no-progress",), ("-q",), ("--log-format", "console"), ("--log-format", "json")])
def test_without_progress_nothing_is_drawn(cli, start, terminal, words):
    graph = cli.graph({"id": "n", "call": "time:sleep", "args": [1]})
    assert cli.end(start("exec", graph, *words)).code == 0
    assert "━" not in terminal.shown
    assert "\x1b[J" not in terminal.shown


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TASKRUNNER_EXEC_PROGRESS": "0"}])
def test_a_dumb_terminal_and_the_environment_have_no_bar(cli, start, terminal, env):
    graph = cli.graph({"id": "n", "call": "time:sleep", "args": [1]})
    assert cli.end(start("exec", graph, **env)).code == 0
    terminal.wait_for("ok  ")
    assert "\x1b" not in terminal.shown


def test_a_log_in_a_file_leaves_the_terminal_to_the_bar(cli, start, terminal, waiting):
    process = start("exec", waiting, "--log-format", "json", "--log-file", "log")
    terminal.wait_for("poll\n")
    assert end(cli, process).code == 0


def test_a_narrow_terminal_and_one_that_changes(cli, start, terminal, waiting):
    terminal.resize(30)
    process = start("exec", waiting)
    terminal.wait_for(r"w[01] .* poll\n")
    frames = [ESCAPE.sub("", frame) for frame in terminal.shown.split("\x1b[J")]
    assert max(len(line) for line in frames[-1].split("\n")) <= 27
    terminal.resize(100)
    process.send_signal(signal.SIGWINCH)
    terminal.wait_for("worker [01] .* poll\n")
    assert end(cli, process).code == 0


def test_what_happens_and_what_nodes_print_stands_above_the_bar(cli, start, terminal):
    cli.write(
        "noisy.py",
        """
        import os, sys, time
        def speak():
            while not os.path.exists("said"): time.sleep(0.01)
            print("to stdout"); print("to stderr", file=sys.stderr); sys.stdout.buffer.write(b"as bytes\\n")
            sys.stdout.flush()
            open("spoken", "w").close()
            while not os.path.exists("end"): time.sleep(0.01)
        def fail(): raise ValueError("no luck")
        """,
    )
    cli.graph(
        {"id": "speak", "call": "noisy:speak"},
        {"id": "fail", "call": "noisy:fail", "retries": {"max": 1, "backoff": 0.01}, "allow_failure": True},
    )
    process = start("exec", "graph.json", "-w", "2")
    terminal.wait_for("worker [01] .* speak")
    (cli.folder / "said").touch()
    cli.wait_for("spoken", process)
    terminal.wait_for("to stdout\nto stderr\nas bytes\n")
    ended = end(cli, process)
    assert (ended.code, ended.out) == (0, '{\n  "speak": null\n}\n')
    told = ESCAPE.sub("", terminal.shown)
    assert 'taskrunner: warning: "fail" failed and is retried in 0.01 s (attempt 1): ValueError: no luck\n' in told
    assert 'taskrunner: "fail" failed, which is allowed: ValueError: no luck\n' in told


def test_verbose_shows_what_commands_write_above_the_bar(cli, start, terminal, waiting):
    process = start("exec", waiting, "-v")
    terminal.wait_for(r"\[shout\\x1b\[2J\] so far\n")
    assert end(cli, process).code == 0
    terminal.wait_for(r"\[shout\\x1b\[2J\] over\n")


def test_an_interrupt_is_told_above_the_bar_and_the_second_leaves_a_line_for_the_shell(cli, start, terminal):
    cli.write("deaf.py", "import time\ndef sleep(): time.sleep(50)")
    process = start("exec", cli.graph({"id": "n", "call": "deaf:sleep"}))
    terminal.wait_for("worker [0-9]+ .* n")
    process.send_signal(signal.SIGINT)
    terminal.wait_for("taskrunner: interrupted: waiting for running nodes; interrupt again to exit at once\n")
    process.send_signal(signal.SIGINT)
    assert process.wait(BOUND) == 130
    end = time.monotonic() + BOUND
    while not terminal.shown.endswith("\n"):
        assert time.monotonic() < end
    assert "\x1b[?25l" not in terminal.shown


def test_a_terminal_that_goes_away_ends_no_run(cli, waiting):
    ours, theirs = pty.openpty()
    process = cli.start("exec", waiting, env={"TERM": "xterm"}, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"poll" not in shown:
        shown += os.read(ours, 65536)
    os.close(ours)
    ended = end(cli, process)
    assert (ended.code, set(ended.json)) == (0, {"poll", "shout\x1b[2J"})


def test_a_pipe_that_is_closed_ends_no_run(cli, waiting):
    reading, writing = os.pipe()
    process = cli.start("exec", waiting, "-v", stderr=writing)
    os.close(reading)
    os.close(writing)
    ended = end(cli, process)
    assert (ended.code, set(ended.json)) == (0, {"poll", "shout\x1b[2J"})


# -- where there is no terminal ------------------------------------------------------------------------


def test_a_short_run_shows_no_progress_and_rich_is_not_imported(cli):
    cli.write("seen.py", "import sys\ndef rich(): return 'rich' in sys.modules")
    ended = cli("exec", cli.graph({"id": "n", "call": "seen:rich"}))
    assert (ended.code, ended.json) == (0, {"n": False})
    assert ended.err.startswith("ok  ")


def test_a_node_may_import_rich(cli):
    cli.write("seen.py", "def rich(): import rich.console; return 1")
    assert cli("exec", cli.graph({"id": "n", "call": "seen:rich"})).json == {"n": 1}


@pytest.mark.slow
def test_a_long_run_shows_plain_lines(cli):
    graph = cli.graph({"id": "n", "call": "time:sleep", "args": [LATER + 1.5]}, {"id": "m", "call": "functions:give"})
    ended = cli("exec", graph)
    assert ended.code == 0
    first = ended.err.splitlines()[0]
    assert re.fullmatch(r"taskrunner: 1 of 2 done, 1 running, 1[01] s, about 1[01] s left", first)


def test_verbose_streams_whole_lines_with_their_nodes(cli):
    script = "for i in 1 2 3 4 5 6; do printf %s; sleep 0.05; echo %s $i; done"
    cli.graph(
        {"id": "a", "run": script % ("aa", "aa")},
        {"id": "b", "run": script % ("bb", "bb")},
        {"id": "c", "run": "false"},
    )
    ended = cli("exec", "graph.json", "-v", "-w", "3", "-k")
    lines = [line for line in ended.err.splitlines() if line.startswith("[")]
    assert sorted(lines) == [f"[{name}] {name * 2}{name * 2} {i}" for name in "ab" for i in range(1, 7)]
    assert not [line for line in cli("exec", "graph.json", "-k").err.splitlines() if line.startswith("[")]


def test_a_failed_command_is_told_with_where_its_output_is(cli):
    graph = cli.graph({"id": "a b", "run": "seq 1 9999; echo bad >&2; exit 3"})
    ended = cli("exec", graph)
    (line,) = [line.strip() for line in ended.err.splitlines() if "full output" in line]
    out, err = line.removeprefix("full output: ").split(", ")
    assert (cli.folder / out).read_text().splitlines()[-1] == "9999"
    assert (cli.folder / err).read_text() == "bad\n"
    assert "    bad\n" in ended.err
    assert "full output" in cli("exec", graph, "-q").err
