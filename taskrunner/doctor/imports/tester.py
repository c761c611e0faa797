"""Tries imports side by side: a graph's modules, what is installed, what this process has loaded."""

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
    """What a user chooses: whether modules are imported, how many ``seconds`` each try has.

    ``path``: where installed packages are looked up, and ``graph_path``: the modules of a graph. ``cache_dir``: where
    outcomes are remembered; None: nowhere.
    """

    path: tuple[str, ...]
    graph_path: tuple[str, ...] = ()
    imports: bool = True
    seconds: float = 30.0
    cache_dir: Path | None = None


class ImportTester:
    """Tries imports on as many threads as there are processors; where nothing can be told, it tries none."""

    def __init__(self, now: Interpreter, installed: Sequence[Distribution], choices: Choices) -> None:
        self._choices = choices
        self._abi = now.abi
        self._can_tell = now.free_threaded
        cache = Cache(choices.cache_dir) if choices.cache_dir and self._can_tell else None
        self._tries = ImportCache(cache, installed, choices.path, now.abi)
        self.prober = Prober(choices.seconds)
        self.executor = WorkStealingExecutor(processors())

    def own(self) -> Future[list[ImportOutcome]]:
        """Try what this process has loaded itself."""
        return self.executor.submit(self._try, interpreter.extension_modules(), self._choices.path)

    def named(self, named: Sequence[GraphModule]) -> Future[list[ImportOutcome]]:
        """Try the modules of a graph, in the working directory, where they may look for their files."""
        names, path = [each.module for each in named], self._choices.graph_path
        return self.executor.submit(self._try, names, path, Path.cwd(), every=True)

    def distribution(self, each: Distribution) -> Future[tuple[list[ImportOutcome], bool]]:
        """Try a distribution's extension modules; tell as well whether that was done before."""
        return self.executor.submit(self._try_distribution, each)

    def _try_distribution(self, each: Distribution) -> tuple[list[ImportOutcome], bool]:
        if not each.extensions:
            return [], False
        if (known := self._tries.get(each)) is not None:
            return known, True
        tried = self._try(each.names(self._abi), self._choices.path)
        self._tries.put(each, tried)
        return tried, False

    def _try(
        self, names: Sequence[str], path: Sequence[str], folder: Path | None = None, *, every: bool = False
    ) -> list[ImportOutcome]:
        if not self._can_tell or not self._choices.imports:
            why = "not tried" if self._can_tell else "this build always has the GIL"
            return [ImportOutcome(name, problem=why) for name in names]
        return self.prober.try_in_order(names, path, folder, every=every)


@contextlib.contextmanager
def testing_imports(now: Interpreter, installed: Sequence[Distribution], choices: Choices) -> Iterator[ImportTester]:
    """Give a trier; who leaves by an error, an interrupt for one, waits for no child."""
    trier = ImportTester(now, installed, choices)
    try:
        yield trier
    except BaseException:
        trier.executor.shutdown(wait=False, cancel_futures=True)
        trier.prober.stop()
        raise
    finally:
        trier.executor.shutdown()
