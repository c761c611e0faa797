"""A PEP 517 backend that builds the published msgspec sdist with two edits, for Python 3.13t.

msgspec supports free-threaded CPython from 3.14 on and stops the compiler below that.
Its code is right on 3.13t once (1) that stop is lifted and (2) its static object header
has the layout that 3.13t expects. Nothing of msgspec is kept in this repository.
"""

import contextlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.22.0"
SHA256 = "0a13624a4969159fe35d8c2a3d377b2b61bbd8585e327440d5e52725affcce38"
SOURCE = f"msgspec-{VERSION}/src/msgspec/_core.c"

# (what it does, the text to find exactly once, the text to put there)
EDITS = [
    (
        "lift the compiler stop below 3.14",
        "#if defined(Py_GIL_DISABLED) && !PY314_PLUS\n",
        "#if 0\n",
    ),
    (
        "give the static object header of 3.13t",
        "#else\n#ifndef _Py_IMMORTAL_REFCNT\n",
        (
            "#elif defined(Py_GIL_DISABLED)\n"
            "#define _PyObject_HEAD_INIT(type) \\\n"
            "    { 0, 0, { 0 }, 0, _Py_IMMORTAL_REFCNT_LOCAL, 0, (type) }\n"
            "#else\n#ifndef _Py_IMMORTAL_REFCNT\n"
        ),
    ),
]


def edit(source: str) -> str:
    """Return msgspec's ``_core.c`` with both edits made, or stop if a place is not found once."""
    for what, old, new in EDITS:
        found = source.count(old)
        if found != 1:
            message = f"msgspec {VERSION}: cannot {what}: its place was found {found} times, not once"
            raise SystemExit(message)
        source = source.replace(old, new)
    return source


def fetch(folder: Path) -> Path:
    """Download the sdist with pip, which checks the hash before it opens the file, and unpack it."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"msgspec=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    subprocess.run(command, check=True)
    with tarfile.open(folder / f"msgspec-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"msgspec-{VERSION}"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):  # noqa: ARG001
    """Build the edited msgspec into ``wheel_directory`` and return the wheel's file name (PEP 517)."""
    with tempfile.TemporaryDirectory() as temporary:
        project = fetch(Path(temporary))
        core = Path(temporary) / SOURCE
        core.write_text(edit(core.read_text(encoding="utf-8")), encoding="utf-8")
        wheels = Path(wheel_directory).resolve()
        with contextlib.chdir(project):
            from setuptools import build_meta  # noqa: PLC0415  it reads the working directory

            return build_meta.build_wheel(str(wheels), config_settings)


def build_sdist(sdist_directory, config_settings=None):  # noqa: ARG001
    """Refuse: this folder is a recipe, and the source it stands for is published elsewhere."""
    raise SystemExit("there is no sdist to make here: use msgspec's own from the package index")
