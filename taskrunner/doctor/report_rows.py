"""Rows of the report, built from metadata and import outcomes."""

import os
from collections.abc import Collection, Sequence

from taskrunner.doctor.environment.abi import fits, is_for_all, wheel_fits
from taskrunner.doctor.environment.distributions import Distribution
from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.environment.lock import Lock
from taskrunner.doctor.imports.graph_modules import GraphModule
from taskrunner.doctor.imports.probe import OFF, ON, UNKNOWN, ImportOutcome, unclear
from taskrunner.doctor.report import FREE_THREADED, PURE, Module, Package

_UNLISTED = "no list of its files (RECORD is missing)"


def module_rows(
    graph_modules: Sequence[GraphModule], outcomes: Sequence[ImportOutcome], installed: Sequence[Distribution]
) -> list[Module]:
    """Return a row for each module that a graph names."""
    owners = {os.path.realpath(e.path): each.name for each in installed for e in each.extensions}
    rows = []
    for module, outcome in zip(graph_modules, outcomes, strict=True):
        files = {os.path.realpath(file) for file in outcome.loaded.values()}
        uses = tuple(sorted({owners[file] for file in files & owners.keys()}))
        rows.append(
            Module(module.module, module.node, module.nodes, outcome.gil, outcome.culprit, outcome.problem, uses)
        )
    return rows


def package_row(
    distribution: Distribution,
    result: tuple[Sequence[ImportOutcome], bool],
    interpreter: Interpreter,
    lock: Lock | None,
    used: Collection[str],
) -> Package:
    """Return the row of a distribution; ``result``: its import outcomes, and whether they are from the cache."""
    outcomes, is_cached = result
    outcome = _combine(distribution, outcomes)
    return Package(
        name=distribution.name,
        version=distribution.version,
        gil=outcome.gil,
        by=outcome.module,
        culprit=outcome.culprit,
        problem=outcome.problem,
        used=distribution.name in used,
        fits=all(fits(e.abi, interpreter.abi, distribution.tags) for e in distribution.extensions),
        modules=tuple([e.module for e in distribution.extensions]),
        tags=distribution.tags,
        wheels={abi: _wheel(abi, distribution, lock) for abi in FREE_THREADED},
        cached=is_cached,
    )


def _combine(distribution: Distribution, outcomes: Sequence[ImportOutcome]) -> ImportOutcome:
    """Combine the outcomes of a distribution's modules; ``module`` is set if one switched the GIL on."""
    if not distribution.extensions:
        return ImportOutcome("", PURE) if distribution.is_listed else ImportOutcome("", UNKNOWN, problem=_UNLISTED)
    if on := [outcome for outcome in outcomes if outcome.gil == ON]:
        return on[0]
    if failed := unclear(outcomes):
        if len({outcome.problem for outcome in failed}) == 1:
            return ImportOutcome("", UNKNOWN, problem=failed[0].problem)
        problem = f"{failed[0].module}: {failed[0].problem}; and {len(failed) - 1} more"
        return ImportOutcome("", UNKNOWN, problem=problem)
    alone = [outcome.module for outcome in outcomes if outcome.problem]
    return ImportOutcome("", OFF, problem=f"{alone[0]} cannot be imported alone" if alone else "")


def _wheel(abi: str, distribution: Distribution, lock: Lock | None) -> str:
    """Return the availability of a wheel for an ABI: the installed one, one for all, one in the lock, or none."""
    locked_tags = lock.tags(distribution.name, distribution.version) if lock else ()
    for tags, status in ((distribution.tags, "installed"), (locked_tags, "listed")):
        if any(wheel_fits(tag, abi) for tag in tags):
            return status
        if any(map(is_for_all, tags)):
            return "any"
    return "none" if locked_tags else "unknown"
