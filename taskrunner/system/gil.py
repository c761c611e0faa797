"""State of the GIL, and detection of the import that switched it on.

A free-threaded interpreter switches its GIL on permanently when it loads an extension module that does not declare
support for running without it. ``GilWatch`` gives every extension module a loader that checks the GIL before and
after the load. It is a finder at the front of ``sys.meta_path``: it replaces no function, and it sees the imports
of all threads.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from types import ModuleType
from typing import Self

# Free-threaded builds have the ABI flag "t" (PEP 703). ``sysconfig`` has it as well, but takes longer to import.
IS_FREE_THREADED = "t" in sys.abiflags


def describe_culprit(module: str, node: str) -> str:
    """Return a phrase that names the import that switched the GIL on, and its node if ``node`` is not empty."""
    return f'importing "{module}"{f' for node "{node}"' if node else ""} switched it on'


def culprit_suffix(module: str | None, node: str) -> str:
    """Return the phrase in parentheses, as a suffix of a message; empty if the module is unknown."""
    return f" ({describe_culprit(module, node)})" if module else ""


def is_enabled() -> bool:
    """Return whether the GIL is currently on in this process."""
    return sys._is_gil_enabled()  # noqa: SLF001  its documented name


class _WatchedLoader(ExtensionFileLoader):
    """A loader that loads an extension module and records whether the load switched the GIL on."""

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
    """A context manager that records the import that switches the GIL on.

    ``culprit`` is the name of the imported module, empty if there is none. ``node`` is the return value of
    ``get_node`` at that time: the id of the node that required the import. ``get_node`` is called only for the culprit.
    """

    def __init__(self, get_node: Callable[[], str] = lambda: "") -> None:
        self.culprit = ""
        self.node = ""
        self._get_node = get_node

    def record(self, module: str, *, was_on: bool) -> None:
        """Record ``module`` as the culprit if its load switched the GIL on.

        Thread safety: the interpreter holds the import lock of this module only, so two threads may call this method
        concurrently. Only one of them can have observed the transition of the GIL from off to on.
        """
        if not was_on and is_enabled() and not self.culprit:
            self.culprit, self.node = module, self._get_node()

    def recheck(self) -> None:
        """Clear the culprit if the GIL is off. Call this when no imports are in progress.

        During the load of an extension module, the interpreter switches the GIL on temporarily (3.13:
        ``_PyEval_EnableGILTransient``). Another thread that loads a harmless module may have observed this.
        """
        if not is_enabled():
            self.culprit = self.node = ""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module like the import system, with a watched loader if it is an extension."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not ExtensionFileLoader:
            return None
        spec.loader = _WatchedLoader(self, spec.loader)
        return spec

    def __enter__(self) -> Self:
        """Start to watch. On a build that always has the GIL, do nothing."""
        if IS_FREE_THREADED:
            sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the watch."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
