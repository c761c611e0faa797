"""One line: is the GIL off, and does it stay off."""

from collections.abc import Sequence

from taskrunner.doctor.environment.interpreter import BUILD, IMPORT, START_UP, Interpreter
from taskrunner.doctor.imports.probe import ON, UNKNOWN
from taskrunner.doctor.report import OK, Module, Package, Verdict
from taskrunner.engines.engine import WorkerProcess


def judge(interpreter: Interpreter, modules: Sequence[Module] | None, packages: Sequence[Package]) -> Verdict:
    """Judge an interpreter by the modules that a graph names; without a graph by all that is installed."""
    if interpreter.gil:
        return Verdict(ON, _why_on(interpreter))
    found = _by_packages(packages) if modules is None else _by_modules(modules)
    if interpreter.is_forced_off:
        though = f", though without that {found.message}" if found.status == ON else ""
        return Verdict(OK, f"the GIL is off, and {interpreter.gil_by} keeps it off{though}")
    return found


def judge_sites(sites: Sequence[WorkerProcess]) -> Verdict:
    """Judge the workers of a cluster: nodes run there and nowhere else."""
    on = [f"the GIL is on at {site.address}: {site.python}" for site in sites if site.gil]
    doubtful = [f"{site.address}: {why}" for site in sites for why in site.problems.values()]
    return _verdict(on, doubtful, f"the GIL is off at all {len(sites)} workers")


def _why_on(interpreter: Interpreter) -> str:
    if interpreter.gil_by == BUILD:
        return "this build always has the GIL; nodes run in parallel on a free-threaded one, such as CPython 3.13t"
    if interpreter.gil_by == START_UP:
        return "the GIL is on: something that Python imports when it starts (site, a .pth file) switched it on"
    if interpreter.gil_by == IMPORT:
        return f"the GIL is on: importing {_quoted(interpreter.gil_module) or 'a module'} switched it on"
    return f"the GIL is on: {interpreter.gil_by}"


def _by_modules(modules: Sequence[Module]) -> Verdict:
    on = [_switch(m.module, m, f' for node "{m.node}"' if m.node else " for the graph") for m in modules if m.gil == ON]
    doubtful = [f'"{m.module}": {m.problem}' for m in modules if m.gil == UNKNOWN]
    return _verdict(on, doubtful, "the GIL is off, and no module that the graph names switches it on")


def _by_packages(packages: Sequence[Package]) -> Verdict:
    on = [_switch(p.by, p, "") for p in packages if p.gil == ON]
    doubtful = [f"{p.name}: {p.problem}" for p in packages if p.gil == UNKNOWN]
    return _verdict(on, doubtful, "the GIL is off, and no installed package switches it on")


def _switch(imported: str, row: Module | Package, purpose: str) -> str:
    """Say which import would switch the GIL on, and by way of which module if that is another."""
    way = "" if row.culprit == imported else f' (it is "{row.culprit}" that does)'
    return f'importing "{imported}"{purpose} would switch the GIL on{way}'


def _verdict(on: Sequence[str], doubtful: Sequence[str], well: str) -> Verdict:
    if on:
        return Verdict(ON, _first(on))
    return Verdict(UNKNOWN, f"cannot tell: {_first(doubtful)}") if doubtful else Verdict(OK, well)


def _first(lines: Sequence[str]) -> str:
    return lines[0] + (f"; and {len(lines) - 1} more" if lines[1:] else "")


def _quoted(name: str) -> str:
    return f'"{name}"' if name else ""
