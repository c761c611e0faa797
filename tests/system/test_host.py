"""What a run runs on."""

import builtins
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from taskrunner.system.host import peak_memory, processors, versions


def test_the_versions_of_what_was_imported_are_those_that_are_installed():
    found = versions()
    assert {"msgspec", "pytest"} <= set(found)
    assert found == {name: metadata.version(name) for name in found}


def test_what_was_not_imported_is_not_named(monkeypatch, tmp_path):
    (tmp_path / "nobody-1.0.dist-info").mkdir()
    (tmp_path / "Sys-7.5.dist-info").mkdir()  # names are written as their makers like
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing"), str(tmp_path / "file.zip")])
    assert versions() == {"sys": "7.5"}


def test_there_is_a_processor():
    assert processors() >= 1


MIB = 2**20
PRINT = "from taskrunner.system.host import peak_memory; print(peak_memory())"
# A launcher that has used 300 MiB and then becomes the program, as `uv run` does.
LAUNCHER = """
import os, sys
block = bytearray(300 * 2**20)
block[::4096] = b"x" * len(block[::4096])
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the program from its launcher")
def test_peak_memory_is_not_that_of_the_launcher():  # case 27
    command = [sys.executable, "-c", LAUNCHER, PRINT]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert 5 * MIB < int(printed) < 150 * MIB


def test_peak_memory_grows_with_use():
    before = peak_memory()
    block = bytearray(before + 16 * MIB)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory() >= before + 16 * MIB


def test_peak_memory_without_proc_is_that_of_the_system(monkeypatch):
    def refuse(*_):
        raise FileNotFoundError

    monkeypatch.setattr(builtins, "open", refuse)
    assert peak_memory() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
