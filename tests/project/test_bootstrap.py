"""scripts/bootstrap on machines that lack things: its tools are stand-ins in a folder that is the whole PATH."""

import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "scripts" / "bootstrap"
TOOLS = (
    "sh",
    "cat",
    "dirname",
    "sed",
    "grep",
    "head",
    "tail",
    "sort",
    "mktemp",
    "mkdir",
    "rm",
    "mv",
    "uname",
    "tr",
    "sleep",
    "getconf",
    "tar",
    "xz",
    "touch",
    "env",
    "ls",
    "printf",
)
UV = """\
case "$1 $2" in
"--version ") echo "uv 1.0" ;;
"python dir") echo "$HOME/pythons" ;;
"python install") echo "error: no route" >&2; exit 2 ;;
"run "*) shift; echo "run $*"; echo "env=$UV_PROJECT_ENVIRONMENT" ;;
*) exit 9 ;;
esac
"""
CONFIGURE = """\
#!/bin/sh
for option; do
    case $option in --prefix=*) echo "${option#*=}" >prefix ;; esac
done
"""
MAKE = """\
[ "$1" = install ] || exit 0
installed=${2#DESTDIR=}$(cat prefix)
mkdir -p "$installed/bin" "$installed/lib/python3.13t"
cp python "$installed/bin/python3.13t"
"""
TESTS = ("__init__.py", "support/__init__.py", "support/os_helper.py", "test_concurrent_futures/__init__.py")


class Machine:
    def __init__(self, folder):
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.pythons = self.home / "pythons"
        self.bin.mkdir()
        self.home.mkdir()
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        self.environment = {"HOME": str(self.home), "PATH": str(self.bin), "TMPDIR": str(folder)}

    def tool(self, name, script):
        path = self.bin / name
        path.write_text(f"#!{self.bin}/sh\n{script}")
        path.chmod(0o755)

    def python(self, key, name):
        path = self.pythons / key / "bin" / name
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    def start(self, *command, **environment):
        return subprocess.Popen(
            ["/bin/sh", str(BOOTSTRAP), *command],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command, **environment):
        process = self.start(*command, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def left_over(folder):
    return sorted(str(path) for path in folder.rglob("*taskrunner-*"))


def test_it_hands_over_to_uv_with_the_managed_interpreter(machine):
    machine.tool("uv", UV)
    python = machine.python("cpython-3.13.9+freethreaded-linux-x86_64-gnu", "python3.13t")
    code, out, err = machine.run("pytest", "-k", "a b")
    assert (code, err) == (0, "")
    assert out == f"run --project {ROOT} --python {python} --group test pytest -k a b\nenv=\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("taskrunner", "exec", "pytest"), "taskrunner exec pytest"),
        (("ruff", "check", "."), "--group dev ruff check ."),
        (("mypy",), "--group dev mypy"),
        (("--group", "polars", "--group", "duckdb", "pytest"), "--group test --group polars --group duckdb pytest"),
        (("-q", "pytest"), "--group test -q pytest"),
        (("--group", "test", "true"), "--group test true"),
    ],
)
def test_command_gets_the_dependency_group_that_it_needs(machine, command, words):
    machine.tool("uv", UV)
    machine.python("cpython-3.13.9+freethreaded-linux-x86_64-gnu", "python3.13t")
    code, out, _ = machine.run(*command)
    assert (code, out.partition("python3.13t ")[2]) == (0, f"{words}\nenv=\n")


def test_another_build_gets_an_environment_of_its_own(machine):
    machine.tool("uv", UV)
    machine.python("cpython-3.13.9+freethreaded-linux-x86_64-gnu", "python3.13")
    python = machine.python("cpython-3.13.9-linux-x86_64-gnu", "python3.13")
    code, out, _ = machine.run("true", TASKRUNNER_PYTHON="3.13")
    assert code == 0
    assert out == f"run --project {ROOT} --python {python} true\nenv={ROOT}/.venv-3.13\n"


def test_it_takes_the_python_that_uv_downloads(machine):
    key = "cpython-3.13.9+freethreaded-linux-x86_64-gnu"
    install = f'd="$HOME/pythons/{key}/bin"; mkdir -p "$d"; touch "$d/python3.13t"; chmod +x "$d/python3.13t"'
    (machine.bin / "chmod").symlink_to(shutil.which("chmod"))
    machine.tool("uv", UV.replace('echo "error: no route" >&2; exit 2', install))
    code, out, err = machine.run("true")
    assert code == 0
    assert f"{key}/bin/python3.13t true" in out
    assert "asking uv to download one" in err
    assert left_over(machine.home) == []


def test_it_installs_uv_with_pip_where_there_is_none(machine):
    install = 'mkdir -p "$3/bin"; cp "$0" "$3/bin/python3"; chmod +x "$3/bin/python3"'
    pip = 'printf "%s" "$FAKE_UV" >"${0%/*}/uv"; chmod +x "${0%/*}/uv"'
    machine.tool("python3", f'case "$2" in venv) {install} ;; pip) {pip} ;; esac')
    for tool in ("cp", "chmod"):
        (machine.bin / tool).symlink_to(shutil.which(tool))
    machine.python("cpython-3.13.9+freethreaded-linux-x86_64-gnu", "python3.13t")
    fake = f"#!{machine.bin}/sh\n{UV}"
    code, out, err = machine.run("true", FAKE_UV=fake)
    assert (code, out.splitlines()[-1]) == (0, "env=")
    assert "installing it with pip" in err
    assert (machine.home / ".local/share/taskrunner/uv/bin/uv").read_text() == fake
    assert left_over(machine.home) == []
    assert machine.run("true")[2] == ""


def test_without_uv_and_python_it_says_so(machine):
    code, out, err = machine.run("true")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "bootstrap: python3 is missing: install Python 3, or uv itself"


def test_it_names_everything_that_a_build_would_need(machine):
    machine.tool("uv", UV)
    code, _, err = machine.run("true")
    assert code == 1
    assert err.splitlines()[-1] == (
        "bootstrap: cannot build Python 3.13t: missing: apt-get(a-Debian-mirror) make"
        " gcc(a-C-compiler) zlib1g-dev libssl-dev libffi-dev"
    )
    assert left_over(machine.home) == []


def test_it_names_the_header_that_is_missing(machine):
    machine.tool("uv", UV)
    machine.tool("apt-get", "exit 1")
    machine.tool("make", "exit 1")
    machine.tool("cc", "case $(cat) in *zlib*) exit 1 ;; esac")
    assert machine.run("true")[2].splitlines()[-1] == "bootstrap: cannot build Python 3.13t: missing: zlib1g-dev"


def test_a_mirror_that_does_not_answer_is_named(machine):
    machine.tool("uv", UV)
    machine.tool("apt-get", "exit 100")
    machine.tool("apt-cache", "exit 100")
    machine.tool("make", "exit 1")
    machine.tool("cc", "cat >/dev/null")
    code, _, err = machine.run("true")
    assert code == 1
    assert "mirror" in err.splitlines()[-1] or "debian-archive-keyring" in err.splitlines()[-1]
    assert left_over(machine.home) == []


def builds_from(machine, folder, *tests):
    """Give a machine all that it builds with, and a source that has these files in its Lib/test."""
    tree = folder / "Python-3.13.9"
    files = {"configure": CONFIGURE, "python": "#!/bin/sh\n"} | {f"Lib/test/{name}": name for name in tests}
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    package = folder / "python3.13_3.13.9.orig.tar.xz"
    with tarfile.open(package, "w:xz") as archive:
        archive.add(tree, tree.name)
    (machine.bin / "cp").symlink_to(shutil.which("cp"))
    machine.tool("uv", UV)
    machine.tool("apt-get", f'case "$*" in *--download-only*) cp {package} . ;; esac')
    machine.tool("apt-cache", 'echo "Version: 3.13.9-1"')
    machine.tool("cc", "cat >/dev/null")
    machine.tool("make", MAKE)


def built(machine):
    """Have a machine build Python; return its output for the user, and the built library's folder."""
    code, out, err = machine.run("true")
    if "debian-archive-keyring" in err or "no Debian mirror" in err:
        pytest.skip(err.splitlines()[-1])
    assert code == 0, err
    (home,) = machine.pythons.glob("cpython-3.13.9+freethreaded-linux-*-gnu")
    assert f"{home}/bin/python3.13t true" in out
    assert left_over(machine.home) == []
    return err, home / "lib/python3.13t"


def test_it_builds_python_and_keeps_the_tests_of_executors(machine, tmp_path):
    builds_from(machine, tmp_path, *TESTS, "test_os.py", "test_asyncio/__init__.py")
    err, library = built(machine)
    assert "could not be kept" not in err
    kept = library / "test"
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*.py")) == sorted(TESTS)
    assert (kept / "support/os_helper.py").read_text() == "support/os_helper.py"


def test_python_is_built_also_where_the_source_has_no_such_tests(machine, tmp_path):
    builds_from(machine, tmp_path, "__init__.py", "support/__init__.py")
    err, library = built(machine)
    assert err.splitlines()[-1].endswith("could not be kept: ours will skip them")
    assert list(library.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_an_interrupted_call_leaves_nothing_behind(machine, number, code):
    machine.tool("uv", UV.replace('echo "error: no route" >&2; exit 2', 'touch "$HOME/started"; exec sleep 60'))
    process = machine.start("true")
    deadline = time.monotonic() + 20
    while not (machine.home / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert left_over(machine.home) != []
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == code
    assert left_over(machine.home) == []
    assert list(machine.pythons.iterdir()) == []


def test_a_build_that_does_not_exist_is_refused(machine):
    assert machine.run("true", TASKRUNNER_PYTHON="2.7")[:2] == (1, "")
    assert "2.7 is not a build" in machine.run("true", TASKRUNNER_PYTHON="2.7")[2]


def test_without_a_command_it_says_how_it_is_used(machine):
    assert machine.run() == (1, "", "bootstrap: usage: scripts/bootstrap CMD...\n")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    command = [shutil.which("shellcheck"), str(BOOTSTRAP)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_is_executable():
    assert os.access(BOOTSTRAP, os.X_OK)
