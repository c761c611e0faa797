"""msgspec as it is installed here, and the recipe that builds it for 3.13t."""

import importlib.util
import re
import subprocess
import sys
import sysconfig
import threading
import tomllib
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "third_party" / "msgspec"


@pytest.fixture
def backend():
    spec = importlib.util.spec_from_file_location("msgspec_backend", FOLDER / "backend.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this build always has the GIL")
def test_import_warns_of_nothing_and_leaves_the_gil_off():
    code = "import msgspec, sys; print(sys._is_gil_enabled())"
    command = [sys.executable, "-X", "gil=0", "-W", "error", "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
    command = [sys.executable, "-W", "error", "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


class Point(msgspec.Struct, frozen=True):
    name: str
    values: tuple[int, ...]
    inner: dict[str, float] = {}


@pytest.mark.parametrize("module", [msgspec.json, msgspec.msgpack], ids=["json", "msgpack"])
def test_two_threads_make_round_trips_on_private_data(module):
    def trips(number, found):
        encoder, decoder = module.Encoder(), module.Decoder(list[Point])
        for step in range(300):
            mine = [Point(f"{number}-{step}-{i}", tuple(range(i)), {"x": i / 3}) for i in range(20)]
            found.append(decoder.decode(encoder.encode(mine)) == mine)

    results = [[], []]
    threads = [threading.Thread(target=trips, args=(n, found)) for n, found in enumerate(results)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[True] * 300] * 2


def test_both_edits_are_made_where_their_places_are_found(backend):
    source = "a\n" + "b\n".join(old for _, old, _ in backend.EDITS)
    edited = backend.edit(source)
    assert "#if 0\n" in edited
    assert edited.count("_Py_IMMORTAL_REFCNT_LOCAL") == 1
    assert "!PY314_PLUS" not in edited


@pytest.mark.parametrize("missing", [0, 1])
def test_a_place_that_is_not_found_stops_the_build(backend, missing):
    kept = [old for number, (_, old, _) in enumerate(backend.EDITS) if number != missing]
    with pytest.raises(SystemExit, match=re.escape(backend.EDITS[missing][0])):
        backend.edit("\n".join(kept))


def test_a_place_that_is_found_twice_stops_the_build(backend):
    with pytest.raises(SystemExit, match="found 2 times"):
        backend.edit(2 * backend.EDITS[0][1])


def test_the_recipe_names_the_version_and_the_hash_that_the_lock_has(backend):
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    hashes = {
        package["sdist"]["hash"]
        for package in lock["package"]
        if package["name"] == "msgspec" and package["version"] == backend.VERSION and "sdist" in package
    }
    assert hashes == {f"sha256:{backend.SHA256}"}
    assert tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]["version"] == backend.VERSION
