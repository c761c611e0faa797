"""Examination: describe the environment, test imports, and judge the outcomes."""

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


def examine(
    interpreter: Interpreter, graph: str, graph_modules: Sequence[GraphModule] | None, choices: Choices
) -> Report:
    """Examine an interpreter, the installed distributions, and the modules that a graph names.

    ``interpreter`` is its state before the graph was loaded. ``graph_modules`` is None without a graph.
    """
    installed = find_distributions(choices.path)
    lock, state = project.open_lock()
    with testing_imports(interpreter, installed, choices) as tester:
        own = tester.test_own_modules() if interpreter.gil_by == IMPORT else None
        of_graph = tester.test_graph_modules(graph_modules or ())
        of_distributions = [(each, tester.test_distribution(each)) for each in installed]
        interpreter = _with_culprit(interpreter, own.result()) if own else interpreter
        modules = module_rows(graph_modules or (), of_graph.result(), installed)
        used = {name for module in modules for name in module.uses}
        packages = [package_row(each, found.result(), interpreter, lock, used) for each, found in of_distributions]
    packages.sort(key=lambda package: not package.used)
    return Report(
        interpreter=interpreter,
        machine=machine.describe(),
        project=project.describe(lock, state, [(each.name, each.version) for each in installed]),
        graph=graph,
        modules=tuple(modules),
        packages=tuple(packages),
        verdict=judge(interpreter, None if graph_modules is None else modules, packages),
    )


def _with_culprit(interpreter: Interpreter, outcomes: Sequence[ImportOutcome]) -> Interpreter:
    """Name the module that switched this process's GIL on.

    If the GIL of a new child is on before any import, no import of this process is the cause.
    """
    if any(outcome.problem == ALREADY for outcome in outcomes):
        return msgspec.structs.replace(interpreter, gil_by=START_UP)
    culprit = next((outcome.culprit for outcome in outcomes if outcome.gil == ON), "")
    return msgspec.structs.replace(interpreter, gil_module=culprit)
