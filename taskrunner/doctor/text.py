"""Text form of the report: sections with aligned columns, and the verdict on the last line."""

import textwrap
from collections.abc import Callable, Iterator, Sequence

from taskrunner.doctor.environment.interpreter import BUILD, DEFAULT, IMPORT, Interpreter
from taskrunner.doctor.environment.machine import Machine
from taskrunner.doctor.environment.project import Project
from taskrunner.doctor.imports.probe import OFF, ON, UNKNOWN
from taskrunner.doctor.report import FREE_THREADED, OK, PURE, Module, Package, Report, Verdict
from taskrunner.engines.engine import WorkerProcess
from taskrunner.safe.printable import printable

_WRAP_WIDTH = 110
_MAX_NAMES = 10
_MAX_CELL_WIDTH = 90
_HARD_SPACE = "\N{NO-BREAK SPACE}"
_COLORS = {OK: "32", OFF: "32", ON: "31", UNKNOWN: "33", "head": "1"}
_WHEELS = {"installed": "yes", "listed": "yes", "any": "any", "none": "no", "unknown": "?"}
_LOCKS = {
    "none": "no uv.lock in the working directory",
    "unreadable": "uv.lock cannot be read",
    "fresh": "uv.lock is up to date with pyproject.toml",
    "stale": "uv.lock is not up to date with pyproject.toml: run uv lock",
    "unknown": "uv.lock; whether it is up to date with pyproject.toml is unknown",
}

type Paint = Callable[[str, str], str]


def report_text(report: Report, *, colors: bool = False) -> str:
    """Return a report as text for a terminal, in color if ``colors`` is set."""
    paint = _with_color if colors else _without_color
    sections = [
        _section("interpreter", _pairs(_interpreter(report.interpreter)), paint),
        _section("machine", _pairs(_machine(report.machine)), paint),
        _section("project", _pairs(_project(report.project)), paint),
    ]
    if report.graph:
        sections.append(_section(f"modules of {report.graph}", _modules(report.modules, paint), paint))
    if report.cluster:
        sections.append(_section(f"workers of {report.cluster}", _workers(report.sites, paint), paint))
    sections += [
        _section("packages with extension modules", _packages(report.packages, paint), paint),
        _section("pure packages", _pure_packages(report.packages), paint),
        _verdict(report.verdict, paint),
    ]
    return "\n\n".join(sections) + "\n"


def _without_color(text: str, kind: str) -> str:  # noqa: ARG001  a Paint
    return text


def _with_color(text: str, kind: str) -> str:
    return f"\x1b[{_COLORS[kind]}m{text}\x1b[0m" if kind in _COLORS else text


def _section(title: str, lines: Sequence[str], paint: Paint) -> str:
    return "\n".join([paint(printable(title), "head"), *(f"  {line}" for line in lines or ["none"])])


def _pairs(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{name:<13}{printable(text)}" for name, text in rows if text]


def _interpreter(interpreter: Interpreter) -> list[tuple[str, str]]:
    return [
        ("version", interpreter.version + (", a debug build" if interpreter.debug else "")),
        ("build", f"{interpreter.build}, {interpreter.compiler}"),
        ("GIL", _gil(interpreter)),
        ("JIT", {"none": "not built in"}.get(interpreter.jit, interpreter.jit)),
        ("ABI", interpreter.abi),
        ("configured", " ".join(interpreter.options)),
        ("flags", interpreter.flags),
    ]


def _gil(interpreter: Interpreter) -> str:
    if interpreter.gil_by == DEFAULT:
        return "off, until an import switches it on"
    if interpreter.gil_by == BUILD:
        return "on: this build always has it"
    is_named = interpreter.gil_by == IMPORT and interpreter.gil_module
    cause = f'importing "{interpreter.gil_module}"' if is_named else interpreter.gil_by
    return f"{'on' if interpreter.gil else 'off'}: {cause}"


def _machine(machine: Machine) -> list[tuple[str, str]]:
    affinity = f"; this process may use {machine.affinity}" if machine.affinity else ""
    limit = "none" if machine.cpu_limit is None else f"{machine.cpu_limit:g} processors' time"
    is_over_limit = machine.cpu_limit is not None and machine.cpu_limit < machine.workers
    advice = f", more than the limit: try --workers {max(1, int(machine.cpu_limit or 0))}" if is_over_limit else ""
    resolution, step = _nanoseconds(machine.resolution_s), _nanoseconds(machine.step_s)
    return [
        ("platform", machine.platform),
        ("processors", f"{machine.processors}{affinity}"),
        ("CPU limit", limit),
        ("workers", f"{machine.workers} in a run by default{advice}"),
        ("clock", f"{machine.clock}, resolution {resolution}, shortest step seen {step}"),
    ]


def _nanoseconds(seconds: float) -> str:
    return f"{seconds * 1e9:.0f} ns"


def _project(project: Project) -> list[tuple[str, str]]:
    rows = [("uv", project.uv or "not found"), ("lock", _LOCKS[project.lock])]
    if project.lock in ("none", "unreadable"):
        return rows
    differing, unlocked = project.differing, project.unlocked
    others = f", {len(differing)} at another version: {_first_names(differing)}" if differing else ""
    unknown = f", {len(unlocked)} not in the lock: {_first_names(unlocked)}" if unlocked else ""
    return [*rows, ("environment", f"{project.locked} distributions as locked{others}{unknown}")]


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")


def _modules(rows: Sequence[Module], paint: Paint) -> list[str]:
    head = ("module", "node", "GIL", "packages with extension modules", "")
    table = [head]
    for row in rows:
        node = f"{row.node} and {row.nodes - 1} more" if row.nodes > 1 else row.node or "(the graph itself)"
        table.append((row.module, node, row.gil, ", ".join(row.uses), _reason(row, row.module)))
    return list(_table(table, 2, paint))


def _packages(rows: Sequence[Package], paint: Paint) -> list[str]:
    head = ("package", "version", "GIL", "modules", "ABI", *FREE_THREADED, "")
    table: list[tuple[str, ...]] = [head]
    for row in rows:
        if row.gil != PURE:
            fits = ("fits" if row.fits else "another") if row.modules else "?"
            wheels = [_WHEELS.get(row.wheels.get(abi, ""), "?") for abi in FREE_THREADED]
            table.append(
                (row.name, row.version, row.gil, str(len(row.modules) or "?"), fits, *wheels, _reason(row, row.by))
            )
    return list(_table(table, 2, paint)) if table[1:] else []


def _reason(row: Module | Package, imported: str) -> str:
    """Return the module that switched the GIL on and the import that loaded it, or the reason for ``unknown``."""
    if row.gil == ON:
        return f"by {row.culprit}, which {imported} imports" if imported != row.culprit else f"by {imported}"
    return row.problem


def _workers(workers: Sequence[WorkerProcess], paint: Paint) -> list[str]:
    """Return a table with one line per worker of a cluster: its properties and its differences from the client."""
    rows = [("worker", "threads", "GIL", "host", "python", "")]
    for worker in workers:
        remarks = [
            f"{name} {remote or 'missing'} (client: {local or 'missing'})"
            for name, (local, remote) in worker.differs.items()
        ]
        remarks += [f"cannot import {call}" for call in worker.problems]
        remarks += ["Dask's profiler is on"] if worker.is_sampled else []
        gil = ON if worker.gil else OFF
        rows.append((worker.address, str(worker.threads), gil, worker.host, worker.python, ", ".join(remarks)))
    return list(_table(rows, 2, paint))


def _pure_packages(rows: Sequence[Package]) -> list[str]:
    pure = [printable(f"{row.name} {row.version}").replace(" ", _HARD_SPACE) for row in rows if row.gil == PURE]
    lines = textwrap.wrap(", ".join(pure), _WRAP_WIDTH, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_HARD_SPACE, " ") for line in lines]


def _verdict(verdict: Verdict, paint: Paint) -> str:
    status = "not ok" if verdict.status == ON else verdict.status
    return f"{paint(status, verdict.status)}: {printable(verdict.message)}"


def _table(rows: Sequence[tuple[str, ...]], painted: int, paint: Paint) -> Iterator[str]:
    """Yield the lines of a table without its empty columns; the column ``painted`` is colored by its content."""
    cells = [[_truncate(printable(cell)) for cell in row] for row in rows]
    columns = [i for i in range(len(cells[0])) if any(row[i] for row in cells[1:])]
    widths = {i: max(len(row[i]) for row in cells) for i in columns}
    for row in cells:
        padded = [
            (paint(row[i], row[i]) if i == painted else row[i]) + " " * (widths[i] - len(row[i])) for i in columns
        ]
        yield "  ".join(padded).rstrip()


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_CELL_WIDTH else f"{text[: _MAX_CELL_WIDTH - 1]}…"
