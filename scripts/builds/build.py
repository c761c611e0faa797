"""The builds of CPython at hand, each with a locked environment of its own, and those that are missing."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
KNOWN = ("3.13", "3.13t", "3.14", "3.14t")
OLDEST = (3, 13)
WITH_GIL = "+gil"  # "3.13t+gil" is the free-threaded build under PYTHON_GIL=1
NAME = re.compile(r"3\.[1-9]\d+t?(\+gil)?")
VARIANTS = {"default": "", "freethreaded": "t"}
PRIVATE_UV = "taskrunner/uv/bin/uv"  # where scripts/bootstrap puts it
BOUND_S = 600  # an environment may have a package to compile
PROBE = """\
import json, platform, sys, sysconfig
print(json.dumps({
    "python": sys.executable, "version": platform.python_version(),
    "free_threaded": "free-threading" in sys.version, "gil": sys._is_gil_enabled(),
    "compiler": platform.python_compiler(), "configured": sysconfig.get_config_var("CONFIG_ARGS") or "",
}))"""


class MissingError(Exception):
    """A build that cannot be measured, and why."""


@dataclass(frozen=True)
class Build:
    """An interpreter in its environment, and what its processes find in their own environment.

    ``facts`` is what the interpreter says of itself: its version, ``gil`` and so on.
    """

    name: str
    python: str
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def version(self) -> str:
        """The version, as in 3.13.9."""
        return str(self.facts["version"])

    def environment(self) -> dict[str, str]:
        """Return what its processes get: this checkout to import, and the GIL as this build has it."""
        ours = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}
        left = {name: value for name, value in os.environ.items() if name not in ("PYTHON_GIL", "VIRTUAL_ENV")}
        return left | ours | self.variables


def at_hand(environments: Path, only: Sequence[str]) -> tuple[list[Build], dict[str, str]]:
    """Return the builds that can be measured, and those that cannot by the reason.

    ``only`` names the builds to look for; empty: all that are known, and newer ones that are installed.
    """
    installed = _installed()
    names = [_plain(name) for name in only] or [*KNOWN, *installed]
    builds: list[Build] = []
    missing: dict[str, str] = {}
    for name in sorted(set(names), key=_order):
        try:
            builds += both(name, _prepared(name, installed, environments))
        except MissingError as error:
            missing[name] = str(error)
    return [build for build in builds if not only or build.name in only], missing


def both(name: str, python: str) -> list[Build]:
    """Return the build of an environment's interpreter; of a free-threaded one also with its GIL on.

    Raises:
        MissingError: it does not start, or cannot import the runner.

    """
    plain = _probed(Build(name, python))
    return [plain, _probed(Build(name + WITH_GIL, python, {"PYTHON_GIL": "1"}))] if _can_be_free(plain) else [plain]


def names_of(found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the interpreters in what ``uv python list --output-format json`` says, the first of each name."""
    paths: dict[str, str] = {}
    for one in found:
        version = (one["version_parts"]["major"], one["version_parts"]["minor"])
        if one["implementation"] == "cpython" and one["variant"] in VARIANTS and version >= OLDEST:
            paths.setdefault(f"{version[0]}.{version[1]}{VARIANTS[one['variant']]}", one["path"])
    return paths


def reason(errors: str) -> str:
    """Return the line of uv's errors that tells most: the last cause, else the last line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"error|caused by|cause:|×", line, re.IGNORECASE)]  # noqa: RUF001  uv's own mark
    return (told or lines or ["it said nothing"])[-1]


def _plain(name: str) -> str:
    return name.removesuffix(WITH_GIL)


def _order(name: str) -> tuple[int, str]:
    """Order by version, the build with the GIL first."""
    return int(name.rstrip("t").partition(".")[2]), name


def _can_be_free(build: Build) -> bool:
    return bool(build.facts["free_threaded"])


def _uv() -> str | None:
    """Return uv: the one that runs this script, one on the path, or that of ``scripts/bootstrap``."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return os.environ.get("UV") or shutil.which("uv") or shutil.which(data / PRIVATE_UV)


def _installed() -> dict[str, str]:
    uv = _uv()
    if uv is None:
        return {}
    command = [uv, "python", "list", "--only-installed", "--output-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BOUND_S, cwd=ROOT)
    return names_of(json.loads(done.stdout or "[]"))


def _prepared(name: str, installed: Mapping[str, str], environments: Path) -> str:
    """Have uv make the locked environment of a build; return the environment's interpreter."""
    uv = _uv()
    if uv is None:
        raise MissingError("uv is missing: scripts/bootstrap would install it")
    if name not in installed:
        raise MissingError(f"not installed; TASKRUNNER_PYTHON={name} scripts/bootstrap true would get it")
    pinned = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    folder = environments / (".venv" if name == pinned else f".venv-{name}")  # as scripts/bootstrap has them
    command = [uv, "run", "--locked", "--no-default-groups", "--project", str(ROOT), "--python", installed[name]]
    variables = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1"} | os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)}
    return _last_line([*command, "python", "-c", "import sys; print(sys.executable)"], variables)


def _probed(build: Build) -> Build:
    facts = json.loads(_last_line([build.python, "-c", f"import taskrunner\n{PROBE}"], build.environment()))
    return Build(build.name, build.python, build.variables, facts)


def _last_line(command: Sequence[str], variables: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, check=False, timeout=BOUND_S, cwd=ROOT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(str(error)) from error
    if done.returncode or not done.stdout.strip():
        raise MissingError(reason(done.stderr))
    return done.stdout.splitlines()[-1]


def built_alike(builds: Sequence[Build]) -> Iterator[str]:
    """Say of which versions the two builds differ in more than the GIL: their ratio would not be fair."""
    for version in dict.fromkeys(build.version for build in builds):
        made = {_made(build) for build in builds if build.version == version}
        if len(made) > 1:
            yield f"{version}: the builds differ in compiler or flags, and not by the GIL alone"


def _made(build: Build) -> tuple[str, frozenset[str]]:
    """Return the compiler and the flags, without what says where it lies and whether it has a GIL."""
    flags = re.findall(r"'([^']*)'", str(build.facts["configured"]))
    return str(build.facts["compiler"]), frozenset(flag for flag in flags if not re.match(r"--(prefix|.*-gil\b)", flag))
