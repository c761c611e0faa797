"""A headless Chromium for tests and measurements, driven by its DevTools protocol through two pipes.

``--remote-debugging-pipe``: it reads commands from file descriptor 3 and writes answers and events to 4, each a JSON
object that ends with a NUL (https://chromedevtools.github.io/devtools-protocol/).
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any

BOUND = 90.0
PATIENCE = 20.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--no-default-browser-check", "--remote-debugging-pipe",
)  # fmt: skip


def find_browser() -> str | None:
    """Return the path of a Chromium or a Chrome, None where there is none."""
    asked = os.environ.get("TASKRUNNER_CHROMIUM")
    return asked or next(filter(None, map(shutil.which, NAMES)), None)


class BrowserError(Exception):
    """The browser refused a command, or an expression raised an error."""


class Browser:
    """One process with one tab. ``complaints``: errors on the console, exceptions, requests to anywhere."""

    def __init__(self, program: str, profile: Path) -> None:
        down_read, self._down = map(_high, os.pipe())
        self._up, up_write = map(_high, os.pipe())
        wiring = [(os.POSIX_SPAWN_DUP2, down_read, 3), (os.POSIX_SPAWN_DUP2, up_write, 4)]
        quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._pid = os.posix_spawn(program, command, os.environ, file_actions=[*wiring, *quiet])
        os.close(down_read)
        os.close(up_write)
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        self._fired: set[str] = set()
        self.complaints: list[str] = []
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        (tab,) = [t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self._session = self.ask("Target.attachToTarget", targetId=tab["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """Send a command; return its result. Events that come before it are taken note of."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._down, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + BOUND
        while (answer := self._receive(end)).get("id") != self._number:
            self._take(answer)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["result"]

    def open(self, path: Path) -> None:
        """Load a page; return when it has loaded."""
        self._fired.discard("Page.loadEventFired")
        self.ask("Page.navigate", url=Path(path).resolve().as_uri())
        end = time.monotonic() + BOUND
        while "Page.loadEventFired" not in self._fired:
            self._take(self._receive(end))

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives, as JSON can hold it."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise BrowserError(found["exceptionDetails"])
        return found["result"].get("value")

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """Press and release a key on what has the focus."""
        fields = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **fields, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **fields)

    def mouse(self, kind: str, x: float, y: float, **fields: Any) -> None:
        """Send an event of the mouse, at a place in the window."""
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **fields)

    def size(self, width: int, height: int) -> None:
        """Set the size of the window."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str, media: str = "") -> None:
        """Be a system of the light or the dark, with a screen or, as ``print``, with paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write what is seen, or the whole page, as PNG."""
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End the process; it ends by itself when its pipes are closed."""
        with contextlib.suppress(OSError, BrowserError):
            self._session = None
            self.ask("Browser.close")
        os.close(self._down)
        os.close(self._up)
        process = os.pidfd_open(self._pid)
        if not select.select([process], [], [], PATIENCE)[0]:
            os.kill(self._pid, signal.SIGKILL)
        os.close(process)
        os.waitpid(self._pid, 0)

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._up], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser did not answer")
            part = os.read(self._up, 1 << 20)
            if not part:
                raise OSError("the browser has gone")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _take(self, event: dict[str, Any]) -> None:
        method, params = event.get("method", ""), event.get("params", {})
        self._fired.add(method)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(json.dumps(params["entry"]))
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
            self.complaints.append(params["request"]["url"])


def _high(number: int) -> int:
    """Move a file descriptor out of the way of 3 and 4."""
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(number)
    return moved
