"""Verdict in one line: whether the GIL is off and stays off."""

from collections.abc import Sequence

from taskrunner.doctor.environment.interpreter import BUILD, IMPORT, START_UP, Interpreter
from taskrunner.doctor.imports.probe import ON, UNKNOWN
from taskrunner.doctor.report import OK, Module, Package, Verdict
from taskrunner.engines.engine import WorkerProcess


def judge(interpreter: Interpreter, modules: Sequence[Module] | None, packages: Sequence[Package]) -> Verdict:
    """Judge an interpreter by the modules that a graph names, or without a graph by all installed packages."""
    if interpreter.gil:
        return Verdict(ON, _reason_for_on(interpreter))
    verdict = _judge_packages(packages) if modules is None else _judge_modules(modules)
    if interpreter.is_forced_off:
        suffix = f", though without that {verdict.message}" if verdict.status == ON else ""
        return Verdict(OK, f"the GIL is off, and {interpreter.gil_by} keeps it off{suffix}")
    return verdict


def judge_workers(workers: Sequence[WorkerProcess]) -> Verdict:
    """Judge the workers of a cluster, the only processes that run its nodes."""
    on = [f"the GIL is on at {worker.address}: {worker.python}" for worker in workers if worker.gil]
    unclear = [f"{worker.address}: {problem}" for worker in workers for problem in worker.problems.values()]
    return _verdict(on, unclear, f"the GIL is off at all {len(workers)} workers")


def _reason_for_on(interpreter: Interpreter) -> str:
    if interpreter.gil_by == BUILD:
        return "this build always has the GIL; nodes run in parallel on a free-threaded one, such as CPython 3.13t"
    if interpreter.gil_by == START_UP:
        return "the GIL is on: a module imported at the start of Python (sitecustomize, a .pth file) switched it on"
    if interpreter.gil_by == IMPORT:
        return f"the GIL is on: importing {_quoted(interpreter.gil_module) or 'a module'} switched it on"
    return f"the GIL is on: {interpreter.gil_by}"


def _judge_modules(modules: Sequence[Module]) -> Verdict:
    on = [
        _describe_switch(m.module, m, f' for node "{m.node}"' if m.node else " for the graph")
        for m in modules
        if m.gil == ON
    ]
    unclear = [f'"{m.module}": {m.problem}' for m in modules if m.gil == UNKNOWN]
    return _verdict(on, unclear, "the GIL is off, and no module that the graph names switches it on")


def _judge_packages(packages: Sequence[Package]) -> Verdict:
    on = [_describe_switch(p.by, p, "") for p in packages if p.gil == ON]
    unclear = [f"{p.name}: {p.problem}" for p in packages if p.gil == UNKNOWN]
    return _verdict(on, unclear, "the GIL is off, and no installed package switches it on")


def _describe_switch(imported: str, row: Module | Package, purpose: str) -> str:
    """Describe the import that would switch the GIL on, and the culprit if that is another module."""
    cause = "" if row.culprit == imported else f' (the cause is "{row.culprit}")'
    return f'importing "{imported}"{purpose} would switch the GIL on{cause}'


def _verdict(on: Sequence[str], unclear: Sequence[str], ok_message: str) -> Verdict:
    if on:
        return Verdict(ON, _first(on))
    return Verdict(UNKNOWN, f"no result for {_first(unclear)}") if unclear else Verdict(OK, ok_message)


def _first(lines: Sequence[str]) -> str:
    return lines[0] + (f"; and {len(lines) - 1} more" if lines[1:] else "")


def _quoted(name: str) -> str:
    return f'"{name}"' if name else ""
