"""Program of a child process: it imports modules one by one, and reports the state of the GIL after each.

It runs as a stand-alone file and imports no other module of this package, so that tested modules start in a fresh
interpreter. The request names the file of ``system/gil.py``, whose watch identifies the culprit.

The request is read from standard input, which is empty afterwards. Reports are written to a copy of standard output,
which no other code can reach by printing.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import Any

MAX_ERROR_CHARS = 300
GRACE_PERIOD_S = 5.0  # time for the parent process to kill this one


def main() -> None:
    """Import the requested modules until one switches the GIL on, and exit without their exit handlers."""
    request = json.load(sys.stdin)
    _limit(request["seconds"])
    sys.path[:] = request["path"]
    with os.fdopen(os.dup(1), "w") as file:
        os.dup2(2, 1)  # keeps output of imported modules out of the report
        gil = _load(request["watch"])
        with gil.GilWatch() as watch:
            for name in request["names"]:
                report = _import(name, gil, watch)
                file.write(json.dumps(report) + "\n")
                file.flush()
                if report["after"] and not report["before"]:
                    break
    os._exit(0)  # threads started by a module would delay a normal exit


def _limit(timeout_s: float) -> None:
    """Ensure that this process ends even without its parent, and writes no core dump."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout_s + GRACE_PERIOD_S)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("watch", path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  it is a Python file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _import(name: str, gil: Any, watch: Any) -> dict[str, Any]:
    loaded_before, was_on, error = set(sys.modules), gil.is_enabled(), ""
    try:
        importlib.import_module(name)
    except BaseException as exception:  # noqa: BLE001  a module may raise anything, including SystemExit
        error = _format_error(exception)
    loaded = {key: module for key, module in list(sys.modules.items()) if key not in loaded_before}
    return {
        "module": name,
        "before": was_on,
        "after": gil.is_enabled(),
        "culprit": watch.culprit,
        "error": error,
        "loaded": dict(_extension_files(loaded)),
    }


def _format_error(exception: BaseException) -> str:
    message = ""
    with contextlib.suppress(Exception):  # its __str__ is foreign code
        message = str(exception)
    return _encodable(f"{type(exception).__name__}: {message}"[:MAX_ERROR_CHARS])


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _extension_files(modules: dict[str, ModuleType]) -> list[tuple[str, str]]:
    """Return the extension modules among the loaded modules, with their files."""
    extensions = []
    for name, module in modules.items():
        with contextlib.suppress(Exception):  # sys.modules may contain any object
            spec = module.__spec__
            if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
                extensions.append((_encodable(str(name)), _encodable(str(spec.origin))))
    return extensions


if __name__ == "__main__":
    main()
