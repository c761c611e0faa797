"""Make the pictures of ``docs/observing.md`` from real runs of ``workloads/survey.json``.

Terminals are pictures of what tmux shows, in SVG by rich; pages are photographed by headless Chromium; graphs are
drawn by Graphviz. What is missing is named, and its pictures stay as they are. speedscope, which reads the trace,
is a program of npm's: its picture is made where ``--speedscope`` names the installed package's folder.

Usage: ``uv run scripts/pictures.py [--folder docs/pictures] [--speedscope FOLDER]``.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
GRAPH = str(ROOT / "workloads" / "survey.json")
COLUMNS, ROWS = 100, 24
BOUND = 60.0
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
    """A folder of runs to take pictures of, and the folder that the pictures go to."""

    def __init__(self, work: Path, pictures: Path) -> None:
        self.work = work
        self.pictures = pictures
        self.made: list[str] = []

    def taskrunner(self, *arguments: str, workers: str = "2") -> str:
        """Run the command line in the folder of the runs; return what it printed, in colour where it has any."""
        command = [sys.executable, "-m", "taskrunner", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TASKRUNNER_EXEC_WORKERS": workers}
        done = subprocess.run(command, cwd=self.work, env=environment, check=False, capture_output=True, text=True)
        return done.stdout + done.stderr

    def terminal(self, name: str, typed: str, *, until: str) -> None:
        """Type a command line into a terminal; take its picture when it shows a text (or the prompt after its end)."""
        server = ["tmux", "-L", f"taskrunner-pictures-{os.getpid()}"]
        shell = f"PS1='$ ' PYTHONPATH={ROOT} PATH={Path(sys.executable).parent}:$PATH exec bash --norc --noprofile"
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        subprocess.run([*server, "new-session", "-d", *size, "-c", str(self.work), shell], check=True)
        try:
            subprocess.run([*server, "send-keys", typed, "Enter"], check=True)
            shown = _wait(lambda: _screen(server), until)
        finally:
            subprocess.run([*server, "kill-server"], check=False)
        self._write(f"{name}.svg", _as_svg(shown, typed))

    def page(self, name: str, file: Path, *, height: int, width: int = 1280) -> None:
        """Photograph a page."""
        target = self.pictures / f"{name}.png"
        with tempfile.TemporaryDirectory() as profile:
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
            options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
            options += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "--virtual-time-budget=3000"]
            command = [_browser() or "", *options, f"--screenshot={target}", file.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=BOUND)
        self.made.append(target.name)

    def _write(self, name: str, text: str) -> None:
        (self.pictures / name).write_text(text, encoding="utf-8")
        self.made.append(name)


def _screen(server: list[str]) -> str:
    return subprocess.run([*server, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True).stdout


def _wait(look: Callable[[], str], until: str) -> str:
    end = time.monotonic() + BOUND
    while time.monotonic() < end:
        shown = look()
        if until in Text.from_ansi(shown).plain:
            return shown
        time.sleep(0.05)
    raise SystemExit(f"the terminal never showed {until!r}")


def _as_svg(ansi: str, title: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print(Text.from_ansi(ansi.rstrip()), soft_wrap=True)
    return console.export_svg(title=title, code_format=FRAME)


def _browser() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")
