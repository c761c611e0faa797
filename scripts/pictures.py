"""Make the pictures of ``docs/observing.md`` from real runs of ``workloads/survey.json``.

Terminals are pictures of what tmux shows, in SVG by rich; pages are photographed by headless Chromium; graphs are
drawn by Graphviz. What is missing is named, and its pictures stay as they are. speedscope, which reads the trace,
is a program of npm's: its picture is made where ``--speedscope`` names the installed package's folder.

Usage: ``uv run scripts/pictures.py [--speedscope FOLDER]``.
"""

import argparse
import contextlib
import functools
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rich.console import Console
from rich.text import Text

from browser import Browser, find_browser

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
GRAPH = "workloads/survey.json"
SIDES = ("last~5", "last~3", "last~1", "vs", "last~4", "last~2", "last")
COLUMNS, ROWS = 136, 40
BOUND = 60.0
BROWSER = find_browser() or ""
# As rich frames a terminal, but without the font that it asks the network for.
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-all {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g class="{unique_id}-all" transform="translate({terminal_x}, {terminal_y})">{backgrounds}{matrix}</g>
</svg>
"""


class Studio:
    """A folder with runs to take pictures of."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        (work / "workloads").symlink_to(ROOT / "workloads")

    def taskrunner(self, *arguments: str) -> None:
        """Run the command line in the folder."""
        command = [sys.executable, "-m", "taskrunner", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=self.work, env=environment, check=True, capture_output=True)

    def terminal(self, name: str, typed: str, *, until: str, rows: int = ROWS) -> None:
        """Type a command line into a terminal, and take its picture when it shows what matches ``until``."""
        server = ["tmux", "-L", f"taskrunner-pictures-{os.getpid()}"]
        shell = f"PS1='$ ' PYTHONPATH={ROOT} PATH={self._path} exec bash --norc --noprofile"
        size = ["-x", str(COLUMNS), "-y", str(rows)]
        subprocess.run([*server, "new-session", "-d", *size, "-c", str(self.work), shell], check=True)
        try:
            subprocess.run([*server, "send-keys", typed, "Enter"], check=True)
            shown = _wait(lambda: _screen(server), until)
        finally:
            subprocess.run([*server, "kill-server"], check=False)
        (PICTURES / f"{name}.svg").write_text(_as_svg(shown, typed), encoding="utf-8")

    def file(self, name: str, *arguments: str) -> None:
        """Have a command write a picture itself."""
        self.taskrunner(*arguments, str(PICTURES / name))


def _screen(server: list[str]) -> str:
    return subprocess.run([*server, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True).stdout


def _wait(look: Callable[[], str], until: str) -> str:
    end = time.monotonic() + BOUND
    while time.monotonic() < end:
        shown = look()
        if re.search(until, Text.from_ansi(shown).plain, re.DOTALL):
            return shown
        time.sleep(0.05)
    raise SystemExit(f"the terminal never showed {until!r}")


def _as_svg(ansi: str, title: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print(Text.from_ansi(ansi.rstrip()), soft_wrap=True)
    return console.export_svg(title=title, code_format=FRAME)


@contextlib.contextmanager
def browsing(height: int) -> Iterator[Browser]:
    """Have a browser with a window of this height."""
    with tempfile.TemporaryDirectory() as profile, contextlib.closing(Browser(BROWSER, Path(profile))) as browser:
        browser.size(1200, height)
        yield browser


def photograph(work: Path) -> None:
    """Take the pictures of the pages."""
    with browsing(1000) as browser:
        browser.open(work / "report.html")
        browser.picture(PICTURES / "report.png", whole=False)
        browser.prefer("dark")
        browser.value("document.getElementById('graph').scrollIntoView()")
        browser.picture(PICTURES / "report-dark.png", whole=False)
        browser.prefer("light")
        browser.open(work / "compare.html")
        browser.picture(PICTURES / "compare.png", whole=False)


def speedscope(work: Path, package: Path) -> None:
    """Photograph the trace in speedscope, which wants to be served."""
    served = work / "speedscope"
    shutil.copytree(package / "dist" / "release", served)
    shutil.copy(work / "trace.json", served)
    handler = functools.partial(Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browsing(240) as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}"
        browser.ask("Page.navigate", url=f"{home}/index.html#profileURL={home}/trace.json")
        time.sleep(3)
        browser.picture(PICTURES / "trace.png", whole=False)
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without telling of it."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def take(studio: Studio) -> None:
    """Make the runs, and take the pictures of terminals and pages."""
    for workers in ("1", "2", "1", "2", "1", "2"):
        studio.taskrunner("exec", GRAPH, "-q", "--workers", workers)
    studio.taskrunner("compare", *SIDES, "--html", "-o", "compare.html")
    studio.taskrunner("exec", "workloads/tour.json", "-q")
    studio.taskrunner("exec", GRAPH, "-q", "--set", "every=1")
    studio.terminal("runs", "taskrunner runs", until=r"run .*\n\$\s*$")
    studio.terminal("show", "taskrunner show --run last", until=r"level 4.*\n\$\s*$")
    studio.terminal("simulate", "taskrunner simulate last", until=r"advice.*\n\$\s*$")
    studio.file("speed-up.svg", "simulate", "last", "--svg")
    studio.taskrunner("trace", "last", "-o", "trace.json")
    studio.taskrunner("report", "last", "-o", "report.html")
    studio.terminal("progress", f"taskrunner exec {GRAPH} --set every=1", until=r" [5-9][0-9]{2} of .*mirroring")
    photograph(studio.work)


def main() -> None:
    """Make the pictures anew; say which programs are missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--speedscope", type=Path, metavar="FOLDER", help="the folder of the npm package speedscope")
    chosen = parser.parse_args()
    missing = [name for name, found in {"tmux": shutil.which("tmux"), "chromium": BROWSER}.items() if not found]
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder))
        take(studio)
        if chosen.speedscope:
            speedscope(studio.work, chosen.speedscope)
        else:
            print("trace.png stays as it is: --speedscope names the program that it is a picture of")


if __name__ == "__main__":
    main()
