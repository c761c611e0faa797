"""Report of the doctor, as printed by ``--json``."""

import msgspec

from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.environment.machine import Machine
from taskrunner.doctor.environment.project import Project
from taskrunner.engines.engine import WorkerProcess

OK = "ok"
PURE = "pure"
FREE_THREADED = ("cp313t", "cp314t", "cp315t")  # the ABIs of free-threaded builds whose wheels are reported


class Module(msgspec.Struct, frozen=True):
    """A module that a graph names.

    - ``node``: the first node that names it; ``nodes``: the number of such nodes.
    - ``gil``: ``on`` if its import switches the GIL on, because of the module ``culprit``; ``off`` if not; ``unknown``
      for the reason in ``problem``.
    - ``uses``: the distributions whose extension modules were imported with it.
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

    - ``gil``, ``culprit``, ``problem``: as in ``Module``; ``gil`` is ``pure`` without extension modules.
    - ``by``: the imported module that switched the GIL on.
    - ``used``: whether a module of the graph imports it.
    - ``fits``: whether its extension ``modules`` are built for this interpreter.
    - ``tags``: the tags of the installed wheel.
    - ``wheels``: by ABI, ``installed``, ``any`` (a wheel for all ABIs), ``listed`` in the lock, ``none`` (not in the
      lock), or ``unknown``.
    - ``cached``: whether the outcome is from the cache.
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
    """The verdict. ``status``: ``ok`` (the GIL is off and stays off), ``on`` (it is or would be on), or ``unknown``."""

    status: str
    message: str


class Report(msgspec.Struct, frozen=True):
    """The complete report.

    ``graph`` is the name of the graph, "" without one; ``modules`` are the modules that it names. ``cluster`` is the
    address of the checked cluster, "" without one; ``sites`` are its workers.
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
