"""Is the GIL on, and which import switched it on.

A free-threaded interpreter switches its GIL on for good when it loads an extension module that does
not declare itself safe without it. The watch gives every extension module a loader that looks at
the GIL before and after. It is a finder in front of ``sys.meta_path``: no function is replaced, and
it sees imports from every thread.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from types import ModuleType
from typing import Self


def describe_culprit(module: str, node: str) -> str:
    """Say which import switched the GIL on, and for which node, if that is known."""
    return f'importing "{module}"{f' for node "{node}"' if node else ""} switched it on'


def culprit_suffix(module: str | None, node: str) -> str:
    """Say that behind the word that the GIL is on; nothing where nobody knows."""
    return f" ({describe_culprit(module, node)})" if module else ""


# PEP 703 gives such a build the ABI flag "t"; ``sysconfig`` knows it as well, but takes longer to import.
IS_FREE_THREADED = "t" in sys.abiflags


def is_enabled() -> bool:
    """Say whether the GIL is on in this process, now."""
    return sys._is_gil_enabled()  # noqa: SLF001  its documented name


class _WatchedLoader(ExtensionFileLoader):
    """Loads an extension module and notes whether that switched the GIL on."""

    def __init__(self, watch: "GilWatch", loader: ExtensionFileLoader) -> None:
        super().__init__(loader.name, loader.path)
        self._watch = watch

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        was_on = is_enabled()
        module = super().create_module(spec)
        self._watch.record(spec.name, was_on=was_on)
        return module

    def exec_module(self, module: ModuleType) -> None:
        was_on = is_enabled()
        super().exec_module(module)
        self._watch.record(module.__name__, was_on=was_on)


class GilWatch:
    """While entered, ``culprit`` is the name of the module whose import switched the GIL on.

    ``node`` is what ``who`` said then: for which node that was. It is called for the culprit alone.
    """

    def __init__(self, who: Callable[[], str] = lambda: "") -> None:
        self.culprit = ""
        self.node = ""
        self._who = who

    def record(self, module: str, *, was_on: bool) -> None:
        """Note what the GIL did while ``module`` was loaded.

        The interpreter holds the import lock of the module, not of all: two threads may note at
        once, but only one of them can have seen the GIL go from off to on.
        """
        if not was_on and is_enabled() and not self.culprit:
            self.culprit, self.node = module, self._who()

    def settle(self) -> None:
        """Take a blame back that was none, when all is at rest.

        While one thread loads an extension module, the interpreter has the GIL on for a moment (3.13:
        ``_PyEval_EnableGILTransient``); another one that was loading a harmless module may have seen that.
        """
        if not is_enabled():
            self.culprit = self.node = ""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module as the import system would, with a watched loader if it is an extension."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not ExtensionFileLoader:
            return None
        spec.loader = _WatchedLoader(self, spec.loader)
        return spec

    def __enter__(self) -> Self:
        """Start to watch; on a build that always has the GIL there is nothing to see."""
        if IS_FREE_THREADED:
            sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to watch."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
