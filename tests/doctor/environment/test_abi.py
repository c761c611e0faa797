"""Which builds an extension module and a wheel fit: case 33 (PEP 803, ``abi3t``)."""

import importlib.machinery
import sysconfig

import pytest

from taskrunner.doctor.environment.abi import Build, fits, is_loadable, parse_build, wheel_fits

LINUX = "x86_64-linux-gnu"
BUILDS = {name: f"cpython-{name}-{LINUX}" for name in ("313", "313t", "314", "314t", "315", "315t", "316", "316t")}
NEW = ("315", "315t", "316", "316t")


@pytest.mark.parametrize(
    ("abi", "tags", "builds"),
    [
        (f"cpython-314t-{LINUX}", (), ["314t"]),
        ("", (), list(BUILDS)),
        ("abi3", (), ["313", "314", "315", "316"]),
        ("abi3", ("cp314-abi3-linux_x86_64",), ["314", "315", "316"]),
        ("abi3t", (), [*NEW]),  # case 33
        ("abi3t", ("cp315-abi3.abi3t-linux_x86_64",), [*NEW]),
        ("abi3t", ("cp315-abi3-linux_x86_64", "cp315-abi3t-linux_x86_64"), [*NEW]),
        ("abi3t", ("cp316-abi3t-linux_x86_64",), ["316", "316t"]),
        (f"abi3t-{LINUX}", (), [*NEW]),
        (f"abi3-{LINUX}", (), ["315", "316"]),
        ("abi3t-aarch64-linux-gnu", (), []),
        ("abi4", (), []),
        ("abi3tt", (), []),
        ("cpython-39-darwin", (), []),
        ("pypy310-pp73-x86_64-linux-gnu", (), []),
    ],
)
def test_builds_that_an_extension_module_fits(abi, tags, builds):
    assert [name for name, own in BUILDS.items() if fits(abi, own, tags)] == builds


@pytest.mark.parametrize(
    ("abi", "builds"),
    [
        ("abi3", ["313", "313t", "314", "314t", "315", "316"]),  # 3.13t and 3.14t try, and may crash
        ("abi3t", [*NEW]),
        (f"abi3-{LINUX}", ["315", "316"]),
        ("", list(BUILDS)),
    ],
)
def test_builds_that_try_to_load_an_extension_module(abi, builds):
    assert [name for name, own in BUILDS.items() if is_loadable(abi, own)] == builds


@pytest.mark.parametrize("abi", ["abi3", "abi3t"])
def test_loadable_agrees_with_this_interpreter(abi):
    own = sysconfig.get_config_var("SOABI")
    assert is_loadable(abi, own) == (f".{abi}.so" in importlib.machinery.EXTENSION_SUFFIXES)


@pytest.mark.parametrize(
    ("tag", "builds"),
    [
        ("cp313-cp313t-any", ["313t"]),
        ("cp315-abi3.abi3t-manylinux_2_28_x86_64", [*NEW]),  # case 33
        ("cp315-abi3t-any", [*NEW]),
        ("cp316-abi3.abi3t-any", ["316", "316t"]),
        ("cp39-abi3-any", ["313", "314", "315", "316"]),
        ("cp314-abi3.abi3t-any", ["314", *NEW]),  # an abi3 of 3.14, an abi3t of no version before 3.15
        ("cp315.cp316-abi3t-any", [*NEW]),
        ("py3-none-any", []),
        ("nonsense", []),
        ("", []),
    ],
)
def test_builds_that_a_wheel_fits(tag, builds):
    assert [name for name in BUILDS if wheel_fits(tag, f"cp{name}")] == builds


@pytest.mark.parametrize(
    ("abi", "build"),
    [
        (f"cpython-313t-{LINUX}", Build(13, free_threaded=True, platform=LINUX)),
        ("cpython-315td-darwin", Build(15, free_threaded=True, platform="darwin")),
        ("cpython-314d-darwin", Build(14, free_threaded=False, platform="darwin")),
        ("cp314t", Build(14, free_threaded=True)),
        ("pypy310-pp73", None),
        ("", None),
    ],
)
def test_parse_build(abi, build):
    assert parse_build(abi) == build
