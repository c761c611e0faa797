"""The program of a child process: it imports modules one by one and tells of each what the GIL did.

It is run as a file by itself and imports nothing of this package, so that what is tried meets a fresh interpreter; it
is given the file of ``tasks/gil.py``, whose watch knows which import it was. It reads its order from standard input,
which is empty from then on, and tells on standard output, where nobody else gets at it by printing.
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

LONGEST = 300  # of an error's text
GRACE = 5.0  # seconds that whoever started this has to end it


def main() -> None:
    """Import what is asked for, until one switches the GIL on. It leaves without what modules want at the end."""
    order = json.load(sys.stdin)
    _limit(order["seconds"])
    sys.path[:] = order["path"]
    with os.fdopen(os.dup(1), "w") as report:
        os.dup2(2, 1)  # what imports print is not told
        gil = _load(order["watch"])
        with gil.GilWatch() as watch:
            for name in order["names"]:
                told = _try(name, gil, watch)
                report.write(json.dumps(told) + "\n")
                report.flush()
                if told["after"] and not told["before"]:
                    break
    os._exit(0)  # threads that a module has started would hold it up


def _limit(seconds: float) -> None:
    """See to it that this ends, though whoever started it is gone, and leaves no image of itself."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("watch", path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  it is a file of Python
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _try(name: str, gil: Any, watch: Any) -> dict[str, Any]:
    known, before, error = set(sys.modules), gil.is_enabled(), ""
    try:
        importlib.import_module(name)
    except BaseException as problem:  # noqa: BLE001  a module may raise anything, SystemExit included
        error = _text(problem)
    loaded = {key: module for key, module in list(sys.modules.items()) if key not in known}
    return {
        "module": name,
        "before": before,
        "after": gil.is_enabled(),
        "culprit": watch.culprit,
        "error": error,
        "loaded": dict(_files(loaded)),
    }


def _text(problem: BaseException) -> str:
    told = ""
    with contextlib.suppress(Exception):  # its __str__ is somebody's code
        told = str(problem)
    return _encodable(f"{type(problem).__name__}: {told}"[:LONGEST])


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _files(modules: dict[str, ModuleType]) -> list[tuple[str, str]]:
    """Return the extension modules of what was imported, with their files."""
    found = []
    for name, module in modules.items():
        with contextlib.suppress(Exception):  # anything may stand in sys.modules
            spec = module.__spec__
            if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
                found.append((_encodable(str(name)), _encodable(str(spec.origin))))
    return found


if __name__ == "__main__":
    main()
