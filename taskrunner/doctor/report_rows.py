"""From what was read and tried to the rows of the report."""

import os
from collections.abc import Collection, Sequence

from taskrunner.doctor.environment.distributions import Distribution, fits
from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.environment.lock import Lock
from taskrunner.doctor.imports.graph_modules import GraphModule
from taskrunner.doctor.imports.probe import OFF, ON, UNKNOWN, ImportOutcome, unclear
from taskrunner.doctor.report import FREE_THREADED, PURE, Module, Package

_UNLISTED = "it does not say which files are its own (no RECORD)"


def module_rows(
    named: Sequence[GraphModule], tried: Sequence[ImportOutcome], installed: Sequence[Distribution]
) -> list[Module]:
    """Return a row for each module that a graph names."""
    owners = {os.path.realpath(e.path): each.name for each in installed for e in each.extensions}
    rows = []
    for each, found in zip(named, tried, strict=True):
        files = {os.path.realpath(file) for file in found.loaded.values()}
        uses = tuple(sorted({owners[file] for file in files & owners.keys()}))
        rows.append(Module(each.module, each.node, each.nodes, found.gil, found.culprit, found.problem, uses))
    return rows


def package_row(
    each: Distribution,
    found: tuple[Sequence[ImportOutcome], bool],
    now: Interpreter,
    lock: Lock | None,
    used: Collection[str],
) -> Package:
    """Return the row of a distribution; ``found`` is what was tried of it, and whether that was before."""
    tried, cached = found
    outcome = _outcome(each, tried)
    return Package(
        name=each.name,
        version=each.version,
        gil=outcome.gil,
        by=outcome.module,
        culprit=outcome.culprit,
        problem=outcome.problem,
        used=each.name in used,
        fits=all(fits(e.abi, now.abi, free_threaded=now.free_threaded) for e in each.extensions),
        modules=tuple([e.module for e in each.extensions]),
        tags=each.tags,
        wheels={abi: _wheel(abi, each, lock) for abi in FREE_THREADED},
        cached=cached,
    )


def _outcome(each: Distribution, tried: Sequence[ImportOutcome]) -> ImportOutcome:
    """Return what the imports of a distribution's modules say of it; ``module`` is set if the GIL came on."""
    if not each.extensions:
        return ImportOutcome("", PURE) if each.is_listed else ImportOutcome("", UNKNOWN, problem=_UNLISTED)
    if on := [found for found in tried if found.gil == ON]:
        return on[0]
    if wrong := unclear(tried):
        if len({found.problem for found in wrong}) == 1:
            return ImportOutcome("", UNKNOWN, problem=wrong[0].problem)
        return ImportOutcome("", UNKNOWN, problem=f"{wrong[0].module}: {wrong[0].problem}; and {len(wrong) - 1} more")
    alone = [found.module for found in tried if found.problem]
    return ImportOutcome("", OFF, problem=f"{alone[0]} cannot be imported by itself" if alone else "")


def _wheel(abi: str, each: Distribution, lock: Lock | None) -> str:
    """Say whether there is a wheel for an ABI: the installed one, one for all, one that the lock lists, or none."""
    listed = lock.tags(each.name, each.version) if lock else ()
    if abi in _abis(each.tags):
        return "installed"
    if "none" in _abis(each.tags):
        return "any"
    if abi in _abis(listed):
        return "listed"
    if "none" in _abis(listed):
        return "any"
    return "none" if listed else "unknown"


def _abis(tags: Collection[str]) -> set[str]:
    """Return the ABIs of wheels' tags: ``cp313t`` of ``cp313-cp313t-linux_x86_64``, ``none`` of ``py3-none-any``."""
    return {abi for tag in tags for parts in [tag.split("-")] if len(parts) > 1 for abi in parts[1].split(".")}
