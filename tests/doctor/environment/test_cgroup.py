"""The limit of the control groups, read from folders that look like Linux's."""

import pytest

from taskrunner.doctor.environment.cgroup import cpu_limit


@pytest.fixture
def system(tmp_path):
    """Return what makes a process with such groups and mounts, and files in the groups; it gives the limit."""

    def make(groups, mounts, files):
        proc = tmp_path / "proc"
        proc.mkdir()
        (proc / "cgroup").write_text(groups)
        (proc / "mountinfo").write_text(mounts.format(root=str(tmp_path).replace(" ", r"\040")))
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cpu_limit(proc)

    return make


V2 = "31 23 0:28 / {root}/fs rw,relatime - cgroup2 cgroup2 rw\n"
V1 = "31 23 0:28 / {root}/fs/cpu rw - cgroup cgroup rw,cpu,cpuacct\n32 23 0:29 / {root}/fs/pids rw - cgroup x rw,pids\n"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"fs/a/b/cpu.max": "max 100000\n"}, None),
        ({"fs/a/b/cpu.max": "150000 100000\n"}, 1.5),
        ({"fs/a/b/cpu.max": "400000 100000\n", "fs/a/cpu.max": "200000 100000\n"}, 2.0),
        ({"fs/cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "50000 100000\n"}, None),  # above the mount
        ({"fs/a/b/cpu.max": "what is this"}, None),
        ({"fs/a/b/cpu.max": "100000 0"}, None),
    ],
)
def test_version_2(system, files, limit):
    assert system("0::/a/b\n", V2, files) == limit


@pytest.mark.parametrize(("quota", "limit"), [("-1\n", None), ("250000\n", 2.5), ("0\n", None)])
def test_version_1(system, quota, limit):
    files = {"fs/cpu/g/cpu.cfs_quota_us": quota, "fs/cpu/g/cpu.cfs_period_us": "100000\n"}
    assert system("4:cpu,cpuacct:/g\n3:pids:/g\n", V1, files) == limit


def test_the_least_of_both_versions_counts(system):
    files = {
        "fs/cpu/cpu.cfs_quota_us": "300000",
        "fs/cpu/cpu.cfs_period_us": "100000",
        "two/cpu.max": "200000 100000",
    }
    mounts = V1 + "33 23 0:30 / {root}/two rw - cgroup2 none rw\n"
    assert system("4:cpu:/\n0::/\n", mounts, files) == 2.0


def test_a_container_sees_its_own_group_as_the_root_of_the_mount(system):
    mounts = "31 23 0:28 /docker/x {root}/fs rw - cgroup2 cgroup2 rw\n"
    assert system("0::/docker/x/y\n", mounts, {"fs/y/cpu.max": "100000 100000"}) == 1.0


@pytest.mark.parametrize("groups", ["", "0", "::", "nothing\n\n"])
def test_what_cannot_be_read_is_no_limit(system, groups):
    assert system(groups, "31 23\n - \n", {}) is None


def test_where_there_is_no_proc(tmp_path):
    assert cpu_limit(tmp_path / "nowhere") is None
