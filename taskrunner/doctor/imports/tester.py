"""Concurrent test imports: modules of a graph, of installed distributions, and of this process."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import msgspec

from taskrunner.doctor.environment import interpreter
from taskrunner.doctor.environment.distributions import Distribution
from taskrunner.doctor.environment.interpreter import Interpreter
from taskrunner.doctor.imports.cache import ImportCache
from taskrunner.doctor.imports.graph_modules import GraphModule
from taskrunner.doctor.imports.probe import ImportOutcome, Prober
from taskrunner.futures.executor import WorkStealingExecutor
from taskrunner.reuse.cache import Cache
from taskrunner.system.host import processors


class Choices(msgspec.Struct, frozen=True):
    """The user's options.

    - ``path``: the search path of installed packages; ``graph_path``: the search path of a graph's modules.
    - ``imports``: whether modules are imported; ``timeout_s``: the time limit of each test, in seconds.
    - ``cache_dir``: the directory of cached outcomes; None disables the cache.
    """

    path: tuple[str, ...]
    graph_path: tuple[str, ...] = ()
    imports: bool = True
    timeout_s: float = 30.0
    cache_dir: Path | None = None


class ImportTester:
    """A tester that imports on as many threads as processors; it imports nothing if the build always has a GIL."""

    def __init__(self, current: Interpreter, installed: Sequence[Distribution], choices: Choices) -> None:
        self._choices = choices
        self._abi = current.abi
        self._is_free_threaded = current.free_threaded
        cache = Cache(choices.cache_dir) if choices.cache_dir and self._is_free_threaded else None
        self._outcomes = ImportCache(cache, installed, choices.path, current.abi)
        self.prober = Prober(choices.timeout_s)
        self.executor = WorkStealingExecutor(processors())

    def test_own_modules(self) -> Future[list[ImportOutcome]]:
        """Test the modules that this process has loaded."""
        return self.executor.submit(self._probe, interpreter.extension_modules(), self._choices.path)

    def test_graph_modules(self, modules: Sequence[GraphModule]) -> Future[list[ImportOutcome]]:
        """Test the modules of a graph in the working directory, where they may read their files."""
        names, path = [each.module for each in modules], self._choices.graph_path
        return self.executor.submit(self._probe, names, path, Path.cwd(), probe_all=True)

    def test_distribution(self, distribution: Distribution) -> Future[tuple[list[ImportOutcome], bool]]:
        """Test a distribution's extension modules; the result includes whether the outcomes are from the cache."""
        return self.executor.submit(self._test_distribution, distribution)

    def _test_distribution(self, distribution: Distribution) -> tuple[list[ImportOutcome], bool]:
        if not distribution.extensions:
            return [], False
        if (cached := self._outcomes.get(distribution)) is not None:
            return cached, True
        outcomes = self._probe(distribution.names(self._abi), self._choices.path)
        self._outcomes.put(distribution, outcomes)
        return outcomes, False

    def _probe(
        self, names: Sequence[str], path: Sequence[str], directory: Path | None = None, *, probe_all: bool = False
    ) -> list[ImportOutcome]:
        if not self._is_free_threaded or not self._choices.imports:
            problem = "not tested" if self._is_free_threaded else "this build always has the GIL"
            return [ImportOutcome(name, problem=problem) for name in names]
        return self.prober.probe_in_order(names, path, directory, probe_all=probe_all)


@contextlib.contextmanager
def testing_imports(
    current: Interpreter, installed: Sequence[Distribution], choices: Choices
) -> Iterator[ImportTester]:
    """Yield a tester; an exception in the context, such as an interrupt, kills all child processes."""
    tester = ImportTester(current, installed, choices)
    try:
        yield tester
    except BaseException:
        tester.executor.shutdown(wait=False, cancel_futures=True)
        tester.prober.stop()
        raise
    finally:
        tester.executor.shutdown()
