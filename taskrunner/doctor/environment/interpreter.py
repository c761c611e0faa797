"""Interpreter: its build, the state of its GIL, and the cause of that state."""

import os
import platform
import shlex
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader

import msgspec

from taskrunner.system import gil
from taskrunner.system.host import python_build

BUILD = "build"
IMPORT = "import"
START_UP = "start-up"
DEFAULT = "default"


class Interpreter(msgspec.Struct, frozen=True):
    """The interpreter of this process.

    ``gil_by`` is the cause of the GIL's state:

    - ``build``: the build always has a GIL.
    - ``-X gil=0``, ``PYTHON_GIL=1`` and the like: the user's setting.
    - ``import``: an import switched it on; ``gil_module`` is the module, if it was identified.
    - ``start-up``: an import at the start of Python switched it on, from ``sitecustomize`` or a .pth file.
    - ``default``: it is off until an import switches it on.

    ``options`` are the options of the build's ``configure``, without paths; ``flags`` are the compiler's.
    ``jit``: ``none`` (not built in), ``off`` or ``on``.
    """

    version: str
    build: str
    compiler: str
    abi: str
    free_threaded: bool
    gil: bool
    gil_by: str
    gil_module: str
    jit: str
    debug: bool
    options: tuple[str, ...]
    flags: str

    @property
    def is_forced_off(self) -> bool:
        """Whether the GIL stays off, regardless of imports."""
        return not self.gil and self.gil_by != DEFAULT


def describe() -> Interpreter:
    """Return the current state of this process's interpreter."""
    options = _options()
    return Interpreter(
        version=python_build(),
        build=", ".join(part for part in platform.python_build() if part),
        compiler=platform.python_compiler(),
        abi=sysconfig.get_config_var("SOABI") or "",
        free_threaded=gil.IS_FREE_THREADED,
        gil=gil.is_enabled(),
        gil_by=_gil_by(),
        gil_module="",
        jit=_jit(options),
        debug=bool(sysconfig.get_config_var("Py_DEBUG")),
        options=tuple([option for option in options if "/" not in option]),
        flags=sysconfig.get_config_var("PY_CFLAGS") or "",
    )


def extension_modules() -> list[str]:
    """Return the extension modules that this process has loaded from files, in load order."""
    modules = list(sys.modules.items())
    return [name for name, module in modules if isinstance(getattr(module, "__loader__", None), ExtensionFileLoader)]


def _gil_by() -> str:
    if not gil.IS_FREE_THREADED:
        return BUILD
    if (setting := sys._xoptions.get("gil")) is not None:  # noqa: SLF001  its documented name
        return f"-X gil={setting}"
    if not sys.flags.ignore_environment and (setting := os.environ.get("PYTHON_GIL")):
        return f"PYTHON_GIL={setting}"
    return IMPORT if gil.is_enabled() else DEFAULT


def _options() -> list[str]:
    try:
        return shlex.split(sysconfig.get_config_var("CONFIG_ARGS") or "")
    except ValueError:  # an unclosed quote
        return []


def _jit(options: list[str]) -> str:
    """Return the state of the JIT compiler; 3.14 reports it in ``sys._jit``."""
    if (jit := getattr(sys, "_jit", None)) is not None:
        return "none" if not jit.is_available() else "on" if jit.is_enabled() else "off"
    built = [option.partition("=")[2] or "yes" for option in options if option.startswith("--enable-experimental-jit")]
    if not built or built[-1] not in ("yes", "yes-off"):
        return "none"
    default = "1" if built[-1] == "yes" else "0"
    return "off" if os.environ.get("PYTHON_JIT", default) == "0" else "on"
