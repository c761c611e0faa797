"""Measure the pages of ``taskrunner report``: how long one takes to make, how large it is, how quick in a browser.

A layered graph of empty nodes is really run. ``read`` is the reading of the run, ``make`` that of the page, in seconds
of processor time. Seconds of the clock in Chromium, if there is one: until the page has ``loaded``, to ``draw`` the
whole timeline, to ``sort`` by name for the first time, to ``search``.

Usage: ``uv run scripts/pages.py [--nodes 10000 200000] [--rounds 5]``.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import taskrunner
from benchmark.bodies import BODIES
from benchmark.job import of_body
from benchmark.shapes import SHAPES
from browser import Browser, find_browser
from taskrunner.analysis.recorded_run import load_run
from taskrunner.analysis.report.report import report

EXPRESSIONS = {
    "draw": "report.line.redraw()",
    "sort": "page.tables.nodes.sort(0)",
    "search": "page.tables.nodes.find('7 worker')",
}
TIMED = "(() => {{ const begun = performance.now(); {}; return (performance.now() - begun) / 1000 }})()"


def make(nodes: int, folder: Path) -> tuple[Path, dict[str, float]]:
    """Run a graph and write its page; return the page and what it took."""
    graph = of_body(BODIES["empty"], SHAPES["layered"](nodes)).graph()
    taskrunner.run(graph, workers=2, run_dir=folder / "runs", journal=False)
    begun = time.process_time()
    run = load_run(folder / "runs", "last")
    read = time.process_time()
    page = report(run)
    made = time.process_time()
    path = folder / "report.html"
    path.write_text(page)
    return path, {"read": read - begun, "make": made - read, "MB": path.stat().st_size / 1e6}


def look(page: Path, browser: Browser) -> dict[str, float]:
    """Open a page in a browser; return what that took."""
    begun = time.perf_counter()
    browser.open(page)
    loaded = time.perf_counter() - begun
    return {"loaded": loaded} | {name: browser.value(TIMED.format(code)) for name, code in EXPRESSIONS.items()}


def measure(nodes: int, rounds: int, browser: Browser | None) -> dict[str, float]:
    """Return the medians of some rounds."""
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            page, figures = make(nodes, Path(folder))
            found.append(figures | (look(page, browser) if browser else {}))
    return {name: statistics.median([each[name] for each in found]) for name in found[0]}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    program = find_browser()
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, Path(profile)) if program else None
        try:
            for nodes in options.nodes:
                figures = measure(nodes, options.rounds, browser)
                print(f"{nodes:>9,}  " + "  ".join([f"{name} {value:.3f}" for name, value in figures.items()]))
        finally:
            if browser:
                browser.close()


if __name__ == "__main__":
    main()
