"""What the doctor tells, as ``--json`` prints it."""

import msgspec

from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.environment.machine import Machine
from taskrunner.doctor.environment.project import Project
from taskrunner.engines.engine import WorkerProcess

OK = "ok"
PURE = "pure"
# The ABIs of free-threaded builds, for which it is told whether there are wheels.
FREE_THREADED = ("cp313t", "cp314t")


class Module(msgspec.Struct, frozen=True):
    """A module that a graph names.

    ``gil``: ``on`` if importing it switches the GIL on, by way of ``culprit``; ``off`` if not; ``unknown``: ``problem``
    says why. ``node`` is the first of so many ``nodes`` that name it; ``uses``: the distributions with extension
    modules that were imported with it.
    """

    module: str
    node: str
    nodes: int
    gil: str
    culprit: str
    problem: str
    uses: tuple[str, ...]


class Package(msgspec.Struct, frozen=True):
    """An installed distribution.

    ``gil``, ``culprit``, ``problem`` are as those of a module; ``gil`` is ``pure`` for one that has no extension
    modules. ``by``: what was imported when the GIL came on. ``used``: a module of the graph imports it. ``fits``: its
    ``modules`` are built for this interpreter. ``tags``: those of the wheel that it was installed from. ``wheels``:
    by ABI ``installed``, ``any`` (a wheel for all), ``listed`` in the lock, ``none`` there, or ``unknown``.
    ``cached``: it was tried before and not again.
    """

    name: str
    version: str
    gil: str
    by: str = ""
    culprit: str = ""
    problem: str = ""
    used: bool = False
    fits: bool = True
    modules: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    wheels: dict[str, str] = {}
    cached: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """``status``: ``ok``: the GIL is off and stays off; ``on``: it is on, or would come on; ``unknown``."""

    status: str
    message: str


class Report(msgspec.Struct, frozen=True):
    """All of it. ``graph`` is the name of the graph, "" without one; ``modules`` are those that it names.

    ``cluster`` is the address of a cluster that was looked at as well, "" without one; ``sites`` are its workers.
    """

    interpreter: Interpreter
    machine: Machine
    project: Project
    graph: str
    modules: tuple[Module, ...]
    packages: tuple[Package, ...]
    verdict: Verdict
    cluster: str = ""
    sites: tuple[WorkerProcess, ...] = ()
