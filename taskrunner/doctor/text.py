"""The report as text: sections, columns as wide as they must be, the verdict last."""

import textwrap
from collections.abc import Callable, Iterator, Sequence

from taskrunner.doctor.environment.interpreter import BUILD, DEFAULT, IMPORT, Interpreter
from taskrunner.doctor.environment.machine import Machine
from taskrunner.doctor.environment.project import Project
from taskrunner.doctor.imports.probe import OFF, ON, UNKNOWN
from taskrunner.doctor.report import FREE_THREADED, OK, PURE, Module, Package, Report, Verdict
from taskrunner.engines.engine import WorkerProcess
from taskrunner.safe.printable import printable

type Paint = Callable[[str, str], str]

_WIDTH = 110
_NAMED = 10
_CUT = 90
_HARD_SPACE = "\N{NO-BREAK SPACE}"
_COLORS = {OK: "32", OFF: "32", ON: "31", UNKNOWN: "33", "head": "1"}
_WHEELS = {"installed": "yes", "listed": "yes", "any": "any", "none": "no", "unknown": "?"}


def report_text(report: Report, *, colors: bool = False) -> str:
    """Return a report as text for a terminal; in colour where ``colors`` is set."""
    paint = _painted if colors else _plain
    sections = [
        _section("interpreter", _pairs(_interpreter(report.interpreter)), paint),
        _section("machine", _pairs(_machine(report.machine)), paint),
        _section("project", _pairs(_project(report.project)), paint),
    ]
    if report.graph:
        sections.append(_section(f"modules of {report.graph}", _modules(report.modules, paint), paint))
    if report.cluster:
        sections.append(_section(f"workers of {report.cluster}", _sites(report.sites, paint), paint))
    sections += [
        _section("packages with extension modules", _packages(report.packages, paint), paint),
        _section("pure packages", _pure(report.packages), paint),
        _verdict(report.verdict, paint),
    ]
    return "\n\n".join(sections) + "\n"


def _plain(text: str, kind: str) -> str:  # noqa: ARG001  a Paint
    return text


def _painted(text: str, kind: str) -> str:
    return f"\x1b[{_COLORS[kind]}m{text}\x1b[0m" if kind in _COLORS else text


def _section(title: str, lines: Sequence[str], paint: Paint) -> str:
    return "\n".join([paint(printable(title), "head"), *(f"  {line}" for line in lines or ["none"])])


def _pairs(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{name:<13}{printable(text)}" for name, text in rows if text]


def _interpreter(told: Interpreter) -> list[tuple[str, str]]:
    return [
        ("version", told.version + (", a debug build" if told.debug else "")),
        ("build", f"{told.build}, {told.compiler}"),
        ("GIL", _gil(told)),
        ("JIT", {"none": "not built in"}.get(told.jit, told.jit)),
        ("ABI", told.abi),
        ("configured", " ".join(told.options)),
        ("flags", told.flags),
    ]


def _gil(told: Interpreter) -> str:
    if told.gil_by == DEFAULT:
        return "off, until an import switches it on"
    if told.gil_by == BUILD:
        return "on: this build always has it"
    why = f'importing "{told.gil_module}"' if told.gil_by == IMPORT and told.gil_module else told.gil_by
    return f"{'on' if told.gil else 'off'}: {why}"


def _machine(told: Machine) -> list[tuple[str, str]]:
    affinity = f"; this process may use {told.affinity}" if told.affinity else ""
    limit = "none" if told.cpu_limit is None else f"{told.cpu_limit:g} processors' time"
    too_many = told.cpu_limit is not None and told.cpu_limit < told.workers
    advice = f", more than the limit: try --workers {max(1, int(told.cpu_limit or 0))}" if too_many else ""
    return [
        ("platform", told.platform),
        ("processors", f"{told.processors}{affinity}"),
        ("CPU limit", limit),
        ("workers", f"{told.workers} in a run by default{advice}"),
        ("clock", f"{told.clock}, resolution {_ns(told.resolution_s)}, shortest step seen {_ns(told.step_s)}"),
    ]


def _ns(seconds: float) -> str:
    return f"{seconds * 1e9:.0f} ns"


def _project(told: Project) -> list[tuple[str, str]]:
    locks = {
        "none": "no uv.lock in the working directory",
        "unreadable": "uv.lock cannot be read",
        "fresh": "uv.lock is up to date with pyproject.toml",
        "stale": "uv.lock is not up to date with pyproject.toml: uv lock",
        "unknown": "uv.lock; whether it is up to date with pyproject.toml is unknown",
    }
    rows = [("uv", told.uv or "not found"), ("lock", locks[told.lock])]
    if told.lock in ("none", "unreadable"):
        return rows
    others = f", {len(told.differing)} at another version: {_some(told.differing)}" if told.differing else ""
    strange = f", {len(told.unlocked)} not in the lock: {_some(told.unlocked)}" if told.unlocked else ""
    return [*rows, ("environment", f"{told.locked} distributions as locked{others}{strange}")]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _modules(rows: Sequence[Module], paint: Paint) -> list[str]:
    head = ("module", "node", "GIL", "packages with extension modules", "")
    table = [head]
    for row in rows:
        node = f"{row.node} and {row.nodes - 1} more" if row.nodes > 1 else row.node or "(the graph itself)"
        table.append((row.module, node, row.gil, ", ".join(row.uses), _why(row, row.module)))
    return list(_table(table, 2, paint))


def _packages(rows: Sequence[Package], paint: Paint) -> list[str]:
    head = ("package", "version", "GIL", "modules", "ABI", *FREE_THREADED, "")
    table: list[tuple[str, ...]] = [head]
    for row in rows:
        if row.gil != PURE:
            fits = ("fits" if row.fits else "another") if row.modules else "?"
            wheels = [_WHEELS.get(row.wheels.get(abi, ""), "?") for abi in FREE_THREADED]
            table.append(
                (row.name, row.version, row.gil, str(len(row.modules) or "?"), fits, *wheels, _why(row, row.by))
            )
    return list(_table(table, 2, paint)) if table[1:] else []


def _why(row: Module | Package, by: str) -> str:
    """Say what switched the GIL on, by which import, or why that is unknown."""
    if row.gil == ON:
        return f"by {row.culprit}, which {by} imports" if by != row.culprit else f"by {by}"
    return row.problem


def _sites(sites: Sequence[WorkerProcess], paint: Paint) -> list[str]:
    """Give a line for each worker of a cluster: what it is, and in what it differs from here."""
    rows = [("worker", "threads", "GIL", "host", "python", "")]
    for site in sites:
        differs = [
            f"{name} {there or 'missing'} (here {here or 'missing'})" for name, (here, there) in site.differs.items()
        ]
        differs += [f"cannot import {call}" for call in site.problems]
        sampled = ["Dask's profiler is on"] if site.is_sampled else []
        gil = ON if site.gil else OFF
        rows.append((site.address, str(site.threads), gil, site.host, site.python, ", ".join([*differs, *sampled])))
    return list(_table(rows, 2, paint))


def _pure(rows: Sequence[Package]) -> list[str]:
    pure = [printable(f"{row.name} {row.version}").replace(" ", _HARD_SPACE) for row in rows if row.gil == PURE]
    lines = textwrap.wrap(", ".join(pure), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_HARD_SPACE, " ") for line in lines]


def _verdict(verdict: Verdict, paint: Paint) -> str:
    status = "not ok" if verdict.status == ON else verdict.status
    return f"{paint(status, verdict.status)}: {printable(verdict.message)}"


def _table(rows: Sequence[tuple[str, ...]], painted: int, paint: Paint) -> Iterator[str]:
    """Give the lines of a table; one column is painted by what it says. A column that is empty is left out."""
    cells = [[_cut(printable(cell)) for cell in row] for row in rows]
    kept = [i for i in range(len(cells[0])) if any(row[i] for row in cells[1:])]
    widths = {i: max(len(row[i]) for row in cells) for i in kept}
    for row in cells:
        padded = [(paint(row[i], row[i]) if i == painted else row[i]) + " " * (widths[i] - len(row[i])) for i in kept]
        yield "  ".join(padded).rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"
