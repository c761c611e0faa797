"""The examination as a whole: look, try, judge."""

from collections.abc import Sequence

import msgspec

from taskrunner.doctor.environment import machine, project
from taskrunner.doctor.environment.distributions import find_distributions
from taskrunner.doctor.environment.interpreter import IMPORT, START_UP, Interpreter
from taskrunner.doctor.imports.graph_modules import GraphModule
from taskrunner.doctor.imports.probe import ALREADY, ON, ImportOutcome
from taskrunner.doctor.imports.tester import Choices, testing_imports
from taskrunner.doctor.report import Report
from taskrunner.doctor.report_rows import module_rows, package_row
from taskrunner.doctor.verdict import judge


def examine(now: Interpreter, graph: str, named: Sequence[GraphModule] | None, choices: Choices) -> Report:
    """Examine an interpreter, as it was before the graph was loaded, what is installed, and what a graph names.

    Without a graph ``named`` is None.
    """
    installed = find_distributions(choices.path)
    lock, state = project.open_lock()
    with testing_imports(now, installed, choices) as trier:
        own = trier.own() if now.gil_by == IMPORT else None
        of_graph = trier.named(named or ())
        of_each = [(each, trier.distribution(each)) for each in installed]
        now = _blame(now, own.result()) if own else now
        modules = module_rows(named or (), of_graph.result(), installed)
        used = {name for module in modules for name in module.uses}
        packages = [package_row(each, found.result(), now, lock, used) for each, found in of_each]
    packages.sort(key=lambda package: not package.used)
    return Report(
        interpreter=now,
        machine=machine.look(),
        project=project.look(lock, state, [(each.name, each.version) for each in installed]),
        graph=graph,
        modules=tuple(modules),
        packages=tuple(packages),
        verdict=judge(now, None if named is None else modules, packages),
    )


def _blame(now: Interpreter, tried: Sequence[ImportOutcome]) -> Interpreter:
    """Name the module that switched this process's GIL on; where a fresh child begins with it on, none here did."""
    if any(each.problem == ALREADY for each in tried):
        return msgspec.structs.replace(now, gil_by=START_UP)
    return msgspec.structs.replace(now, gil_module=next((each.culprit for each in tried if each.gil == ON), ""))
